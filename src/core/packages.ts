/** The optional packages: which versions are used, what each is for, and the error where one is missing. */
import { FunnelError } from './errors.js';

/** As package.json has their versions. */
export const PACKAGES = {
  commander: ['^14.0.3', 'the command line, all commands but doctor'],
  'cli-progress': ['^3.12.0', 'progress bars; without it progress comes as lines'],
  'csv-parse': ['^7.0.3', 'CSV and TSV files'],
  hyparquet: ['^1.31.5', 'Parquet files'],
  'hyparquet-compressors': ['>=1.1.0', 'Parquet files in LZ4, and Zstandard before Node.js 22.15'],
  'apache-arrow': ['>=21.0.0', 'Arrow files'],
  'lz4-napi': ['>=2.9.0', 'Arrow files in LZ4'],
  h5wasm: ['>=0.10.0', 'HDF5 files'],
  'better-sqlite3': ['>=11.0.0', 'SQLite databases before Node.js 22.13 (or libsql)'],
  libsql: ['>=0.5.0', 'SQLite databases before Node.js 22.13 (or better-sqlite3)'],
  'sqlite-vec': ['>=0.1.6', 'tables of sqlite-vec in SQLite databases'],
  uplot: ['^1.6.32', 'plots of the report'],
  lmdb: ['^3.5.0', 'an embedded index on disk'],
  'onnxruntime-node': ['>=1.20.0', 'transformer models'],
  '@huggingface/tokenizers': ['>=0.2.0', 'every model'],
  '@zilliz/milvus2-sdk-node': ['>=3.0.0', 'Milvus'],
  '@qdrant/js-client-rest': ['>=1.18.0', 'Qdrant over REST'],
  '@qdrant/js-client-grpc': ['>=1.18.0', 'Qdrant over gRPC'],
  '@modelcontextprotocol/sdk': ['^1.20.0', 'funnelvec mcp'],
  '@langchain/core': ['^1.1.47', 'funnelvec/langchain'],
  '@mastra/core': ['^1.71.0', 'funnelvec/mastra'],
} as const satisfies Record<string, readonly [range: string, use: string]>;

export type PackageName = keyof typeof PACKAGES;

/** Says what to install: the newest, or the newest that fits. */
export function installCommand(name: PackageName): string {
  const [range] = PACKAGES[name];
  return `npm install ${name}${range.startsWith('>=') ? '' : `@${range}`}`;
}

/** @param why it does not load, though it is there */
export function missingPackage(name: PackageName, cause?: unknown, why?: string): FunnelError {
  const [range, use] = PACKAGES[name];
  const got = why === undefined ? '' : ` but it does not load (${why})`;
  return new FunnelError(
    'MISSING_PACKAGE',
    `Expected the package ${name} ${range} (${use})${got}: ${installCommand(name)}`,
    { cause },
  );
}

/** Whether an error of loading says that the package itself is not there, or lacks the part that was asked for. */
export function isAbsence(error: unknown, name: string): boolean {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  const absent = ['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND', 'ERR_PACKAGE_PATH_NOT_EXPORTED'].includes(String(code));
  return absent && String(message).includes(name);
}

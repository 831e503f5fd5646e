/** The optional packages: what each is for, and how one is loaded only when something needs it. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { FunnelError } from '../core/errors.js';

export const PACKAGES = {
  commander: 'the command line, all commands but doctor',
  'cli-progress': 'progress bars; without it progress comes as lines',
  'csv-parse': 'ingest of CSV and TSV files',
  hyparquet: 'ingest of Parquet files',
  'hyparquet-compressors': 'Parquet files in LZ4, and Zstandard before Node.js 22.15',
  'apache-arrow': 'ingest of Arrow files',
  'lz4-napi': 'Arrow files in LZ4',
  h5wasm: 'ingest of HDF5 files',
  'better-sqlite3': 'ingest of SQLite databases before Node.js 22.13 (or libsql)',
  libsql: 'ingest of SQLite databases before Node.js 22.13 (or better-sqlite3)',
  'sqlite-vec': 'tables of sqlite-vec in SQLite databases',
  uplot: 'plots of the report',
  lmdb: 'an embedded index on disk',
  'onnxruntime-node': 'transformer models',
  '@huggingface/tokenizers': 'every model',
  '@zilliz/milvus2-sdk-node': 'Milvus',
  '@qdrant/js-client-rest': 'Qdrant over REST',
  '@qdrant/js-client-grpc': 'Qdrant over gRPC',
  '@modelcontextprotocol/sdk': 'funnelvec mcp',
} as const;

export type PackageName = keyof typeof PACKAGES;

/** Why a version of a package does not work on a version of Node.js, and the remedy; undefined where it does. */
export function whyNot(
  name: PackageName,
  version: string | undefined,
  node = process.versions.node,
): string | undefined {
  if (name !== '@qdrant/js-client-rest' || version === undefined || process.versions.bun !== undefined)
    return undefined;
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > 1 || minor >= 19 || Number.parseInt(node, 10) < 26) return undefined;
  return `its undici fails on Node.js 26 and newer: npm install ${name}@1.19`;
}

/** As `import * from name`. @throws FunnelError MISSING_PACKAGE, which says what to install */
export function load<Module>(name: PackageName): Promise<Module> {
  return loadFrom(name, name);
}

/** A module of a package that has several. @throws FunnelError MISSING_PACKAGE */
export function loadPart<Module>(name: PackageName, path: string): Promise<Module> {
  return loadFrom(name, `${name}/${path}`);
}

async function loadFrom<Module>(name: PackageName, module: string): Promise<Module> {
  try {
    return (await import(module)) as Module;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND' || !String(cause).includes(name)) throw cause;
    throw missing(name, cause);
  }
}

/** Whether the error says that a package is not there. */
export function isAbsent(error: unknown): boolean {
  return error instanceof FunnelError && error.code === 'MISSING_PACKAGE';
}

export function missing(name: PackageName, cause?: unknown): FunnelError {
  return new FunnelError('MISSING_PACKAGE', `Expected the package ${name} (${PACKAGES[name]}): npm install ${name}`, {
    cause,
  });
}

const require = createRequire(import.meta.url);

/** The version that would be loaded; undefined where the package is not installed. */
export function versionOf(name: PackageName): string | undefined {
  for (const folder of require.resolve.paths(name) ?? []) {
    try {
      return (JSON.parse(readFileSync(join(folder, name, 'package.json'), 'utf8')) as { version: string }).version;
    } catch {
      // the next one
    }
  }
  try {
    // Another way of installing: what is loaded lies somewhere below the folder of its package.
    for (let folder = dirname(require.resolve(name)); folder !== dirname(folder); folder = dirname(folder)) {
      try {
        const found = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
          name: string;
          version: string;
        };
        if (found.name === name) return found.version;
      } catch {
        // a folder within the package
      }
    }
  } catch {
    // not installed
  }
  return undefined;
}

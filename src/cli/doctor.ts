/** `funnelvec doctor`: what runs here, and why the rest does not. Needs no package. */
import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, cpus, freemem, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import type { PackageName } from '../core/packages.js';
import { VERSION } from '../core/version.js';
import type { ModelOptions } from './model.js';
import { versionOf, whyNot } from './packages.js';
import { bytes } from './text.js';

// The files for `require`, which loads them in two thirds of the time.
const required = createRequire(import.meta.url);
const { missingPackage, PACKAGES } = required('../../cjs/core/packages.js') as typeof import('../core/packages.js');
const { usableThreads } = required('../../cjs/core/threads.js') as typeof import('../core/threads.js');
const { activeKernels, getKernels, kernelsReport, listKernels } = required(
  '../../cjs/kernels/load.js',
) as typeof import('../kernels/load.js');

export interface Report {
  /** The version of this package. */
  funnelvec: string;
  /** The version of Node.js, or the one that Bun and Deno stand in for. */
  node: string;
  /** The program that runs this one. */
  runtime: { name: 'node' | 'bun' | 'deno'; version: string };
  platform: string;
  cpu: string;
  /** Threads that affinity and cgroup quota let this process keep busy. */
  threads: number;
  memory: { total: number; available: number };
  /** Bytes that are free where this was called. */
  disk: { folder: string; free: number } | null;
  FUNNELVEC_KERNELS: string | undefined;
  nativeBinary: string | undefined;
  /** Whether tests, of the kernels at least, have run on that binary's platform. */
  tested: boolean;
  kernels: ReturnType<typeof listKernels>;
  failures: { name: string; message: string }[];
  /** Whether numbers below 2^-126, or 2^-1022, count as zero here: another addon may have told the processor so. Native kernels mind not. */
  subnormals: { javascript: 'kept' | 'lost'; wasm: 'kept' | 'lost' | null };
  /** Null where it is not installed. */
  packages: Record<PackageName, { version: string | null; for: string; warning?: string }>;
  /**
   * Whether the files of an index can be made, written, synced and read. `tried` in a folder that is removed again; else by what
   * is installed alone, its binary included, which does not say whether that loads.
   */
  store: { works: boolean; tried: boolean; why?: string };
  /** For an index that was named: what stands in the way of its searches. */
  index?: IndexReport;
  /** For a model that was named: what was decided for it, and why. */
  model?: ModelReport;
  error: string | undefined;
}

/** Platforms whose binaries were tested, and how, if not by all tests: docs/runtimes.md has them too. Others are compiled alone. */
const TESTED: Readonly<Record<string, string | undefined>> = {
  'linux-x64': undefined,
  'linux-x64-musl': 'the kernels alone were tested, on musl 1.2.3',
  'linux-arm64': 'the kernels alone were tested, under qemu',
  'linux-arm64-musl': 'the kernels alone were tested, under qemu, on musl 1.2.3',
  'win32-x64': 'kernels and, without LMDB, files of an index were tested, under wine',
};

export interface ModelReport {
  name: string;
  dim: number;
  matryoshkaDims: readonly number[];
  decisions: readonly string[];
  /** Facts that its folder does not state, or that nobody here knows. */
  warnings: readonly string[];
}

export interface IndexReport {
  path: string;
  rows: number;
  /** Rows that every search reads whole, since they have no codes. */
  uncoded: { rows: number; bytesPerQuery: number };
  /** Dead rows that files and codes still hold. */
  dead: { rows: number; coded: number };
  files: { rows: number; segments: number; store: number };
  /** Milliseconds of a search for ten, with a row as the query: the median of nine; null without rows. */
  queryMs: number | null;
}

/**
 * @param path of an index to look at, too
 * @param model to load, too: a preset's name, or the path of a file or folder
 * @param deep whether an index is written and read, which takes half of the time
 * @throws FunnelError NO_INDEX, NO_MODEL, CORRUPT and what else opening them throws
 */
export async function doctor(
  path?: string,
  model?: ModelOptions,
  deep = true,
): Promise<{ report: Report; text: string; healthy: boolean }> {
  const { platform, nativePath, searched, failures } = kernelsReport();
  let error: string | undefined;
  try {
    activeKernels();
  } catch (cause) {
    error = (cause as Error).message; // FUNNELVEC_KERNELS names something that cannot run
  }
  const names = Object.keys(PACKAGES) as PackageName[];
  const report: Report = {
    funnelvec: VERSION,
    node: process.version,
    runtime: runtime(),
    platform,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    threads: usableThreads(),
    memory: { total: totalmem(), available: available() },
    disk: free(process.cwd()),
    FUNNELVEC_KERNELS: process.env['FUNNELVEC_KERNELS'],
    nativeBinary: nativePath,
    tested: platform in TESTED,
    kernels: listKernels(),
    failures: [...failures].map(([name, { message }]) => ({ name, message })),
    subnormals: subnormals(),
    packages: Object.fromEntries(
      names.map((name) => {
        const version = versionOf(name);
        const warning = whyNot(name, version);
        return [name, { version: version ?? null, for: PACKAGES[name][1], ...(warning !== undefined && { warning }) }];
      }),
    ) as Report['packages'],
    store: deep ? tried(error) : looked(error),
    ...(path !== undefined && error === undefined ? { index: await lookedAt(path) } : {}),
    ...(model?.model !== undefined || model?.preset !== undefined ? { model: await loaded(model) } : {}),
    error,
  };
  const healthy = error === undefined && (report.store.works || report.packages.lmdb.version === null);
  return { report, text: textOf(report, searched), healthy };
}

function textOf(report: Report, searched: readonly string[]): string {
  const { memory, disk, kernels, packages, threads, error } = report;
  const cores = availableParallelism();
  const quota = threads < cores ? ` (of ${cores}: the cgroup's quota)` : '';
  const lines = [
    `funnelvec ${report.funnelvec}`,
    `${report.runtime.name.padEnd(10)}${report.runtime.version} on ${report.platform}`,
    `cpu       ${report.cpu}, ${threads} threads usable${quota}`,
    `memory    ${bytes(memory.available)} of ${bytes(memory.total)} to be had`,
    ...(disk === null ? [] : [`disk      ${bytes(disk.free)} free in ${disk.folder}`]),
    `binary    ${report.nativeBinary ?? `none; looked for\n          ${searched.join('\n          ')}`}`,
    ...(report.nativeBinary === undefined ? [] : doubts(report.platform).map((line) => `          ${line}`)),
    'python    not needed',
    '',
    'kernels   (fastest first)',
    ...kernels.map(({ name, supported, active, reason }) => {
      const state = active ? 'in use' : supported ? 'ready' : `no: ${short(reason)}`;
      return `  ${name.padEnd(11)}${state}`;
    }),
    ...(Object.values(report.subnormals).includes('lost')
      ? ['', 'floats    another addon has numbers near 0 count as 0: WASM and JavaScript kernels have other bits here']
      : []),
    '',
    'packages  (all optional; npm install <name>)',
    ...Object.entries(packages).map(
      ([name, one]) =>
        `  ${name.padEnd(26)}${(one.version ?? 'none').padEnd(9)}${one.for}${one.warning === undefined ? '' : ` (${one.warning})`}`,
    ),
    '',
    `index     ${indexLine(report)}`,
  ];
  if (report.index !== undefined) lines.push('', ...linesOf(report.index));
  if (report.model !== undefined) lines.push('', ...linesOfModel(report.model));
  if (report.FUNNELVEC_KERNELS !== undefined) lines.push('', `FUNNELVEC_KERNELS=${report.FUNNELVEC_KERNELS}`);
  if (error !== undefined) lines.push('', `error     ${error}`);
  return lines.join('\n');
}

function indexLine({ store, packages }: Report): string {
  if (!store.works) return `not on disk: ${store.why}`;
  if (store.tried) return 'can be written and read on disk';
  return `on disk by lmdb ${packages.lmdb.version}, not tried: doctor --deep writes one and reads it`;
}

/** The places that were looked at stand above already. */
function short(reason: string | undefined): string | undefined {
  return reason?.startsWith('No prebuilt binary') ? 'no binary, see above' : reason;
}

/** Nothing where all tests have run on a platform's binary. */
export function doubts(platform: string): string[] {
  if (!(platform in TESTED)) return [`untested on ${platform}: it was compiled, and no test has run on it`];
  const how = TESTED[platform];
  return how === undefined ? [] : [`on ${platform} ${how}`];
}

function linesOf({ path, rows, uncoded, dead, files, queryMs }: IndexReport): string[] {
  const remedy = uncoded.rows + dead.rows + dead.coded > 0 ? '; optimize() in its writer ends both' : '';
  const took = queryMs === null ? '' : `, a search for ten takes ${queryMs.toFixed(2)} ms`;
  return [
    `${path}  ${rows} rows, ${bytes(files.rows + files.segments + files.store)} on disk${took}`,
    uncoded.rows === 0
      ? '  all rows have codes'
      : `  ${uncoded.rows} rows have no codes: every search reads ${bytes(uncoded.bytesPerQuery)} of them`,
    `  ${dead.rows} dead rows are in the files, ${dead.coded} in the codes${remedy}`,
  ];
}

function linesOfModel({ name, dim, matryoshkaDims, decisions, warnings }: ModelReport): string[] {
  const cuts = matryoshkaDims.length > 1 ? `, to be cut to ${matryoshkaDims.slice(1).join(', ')}` : '';
  return [
    `model     ${name}, ${dim} dims${cuts}`,
    ...decisions.map((one) => `  ${one}`),
    ...warnings.map((one) => `  warning: ${one}`),
  ];
}

/** Loaded as commands load it: what it decides is what they do. */
async function loaded(options: ModelOptions): Promise<ModelReport> {
  const { specOf } = await import('./model.js');
  const { Embedder } = await import('../embed/index.js');
  const embedder = await Embedder.load(specOf(options)!);
  const { name, dim, matryoshkaDims, decisions, warnings } = embedder;
  await embedder.close();
  return { name, dim, matryoshkaDims, decisions, warnings };
}

async function lookedAt(path: string): Promise<IndexReport> {
  const { FunnelIndex } = await import('../store/funnel-index.js');
  const index = await FunnelIndex.open(path, { readOnly: true });
  try {
    const { count: rows, uncoded, dead, files } = index.stats();
    const times: number[] = [];
    const [point] = rows === 0 ? [] : index.getSync(index.someIds(1));
    const isQuery = point !== undefined && (point.vector as Float32Array).some((value) => value !== 0);
    for (let i = 0; isQuery && i < 9; i++) {
      const start = performance.now();
      index.querySync({ vector: point.vector });
      times.push(performance.now() - start);
    }
    times.sort((a, b) => a - b);
    return { path, rows, uncoded, dead, files, queryMs: times[4] ?? null };
  } finally {
    await index.close();
  }
}

function subnormals(): Report['subnormals'] {
  const tiny = Float64Array.of(Number.MIN_VALUE);
  const javascript = tiny[0]! + tiny[0]! > 0 ? 'kept' : 'lost';
  try {
    const keys = new Float64Array(1);
    const query = Float32Array.of(1);
    const rows = Float32Array.of(2 ** -140);
    getKernels('wasm').scores({ metric: 'dot', query, rows, dim: 1, from: 0, to: 1, keys });
    return { javascript, wasm: keys[0] === 2 ** -140 ? 'kept' : 'lost' };
  } catch {
    return { javascript, wasm: null }; // there are none
  }
}

function runtime(): Report['runtime'] {
  const { bun, deno } = process.versions;
  if (bun !== undefined) return { name: 'bun', version: bun };
  return deno !== undefined ? { name: 'deno', version: deno } : { name: 'node', version: process.version };
}

/** The memory that the cgroup leaves, where it has a limit. */
function available(): number {
  const left = process.availableMemory?.() ?? freemem();
  const limit = process.constrainedMemory?.() ?? 0;
  return limit > 0 ? Math.min(left, limit) : left;
}

function free(folder: string): Report['disk'] {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return { folder, free: bavail * bsize };
  } catch {
    return null; // a file system that does not say
  }
}

/** Tells as much as can be said without LMDB, which alone takes as long to load as all the rest; where that is in doubt it is tried. */
function looked(error: string | undefined): Report['store'] {
  const why =
    error ?? forbidden(tmpdir()) ?? (versionOf('lmdb') === undefined ? missingPackage('lmdb').message : undefined);
  if (why !== undefined) return { works: false, tried: false, why };
  return hasBinaryOfLmdb() ? { works: true, tried: false } : tried(error);
}

/** Whether its package for this platform is there, which an installation made elsewhere, or without optional packages, lacks. */
function hasBinaryOfLmdb(): boolean {
  try {
    createRequire(required.resolve('lmdb')).resolve(`@lmdb/lmdb-${process.platform}-${process.arch}`);
    return true;
  } catch {
    return false; // it may have been compiled here
  }
}

function forbidden(folder: string): string | undefined {
  try {
    checkProcess(folder);
    return undefined;
  } catch (cause) {
    return (cause as Error).message;
  }
}

function tried(error: string | undefined): Report['store'] {
  if (error !== undefined) return { works: false, tried: true, why: error };
  let folder: string | undefined;
  try {
    folder = mkdtempSync(join(tmpdir(), 'funnelvec-doctor-'));
    const works = keeps(folder);
    return works ? { works, tried: true } : { works, tried: true, why: 'a row that was written is not there' };
  } catch (cause) {
    return { works: false, tried: true, why: (cause as Error).message };
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
}

/** Throws where this process cannot have an index on disk, whatever is installed. */
function checkProcess(folder: string): void {
  const { checkByteOrder } = required(
    '../../cjs/store/files/byte-order.js',
  ) as typeof import('../store/files/byte-order.js');
  checkByteOrder(`the index in ${folder}`);
  // Only --permission forbids anything, and the published package has this check in one file with the store.
  if ((process as { permission?: unknown }).permission === undefined) return;
  const { checkMaySync } = required('../../cjs/store/files/may-sync.js') as typeof import('../store/files/may-sync.js');
  checkMaySync(folder);
}

/** Whether a folder bears an index, without its engine: the hold of a writer, a durable commit, a synced row file, a reader. */
function keeps(folder: string): boolean {
  const { lmdbKv } = required('../../cjs/store/files/lmdb-kv.js') as typeof import('../store/files/lmdb-kv.js');
  checkProcess(folder);
  const row = Uint8Array.of(1, 2, 3);
  const file = join(folder, 'data.mdb');
  const writer = lmdbKv(file, { readOnly: false, relaxed: false });
  writer.claim(() => row);
  writer.commit({ state: row, ids: [], dead: [], payloads: [[0, row]] }).now();
  writer.close().now();

  const rows = openSync(join(folder, 'rows'), 'wx');
  writeSync(rows, row);
  fsyncSync(rows);
  closeSync(rows);

  const reader = lmdbKv(file, { readOnly: true, relaxed: false });
  const there = reader.payload(0)?.join() === row.join();
  reader.close().now();
  return there;
}

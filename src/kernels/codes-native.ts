/** The C++ code kernels (cpp/addon.cc) behind the contract of codes.ts: one object per instruction-set level. */
import { loadAddon } from './addon.js';
import {
  type Bound,
  CODE_KERNEL_NAMES,
  type CodeKernels,
  type EncodeTask,
  type SiftTask,
  type SurvivorsTask,
} from './codes.js';
import { METRICS } from './kernels.js';

const LINE_BYTES = 64;

type Raw = (...args: unknown[]) => never;
type RawLevel = Record<(typeof CODE_KERNEL_NAMES)[number] | 'team' | 'behindLine', Raw>;

/** Every level that runs here, best first. Throws when the binary cannot be loaded. */
export function loadNativeCodeKernels(): CodeKernels[] {
  const { path, levels } = loadAddon();
  return Object.entries(levels).map(([name, raw]) => {
    const missing = CODE_KERNEL_NAMES.filter((kernel) => typeof (raw as RawLevel)[kernel] !== 'function');
    if (missing.length > 0) throw new Error(`The binary ${path} is of another version: it lacks ${missing.join(', ')}`);
    return bind(name, raw as RawLevel);
  });
}

function bind(name: string, raw: RawLevel): CodeKernels {
  return {
    name,
    // A malloc begins 16 bytes behind a page, and then each line of codes would lie in two of the cache.
    allocate: (bytes) => {
      const buffer = new SharedArrayBuffer(bytes + LINE_BYTES - 1);
      const behind: number = raw.behindLine(new Uint8Array(buffer));
      return new Uint8Array(buffer, (LINE_BYTES - behind) % LINE_BYTES, bytes);
    },
    release: () => {},
    team: (threads) => raw.team(threads),
    headDots: (t) => raw.headDots(t.plane, t.dims, t.blocks, t.count, t.query, t.queries, t.dots),
    bitDots: (t) => raw.bitDots(t.plane, t.dims, t.blocks, t.count, t.query, t.dots),
    rowDots: (t) => raw.rowDots(t.plane, t.bits, t.stride, t.dims, t.rows, t.count, t.query, t.dots),
    topDots: (t) => raw.topDots(t.dots, t.blocks, t.count, t.mask, t.k, t.rows, t.best),
    survivors: (t: SurvivorsTask) =>
      raw.survivors(
        t.dots,
        t.scale,
        t.blocks,
        t.count,
        t.mask,
        t.rows,
        t.kept,
        t.estimates,
        ...boundArguments(t.bound),
      ),
    sift: (t: SiftTask) => raw.sift(t.rows, t.count, t.estimates, t.dots, t.scale, ...boundArguments(t.bound)),
    project: (t) => raw.project(t.rows, t.count, t.dim, t.basis, t.width, t.out),
    nearest: (t) =>
      raw.nearest(t.rows, t.places, t.count, t.dim, t.basis, t.width, t.offsets, t.names, t.best, t.found),
    encodeHead: (t) => raw.encodeHead(...encodeArguments(t), t.head, t.fine, t.coarseError, t.fineError),
    encodeRows: (t) => raw.encodeRows(...encodeArguments(t), t.plane, t.error),
    encodeBits: (t) => raw.encodeBits(...encodeArguments(t), t.plane),
    scoresAt: (t) =>
      raw.scoresAt(METRICS.indexOf(t.metric), t.query, t.chunks, t.chunkRows, t.stride, t.dim, t.rows, t.count, t.keys),
    gatherBits: (t) => raw.gatherBits(t.bits, t.ordinals, t.alive, t.blocks, t.count, t.mask),
  };
}

/** In the order that addon.cc unwraps. */
function boundArguments(b: Bound): unknown[] {
  const { error, errorScale, tail, tailScale, constant, norms, twoQuery, threshold } = b;
  return [METRICS.indexOf(b.metric), error, errorScale, tail, tailScale, constant, norms, twoQuery, threshold];
}

function encodeArguments(t: EncodeTask & { first: number }): unknown[] {
  return [t.values, t.count, t.stride, t.offset, t.dims, t.base, t.step, t.inverse, t.first];
}

/**
 * Random calls of every code kernel, on ordinary memory: the suite places them where a backend wants them. They cross
 * query values on each side of any narrower path (7, 8, 13 bits), block counts around register tiles, blocks in any
 * order and more than once, masks, ties, thresholds that a bound meets exactly, and codes that have to be clamped.
 */
import type {
  BitDotsTask,
  Bound,
  EncodeBitsTask,
  EncodeHeadTask,
  EncodeRowsTask,
  GatherBitsTask,
  HeadDotsTask,
  NearestTask,
  ProjectTask,
  RowDotsTask,
  ScoresAtTask,
  SiftTask,
  SurvivorsTask,
  TopDotsTask,
} from '#dist/kernels/codes.js';
import { BIT_QUERY_MAX, HEAD_QUERY_MAX } from '#dist/kernels/codes.js';
import { METRICS } from '#dist/kernels/kernels.js';
import type { Random } from '../random.js';
import { boundOf } from './codes-oracle.js';

export type CodeCase =
  | { kernel: 'headDots'; task: HeadDotsTask }
  | { kernel: 'bitDots'; task: BitDotsTask }
  | { kernel: 'rowDots'; task: RowDotsTask }
  | { kernel: 'topDots'; task: TopDotsTask }
  | { kernel: 'survivors'; task: SurvivorsTask }
  | { kernel: 'sift'; task: SiftTask }
  | { kernel: 'project'; task: ProjectTask }
  | { kernel: 'nearest'; task: NearestTask }
  | { kernel: 'encodeHead'; task: EncodeHeadTask }
  | { kernel: 'encodeRows'; task: EncodeRowsTask }
  | { kernel: 'encodeBits'; task: EncodeBitsTask }
  | { kernel: 'scoresAt'; task: ScoresAtTask }
  | { kernel: 'gatherBits'; task: GatherBitsTask };

export type CodeKernelName = CodeCase['kernel'];

/** The names of the arrays that each kernel writes. */
export const OUTPUTS: Record<CodeKernelName, readonly string[]> = {
  headDots: ['dots'],
  bitDots: ['dots'],
  rowDots: ['dots'],
  topDots: ['rows', 'best'],
  survivors: ['rows', 'kept', 'estimates'],
  sift: ['rows', 'estimates'],
  project: ['out'],
  nearest: ['best', 'found'],
  encodeHead: ['head', 'fine', 'coarseError', 'fineError'],
  encodeRows: ['plane', 'error'],
  encodeBits: ['plane'],
  scoresAt: ['keys'],
  gatherBits: ['mask'],
};

const CASES: { [K in CodeKernelName]: (random: Random) => Extract<CodeCase, { kernel: K }>['task'] } = {
  headDots,
  bitDots,
  rowDots,
  topDots,
  survivors,
  sift,
  project,
  nearest,
  encodeHead,
  encodeRows,
  encodeBits,
  scoresAt,
  gatherBits,
};

export function randomCodeCase(random: Random, kernel = random.pick(Object.keys(CASES) as CodeKernelName[])): CodeCase {
  return { kernel, task: CASES[kernel](random) } as CodeCase;
}

const DIMS = [8, 16, 24, 32, 40, 48, 56, 64, 72, 96, 120, 128];
const LONG_HEAD_DIMS = [136, 200, 256, 384, 504, 512, 2048];
const LONG_BIT_DIMS = [256, 384, 768, 1000, 4088, 4096, 4104, 8192, 12_304];
const LONG_ROW_DIMS = [256, 264, 376, 768, 1000, 1024, 2040, 2048];

/** What an output holds before. */
const UNSET = 0x5a;

// Dot products

function headDots(random: Random): HeadDotsTask {
  const dims = random.chance(0.05) ? random.pick(LONG_HEAD_DIMS) : random.pick(DIMS);
  const there = random.int(1, 7);
  const plane = bytes(random, there * dims * 8);
  const blocks = blocksOf(random, there, random.int(0, there + 2));
  const queries = random.chance(0.5) ? 1 : random.int(0, 5);
  const query = new Int16Array(queries * dims);
  for (let t = 0; t < queries; t++) query.set(queryOf(random, dims, HEAD_QUERY_MAX), t * dims);
  const dots = new Int32Array(queries * blocks.length * 16).fill(UNSET);
  return { plane, dims, blocks, count: blocks.length, query, queries, dots };
}

function bitDots(random: Random): BitDotsTask {
  const dims = random.chance(0.1) ? random.pick(LONG_BIT_DIMS) : random.pick(DIMS);
  const there = random.int(1, 5);
  const plane = bytes(random, there * dims * 2);
  const blocks = blocksOf(random, there, random.int(0, there + 2));
  const query = queryOf(random, dims, BIT_QUERY_MAX);
  return { plane, dims, blocks, count: blocks.length, query, dots: new Int32Array(16 * blocks.length).fill(UNSET) };
}

function rowDots(random: Random): RowDotsTask {
  const bits = random.pick([4, 8] as const);
  const dims = random.chance(0.1) ? random.pick(LONG_ROW_DIMS) : random.pick(DIMS);
  const least = bits === 4 ? dims / 2 : dims;
  const stride = least + (random.chance(0.3) ? random.int(1, 70) : 0);
  const there = random.int(1, 12);
  // The last row may end with its dims.
  const plane = bytes(random, (there - 1) * stride + least);
  if (bits === 8) for (let i = 0; i < plane.length; i++) if (plane[i] === 128) plane[i] = 129;
  const rows = Uint32Array.from({ length: random.int(0, 20) }, () => random.int(0, there - 1));
  const most = bits === 4 ? 32_767 : Math.min(32_767, Math.floor(2 ** 31 / (dims * 127)) - 1);
  const query = queryOf(random, dims, most);
  return { plane, bits, stride, dims, rows, count: rows.length, query, dots: new Int32Array(rows.length).fill(UNSET) };
}

function queryOf(random: Random, dims: number, most: number): Int16Array {
  const family = random.next();
  const small = random.pick([1, 63, 64, 127, 128, 129, 255, 256, 1927, 1928, 4095, 4096].filter((max) => max <= most));
  return Int16Array.from({ length: dims }, (_, i) => {
    if (family < 0.15) return most; // sums as large as they get
    if (family < 0.25) return -most;
    if (family < 0.35) return i % 2 === 0 ? most : -most;
    if (family < 0.45) return random.chance(0.1) ? random.pick([small, -small]) : 0;
    if (family < 0.6) return random.pick([small, -small]);
    if (family < 0.8) return random.int(-small, small);
    return random.int(-most, most);
  });
}

// Choices

/** A visit of some blocks, with a mask by block. */
function visitOf(random: Random) {
  const count = random.chance(0.03) ? random.int(60, 400) : random.int(0, 12);
  const there = count + random.int(1, 4);
  const blocks = blocksOf(random, there, count);
  const family = random.next();
  const mask = Uint16Array.from({ length: there }, () => {
    if (family < 0.3) return 0xffff;
    if (family < 0.35) return 0;
    if (family < 0.5) return random.chance(0.8) ? 0 : 1 << random.int(0, 15);
    return random.pick([0, 0xffff, random.int(0, 0xffff)]);
  });
  return { blocks, count, mask, there };
}

function dotsOf(random: Random, n: number): Int32Array {
  const family = random.next();
  const most = 512 * HEAD_QUERY_MAX * 15;
  let last = random.int(-most, most / 2);
  return Int32Array.from({ length: n }, () => {
    if (family < 0.1) return 7;
    if (family < 0.3) return random.int(-2, 2);
    if (family < 0.4) return (last = Math.min(most, last + random.int(0, 3)));
    if (family < 0.5) return (last = Math.max(-most, last - random.int(0, 3)));
    if (family < 0.6) return random.pick([most, -most, 0, -1]);
    if (family < 0.9) return Math.round(random.gaussian() * 3000);
    return random.int(-most, most);
  });
}

function topDots(random: Random): TopDotsTask {
  const { blocks, count, mask } = visitOf(random);
  const k = random.pick([0, 1, 2, random.int(1, 20), random.int(1, 16 * count + 20), 16 * count, 16 * count + 1]);
  const room = Math.min(k, 16 * count);
  const rows = new Uint32Array(room).fill(UNSET);
  return {
    dots: dotsOf(random, 16 * count),
    blocks,
    count,
    mask,
    k,
    rows,
    best: new Int32Array(room).fill(UNSET),
  };
}

function survivors(random: Random): SurvivorsTask {
  const { blocks, count, mask, there } = visitOf(random);
  const dots = dotsOf(random, 16 * count);
  const scale = random.pick([1, 2 ** -20, Math.abs(random.gaussian()) * 1e-4]);
  const estimates = Array.from(dots, (dot, v) => ({ row: 16 * blocks[v >> 4]! + (v & 15), est: dot * scale }));
  const bound = boundFor(random, there * 16, estimates);
  const rows = new Uint32Array(16 * count).fill(UNSET);
  const kept = new Int32Array(16 * count).fill(UNSET);
  return { dots, scale, blocks, count, mask, bound, rows, kept, estimates: new Float64Array(16 * count).fill(UNSET) };
}

function sift(random: Random): SiftTask {
  const there = random.int(1, 60);
  const count = random.int(0, there);
  const rows = Uint32Array.from({ length: count }, () => random.int(0, there - 1));
  const dots = dotsOf(random, count);
  const scale = random.pick([1, 2 ** -20, Math.abs(random.gaussian()) * 1e-4]);
  const estimates = Float64Array.from({ length: count }, () => random.gaussian());
  const sums = Array.from(rows, (row, i) => ({ row, est: estimates[i]! + dots[i]! * scale }));
  return { rows, count, estimates, dots, scale, bound: boundFor(random, there, sums) };
}

/** A bound for rows 0 to n − 1, with a threshold that some of the estimates meet, perhaps to the last bit. */
function boundFor(random: Random, n: number, estimates: { row: number; est: number }[]): Bound {
  const metric = random.pick(METRICS);
  const scaleOf = () => random.pick([0, 1, 2 ** -9, Math.abs(random.gaussian()) * 0.01, -0.01]);
  const bound: Bound = {
    metric,
    error: bytes(random, n),
    errorScale: scaleOf(),
    tail: bytes(random, n),
    tailScale: scaleOf(),
    constant: random.pick([0, random.gaussian(), random.gaussian() * 1e-3]),
    norms: Float32Array.from({ length: metric === 'cosine' ? 0 : n }, () =>
      random.pick([0, 1, Math.abs(random.gaussian()), Math.abs(random.gaussian()) * 1e30, 1e-40]),
    ),
    twoQuery: Math.abs(random.gaussian()),
    threshold: random.pick([Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, 0, random.gaussian()]),
  };
  if (estimates.length > 0 && random.chance(0.8)) {
    const { row, est } = random.pick(estimates);
    bound.threshold = boundOf(bound, row, est);
    if (random.chance(0.3)) bound.threshold += random.pick([1e-16, -1e-16, 1, -1]) * Math.abs(bound.threshold);
  }
  return bound;
}

// Projection, codes, keys

function project(random: Random): ProjectTask {
  const long = random.chance(0.02);
  const dim = long ? random.int(100, 400) : random.int(1, 40);
  const width = long ? random.int(20, 70) : random.int(1, 21);
  const count = random.int(0, long ? 40 : 11);
  const rows = floats(random, count * dim);
  const basis = floats(random, dim * width);
  return { rows, count, dim, basis, width, out: new Float64Array(count * width).fill(UNSET) };
}

function nearest(random: Random): NearestTask {
  const { rows, count, dim, basis, width } = project(random);
  const places = Uint32Array.from(rows.keys()).filter((place) => place < count && random.chance(0.8));
  for (let i = places.length - 1; i > 0; i--) {
    const j = random.int(0, i);
    [places[i], places[j]] = [places[j]!, places[i]!];
  }
  // Columns that are the same tie; offsets of the size of products decide.
  for (let i = 1; random.chance(0.3) && i < width; i++) {
    for (let j = 0; j < dim; j++) basis[j * width + i] = basis[j * width]!;
  }
  const offsets = Float64Array.from({ length: width }, () => (random.chance(0.5) ? 0 : random.gaussian()));
  const best = Float64Array.from({ length: count }, () =>
    random.pick([Number.NEGATIVE_INFINITY, 0, random.gaussian()]),
  );
  const names = Uint32Array.from({ length: width }, () => random.int(0, 2 ** 32 - 1));
  const found = new Uint32Array(count).fill(UNSET);
  return { rows, places, count: places.length, dim, basis, width, offsets, names, best, found };
}

function floats(random: Random, n: number): Float32Array {
  const family = random.next();
  return Float32Array.from({ length: n }, () => {
    if (family < 0.2) return random.int(-3, 3);
    if (family < 0.3) return random.pick([0, -0, random.gaussian()]);
    return family < 0.5 ? random.gaussian() * 2 ** random.int(-60, 60) : random.gaussian();
  });
}

/** Values around a range of codes, with some on the border between two, and some beyond the range. */
function encodeTask(random: Random, from: number, to: number) {
  const dims = random.chance(0.05) ? random.pick(LONG_HEAD_DIMS) : random.pick(DIMS);
  const offset = random.int(0, 5);
  const stride = offset + dims + random.int(0, 9);
  const count = random.pick([0, 1, 2, 15, 16, 17, random.int(1, 40)]);
  const first = 16 * random.int(0, 3);
  const base = Float64Array.from({ length: dims }, () => random.gaussian());
  const step = Float64Array.from({ length: dims }, () => random.pick([1, 2 ** -7, 0.01 + random.next()]));
  const inverse = step.map((s) => 1 / s);
  const values = Float64Array.from({ length: Math.max(0, count * stride) }, (_, at) => {
    const i = (at % stride) - offset;
    if (i < 0 || i >= dims) return random.gaussian();
    const code = random.chance(0.1) ? random.pick([from - 1e9, from - 1, to + 1, to + 1e9]) : random.int(from, to);
    return base[i]! + step[i]! * (code + random.pick([0, 0.5, -0.5, random.next() - 0.5]));
  });
  return { values, count, stride, offset, dims, base, step, inverse, first };
}

function encodeHead(random: Random): EncodeHeadTask {
  const task = encodeTask(random, 0, 255);
  const blocks = Math.ceil((task.first + task.count) / 16) + random.int(0, 1);
  return {
    ...task,
    // What other rows have there stays.
    head: bytes(random, blocks * 8 * task.dims),
    fine: bytes(random, blocks * 8 * task.dims),
    coarseError: new Float64Array(task.count).fill(UNSET),
    fineError: new Float64Array(task.count).fill(UNSET),
  };
}

function encodeRows(random: Random): EncodeRowsTask {
  const task = encodeTask(random, -127, 127);
  const first = random.int(0, 20);
  const plane = bytes(random, (first + task.count + random.int(0, 2)) * task.dims);
  return { ...task, first, plane, error: new Float64Array(task.count).fill(UNSET) };
}

function encodeBits(random: Random): EncodeBitsTask {
  const task = encodeTask(random, 0, 1);
  const blocks = Math.ceil((task.first + task.count) / 16) + random.int(0, 1);
  return { ...task, plane: bytes(random, blocks * 2 * task.dims) };
}

function scoresAt(random: Random): ScoresAtTask {
  const dim = random.chance(0.05) ? random.int(100, 800) : random.int(1, 40);
  const half = random.chance(0.4);
  const chunkRows = 2 ** random.int(0, 4);
  const there = random.int(1, 40);
  const stride = dim + (random.chance(0.5) ? 0 : random.int(1, 9));
  const chunks = Array.from({ length: Math.ceil(there / chunkRows) }, (_, c) => {
    // The last row may end with its dims; what lies between two rows must not be read as one.
    const length = Math.min(chunkRows, there - c * chunkRows) * stride - random.pick([0, stride - dim]);
    if (!half) return floats(random, length);
    return Uint16Array.from({ length }, () => random.int(0, 0x7bff) | random.pick([0, 0x8000]));
  });
  const rows = Uint32Array.from({ length: random.pick([0, 1, 2, random.int(1, 90)]) }, () => random.int(0, there - 1));
  return {
    metric: random.pick(METRICS),
    query: random.chance(0.05) ? new Float32Array(dim) : floats(random, dim),
    chunks,
    chunkRows,
    stride,
    dim,
    rows,
    count: rows.length,
    keys: new Float64Array(rows.length).fill(UNSET),
  };
}

/** Ordinals in any order, some behind the end of the set; the last block may be short of rows. */
function gatherBits(random: Random): GatherBitsTask {
  const there = random.int(1, 7);
  const size = random.int(0, 9);
  const bits = Uint16Array.from({ length: size }, () => random.pick([0, 0xffff, random.int(0, 0xffff)]));
  const ordinals = Uint32Array.from({ length: 16 * there - random.pick([0, random.int(0, 15)]) }, () =>
    random.chance(0.05) ? random.int(0, 2 ** 32 - 1) : random.int(0, 16 * size + 20),
  );
  const alive = Uint16Array.from({ length: there }, () => random.pick([0xffff, random.int(0, 0xffff)]));
  const blocks = blocksOf(random, there, random.int(0, there));
  return { bits, ordinals, alive, blocks, count: blocks.length, mask: new Uint16Array(there).fill(UNSET) };
}

function bytes(random: Random, n: number): Uint8Array {
  const words = Uint32Array.from({ length: Math.ceil(n / 4) }, () => random.next() * 2 ** 32);
  const all = new Uint8Array(words.buffer, 0, n);
  const family = random.next();
  if (family < 0.1) return all.fill(0xff);
  return family < 0.2 ? all.map((byte) => [0, 0x0f, 0xf0, 0xff, 0x7f, 0x81, 0x10, 0x01][byte % 8]!) : all;
}

/** Most often ascending, as an index visits them; now and then in any order, some more than once. */
function blocksOf(random: Random, there: number, count: number): Uint32Array {
  if (count > there || random.chance(0.3)) return Uint32Array.from({ length: count }, () => random.int(0, there - 1));
  const first = random.int(0, there - count);
  return Uint32Array.from({ length: count }, (_, i) => first + i);
}

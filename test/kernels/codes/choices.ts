/** Choices among rows: random calls, and the oracle. */
import type { Bound, GatherBitsTask, PruneRowsTask, PruneVisitTask, TopDotsTask } from '#dist/kernels/codes.js';
import { HEAD_QUERY_MAX } from '#dist/kernels/codes.js';
import { METRICS } from '#dist/kernels/kernels.js';
import type { Random } from '../../random.js';
import { blocksOf, bytes, each, type KernelTests, sum, UNSET } from './common.js';

export const choices = {
  topDots: { random: randomTopDots, oracle: topDotsOracle },
  pruneVisit: { random: randomPruneVisit, oracle: pruneVisitOracle },
  pruneRows: { random: randomPruneRows, oracle: pruneRowsOracle },
  gatherBits: { random: randomGatherBits, oracle: gatherBitsOracle },
} satisfies KernelTests;

interface Visit {
  row: number;
  dot: number;
}

function randomTopDots(random: Random): TopDotsTask {
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

function topDotsOracle({ k, rows, best, ...visit }: TopDotsTask): number {
  const found = visitsOf(visit)
    .map((one, order) => ({ ...one, order }))
    .sort((a, b) => (a.dot === b.dot ? a.order - b.order : b.dot - a.dot))
    .slice(0, k);
  found.forEach(({ row, dot }, i) => {
    rows[i] = row;
    best[i] = dot;
  });
  return found.length;
}

function randomPruneVisit(random: Random): PruneVisitTask {
  const { blocks, count, mask, there } = visitOf(random);
  const dots = dotsOf(random, 16 * count);
  const scale = random.pick([1, 2 ** -20, Math.abs(random.gaussian()) * 1e-4]);
  const estimates = Array.from(dots, (dot, v) => ({ row: 16 * blocks[v >> 4]! + (v & 15), est: dot * scale }));
  const bound = boundFor(random, there * 16, estimates);
  const rows = new Uint32Array(16 * count).fill(UNSET);
  const kept = new Int32Array(16 * count).fill(UNSET);
  return { dots, scale, blocks, count, mask, bound, rows, kept, estimates: new Float64Array(16 * count).fill(UNSET) };
}

function pruneVisitOracle({ scale, bound, rows, kept, estimates, ...visit }: PruneVisitTask): number {
  const stay = visitsOf(visit).filter(({ row, dot }) => boundOf(bound, row, dot * scale) >= bound.threshold);
  stay.forEach(({ row, dot }, i) => {
    rows[i] = row;
    kept[i] = dot;
    estimates[i] = dot * scale;
  });
  return stay.length;
}

function randomPruneRows(random: Random): PruneRowsTask {
  const there = random.int(1, 60);
  const count = random.int(0, there);
  const rows = Uint32Array.from({ length: count }, () => random.int(0, there - 1));
  const dots = dotsOf(random, count);
  const scale = random.pick([1, 2 ** -20, Math.abs(random.gaussian()) * 1e-4]);
  const estimates = Float64Array.from({ length: count }, () => random.gaussian());
  const sums = Array.from(rows, (row, i) => ({ row, est: estimates[i]! + dots[i]! * scale }));
  return { rows, count, estimates, dots, scale, bound: boundFor(random, there, sums) };
}

function pruneRowsOracle({ rows, count, estimates, dots, scale, bound }: PruneRowsTask): number {
  const stay: { row: number; est: number }[] = [];
  for (let i = 0; i < count; i++) {
    const est = estimates[i]! + dots[i]! * scale;
    if (boundOf(bound, rows[i]!, est) >= bound.threshold) stay.push({ row: rows[i]!, est });
  }
  stay.forEach(({ row, est }, i) => {
    rows[i] = row;
    estimates[i] = est;
  });
  return stay.length;
}

/** Ordinals in any order, some behind the end of the set; the last block may be short of rows. */
function randomGatherBits(random: Random): GatherBitsTask {
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

function gatherBitsOracle(task: GatherBitsTask): void {
  const { bits, ordinals, alive, blocks, count, mask } = task;
  const isIn = (ordinal: number) => Math.floor((bits[Math.floor(ordinal / 16)] ?? 0) / 2 ** (ordinal % 16)) % 2;
  for (const block of blocks.subarray(0, count)) {
    const lives = (r: number) => Math.floor(alive[block]! / 2 ** r) % 2;
    mask[block] = sum(16, (r) => lives(r) * isIn(ordinals[16 * block + r] ?? 2 ** 40) * 2 ** r);
  }
}

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

/** Rows of a visit that the mask lets through, in order. */
function visitsOf(task: { dots: Int32Array; blocks: Uint32Array; count: number; mask: Uint16Array }): Visit[] {
  const visits: Visit[] = [];
  each(task.count, 16, 1, (b, r) => {
    const block = task.blocks[b]!;
    const open = Math.floor(task.mask[block]! / 2 ** r) % 2 === 1;
    if (open) visits.push({ row: 16 * block + r, dot: task.dots[16 * b + r]! });
  });
  return visits;
}

export function boundOf(bound: Bound, row: number, est: number): number {
  const withError = est + bound.error[row]! * bound.errorScale;
  const withTail = withError + bound.tail[row]! * bound.tailScale;
  const v = withTail + bound.constant;
  if (bound.metric === 'cosine') return v;
  const norm = bound.norms[row]!;
  if (bound.metric === 'dot') return norm * v;
  const product = bound.twoQuery * v;
  return norm * (product - norm);
}

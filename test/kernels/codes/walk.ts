/** Tables of neighbours and walks over them: random calls, and the oracle. */
import type { NeighboursTask, WalkTask } from '#dist/kernels/codes.js';
import { WALK_STEP } from '#dist/kernels/codes.js';
import { METRICS } from '#dist/kernels/kernels.js';
import type { Random } from '../../random.js';
import { blocksOf, bytes, DIMS, headByte, type KernelTests, sum, UNSET } from './common.js';

export const walks = {
  neighbours: { random: randomNeighbours, oracle: neighboursOracle },
  walk: { random: randomWalk, oracle: walkOracle },
} satisfies KernelTests;

function randomNeighbours(random: Random): NeighboursTask {
  const dims = random.pick(DIMS);
  const there = random.int(1, 6);
  const plane = bytes(random, there * dims * 8);
  // No block twice: a row may be its neighbour's neighbour once.
  const blocks = blocksOf(random, there, there).filter((block, i, all) => all.indexOf(block) === i);
  const count = random.int(0, blocks.length);
  const mask = Uint16Array.from({ length: there }, () => random.pick([0xffff, 0xffff, random.int(0, 0xffff)]));
  const rows = random.int(0, 20);
  const first = random.int(0, Math.max(0, 16 * there - rows));
  const degree = random.pick([1, 2, random.int(1, 24), 16 * there]);
  const table = new Uint32Array(16 * there * degree).fill(UNSET);
  const weights = Int16Array.from({ length: 16 * dims }, () => random.int(-127, 127));
  return { plane, dims, blocks, count, mask, weights, first, rows: Math.min(rows, 16 * there), degree, table };
}

function neighboursOracle({ plane, dims, blocks, count, mask, weights, first, rows, degree, table }: NeighboursTask) {
  const codeOf = (row: number, dim: number) => {
    const byte = plane[headByte(dims, row, dim)]!;
    return dim % 8 < 4 ? byte % 16 : Math.floor(byte / 16);
  };
  const candidates: number[] = [];
  for (const block of blocks.subarray(0, count)) {
    for (let r = 0; r < 16; r++) if (Math.floor(mask[block]! / 2 ** r) % 2 === 1) candidates.push(16 * block + r);
  }
  for (let row = first; row < first + rows; row++) {
    const scored = candidates.map((other, order) => ({
      other,
      order,
      dot: sum(dims, (i) => weights[16 * i + codeOf(row, i)]! * codeOf(other, i)),
    }));
    scored.sort((a, b) => b.dot - a.dot || a.order - b.order);
    const near = scored.slice(0, degree + 1).filter(({ other }) => other !== row);
    for (let i = 0; i < degree; i++) table[row * degree + i] = near[i]?.other ?? row;
  }
}

function randomWalk(random: Random): WalkTask {
  const dims = random.pick(DIMS);
  const there = random.int(1, 40);
  const n = 16 * there;
  const degree = random.pick([1, 2, 8, 16, 24]);
  const near = random.chance(0.5) ? 20 : n;
  const table = Uint32Array.from({ length: n * degree }, (_, i) => {
    const row = Math.floor(i / degree);
    return Math.min(n - 1, Math.max(0, row + random.int(-near, near)));
  });
  const blocks = blocksOf(random, there, random.int(1, there));
  const query = Int16Array.from({ length: dims }, () => random.pick([random.int(-127, 127), random.int(-3, 3)]));
  const metric = random.pick(METRICS);
  const size = random.pick([1, 2, random.int(1, 40), random.int(1, n)]);
  const room = random.pick([0, WALK_STEP * degree, random.int(0, 400), n]);
  const task = {
    plane: bytes(random, (n * dims) / 2),
    dims,
    query,
    table,
    degree,
    blocks,
    count: blocks.length,
    marks: new Uint16Array(there),
    metric,
    norms: Float32Array.from({ length: metric === 'cosine' ? 0 : n }, () => random.pick([0, 1, random.next()])),
    scale: random.pick([1, 2 ** -9, random.next() * 1e-3]),
    constant: random.pick([0, random.gaussian()]),
    twoQuery: random.next() * 3,
    size,
    found: 0,
    rows: new Uint32Array(size).fill(UNSET),
    best: new Int32Array(size).fill(UNSET),
    room,
    met: new Uint32Array(1 + room).fill(UNSET),
  };
  const visited = [...new Set(blocks)].flatMap((block) => Array.from({ length: 16 }, (_, r) => 16 * block + r));
  const seeds = visited
    .filter(() => random.chance(0.7))
    .map((row) => ({ row, dot: dotOf(task, row) }))
    .sort((a, b) => keyOf(task, b.row, b.dot) - keyOf(task, a.row, a.dot))
    .slice(0, size);
  seeds.forEach(({ row, dot }, i) => {
    task.rows[i] = row;
    task.best[i] = dot;
  });
  return { ...task, found: seeds.length };
}

function dotOf({ plane, dims, query }: Pick<WalkTask, 'plane' | 'dims' | 'query'>, row: number): number {
  return sum(dims, (i) => {
    const byte = plane[(row * dims) / 2 + 4 * Math.floor(i / 8) + (i % 4)]!;
    return query[i]! * (i % 8 < 4 ? byte % 16 : Math.floor(byte / 16));
  });
}

function keyOf(task: Pick<WalkTask, 'metric' | 'norms' | 'scale' | 'constant' | 'twoQuery'>, row: number, dot: number) {
  if (task.metric === 'cosine') return dot;
  const product = dot * task.scale;
  const v = product + task.constant;
  const norm = task.norms[row]!;
  if (task.metric === 'dot') return norm * v;
  const twice = task.twoQuery * v;
  return norm * (twice - norm);
}

function walkOracle(task: WalkTask): number {
  const { table, degree, blocks, count, size, found, rows, best, room, met } = task;
  const known = new Set<number>();
  for (const block of blocks.subarray(0, count)) for (let r = 0; r < 16; r++) known.add(16 * block + r);
  let order = 0;
  const entry = (row: number, dot: number) => ({ row, dot, key: keyOf(task, row, dot), order: order++ });
  let places = Array.from({ length: found }, (_, i) => entry(rows[i]!, best[i]!));
  const walked = new Set<number>();
  let news = 0;
  while (news + WALK_STEP * degree <= room) {
    const step = places.filter(({ row }) => !walked.has(row)).slice(0, WALK_STEP);
    if (step.length === 0) break;
    const fresh: number[] = [];
    for (const { row } of step) {
      walked.add(row);
      for (let i = 0; i < degree; i++) {
        const other = table[row * degree + i]!;
        if (!known.has(other)) fresh.push(other);
        known.add(other);
      }
    }
    for (const row of fresh) {
      met[1 + news++] = row;
      places.push(entry(row, dotOf(task, row)));
      places = places.sort((a, b) => b.key - a.key || a.order - b.order).slice(0, size);
    }
  }
  met[0] = news;
  places.forEach(({ row, dot }, i) => {
    rows[i] = row;
    best[i] = dot;
  });
  return places.length;
}

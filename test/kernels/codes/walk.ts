/** Tables of neighbours and walks over them: random calls, and the oracle. */
import type { NeighboursTask, RelinkTask, WalkTask } from '#dist/kernels/codes.js';
import { WALK_STEP } from '#dist/kernels/codes.js';
import { METRICS } from '#dist/kernels/kernels.js';
import type { Random } from '../../random.js';
import { blocksOf, bytes, DIMS, headByte, type KernelTests, sum, UNSET } from './common.js';

export const walks = {
  neighbours: { random: randomNeighbours, oracle: neighboursOracle },
  relink: { random: randomRelink, oracle: relinkOracle },
  walk: { random: randomWalk, oracle: walkOracle },
} satisfies KernelTests;

function randomNeighbours(random: Random): NeighboursTask {
  const dims = random.pick(DIMS);
  const count = random.int(1, 100);
  const there = Math.ceil(count / 16);
  const cuts = Array.from({ length: random.int(0, 8) }, () => random.int(0, count)).sort((a, b) => a - b);
  const offsets = Uint32Array.from([0, ...cuts, count]);
  const rows = random.int(0, Math.min(20, count));
  const first = random.int(0, count - rows);
  const all = Array.from({ length: offsets.length - 1 }, (_, list) => list);
  const sought = random.int(1, all.length);
  const lists = Array.from({ length: rows }, () => {
    const some = all.map((list) => ({ list, at: random.next() })).sort((a, b) => a.at - b.at);
    return some
      .slice(0, sought)
      .map(({ list }) => list)
      .sort((a, b) => a - b);
  });
  const degree = random.pick([1, 2, random.int(1, 24), 16 * there]);
  return {
    plane: bytes(random, there * dims * 8),
    dims,
    offsets,
    lists: Uint32Array.from(lists.flat()),
    sought,
    most: random.pick([1, 2, 3, 100]),
    mask: Uint16Array.from({ length: there }, () => random.pick([0xffff, 0xffff, random.int(0, 0xffff)])),
    weights: weightsFor(random, dims),
    first,
    rows,
    degree,
    table: new Uint32Array(16 * there * degree).fill(UNSET),
  };
}

function weightsFor(random: Random, dims: number): Int16Array {
  return Int16Array.from({ length: 16 * dims }, () => random.int(-127, 127));
}

function neighboursOracle(task: NeighboursTask): void {
  const { plane, dims, offsets, lists, sought, most, mask, weights, first, rows, degree, table } = task;
  const codeOf = (row: number, dim: number) => nibble(plane[headByte(dims, row, dim)]!, dim);
  for (let i = 0; i < rows; i++) {
    const row = first + i;
    const own = Math.floor(row / 16);
    const blocks: number[] = [];
    for (const list of lists.subarray(i * sought, (i + 1) * sought)) {
      const [begin, behind] = [offsets[list]!, offsets[list + 1]!];
      if (begin === behind) continue;
      const of = Array.from(
        { length: Math.ceil(behind / 16) - Math.floor(begin / 16) },
        (_, b) => Math.floor(begin / 16) + b,
      );
      const half = Math.floor(most / 2);
      const start = of.includes(own) ? Math.min(Math.max(0, of.indexOf(own) - half), Math.max(0, of.length - most)) : 0;
      blocks.push(...of.slice(start, start + most).filter((block) => !blocks.includes(block)));
    }
    const candidates = blocks.flatMap((block) =>
      Array.from({ length: 16 }, (_, r) => 16 * block + r).filter(
        (_, r) => Math.floor(mask[block]! / 2 ** r) % 2 === 1,
      ),
    );
    const dotOf = (other: number) => sum(dims, (d) => weights[16 * d + codeOf(row, d)]! * codeOf(other, d));
    const scored = candidates.map((other, order) => ({ other, order, dot: dotOf(other) }));
    scored.sort((a, b) => b.dot - a.dot || a.order - b.order);
    writeOthers(
      scored.slice(0, degree + 1).map(({ other }) => other),
      row,
      degree,
      table,
    );
  }
}

function nibble(byte: number, dim: number): number {
  return dim % 8 < 4 ? byte % 16 : Math.floor(byte / 16);
}

function writeOthers(found: number[], row: number, degree: number, table: Uint32Array): void {
  const others = found.filter((other) => other !== row);
  for (let i = 0; i < degree; i++) table[row * degree + i] = others[i] ?? row;
}

function randomRelink(random: Random): RelinkTask {
  const { plane, dims, from, degree, marks, size } = randomTable(random);
  const there = 16 * marks.length;
  const rows = random.int(0, Math.min(there, 12));
  const room = random.pick([0, WALK_STEP * degree, random.int(0, 400), there]);
  return {
    plane,
    dims,
    weights: weightsFor(random, dims),
    from,
    degree,
    marks,
    size,
    room,
    met: new Uint32Array(1 + room).fill(UNSET),
    first: random.int(0, there - rows),
    rows,
    table: new Uint32Array(from.length).fill(UNSET),
  };
}

function relinkOracle(task: RelinkTask): void {
  const { plane, dims, weights, from, degree, marks, size, room, met, first, rows: n, table } = task;
  for (let row = first; row < first + n; row++) {
    const codeOf = (d: number) => nibble(plane[(row * dims) / 2 + 4 * Math.floor(d / 8) + (d % 4)]!, d);
    const query = Int16Array.from({ length: dims }, (_, d) => weights[16 * d + codeOf(d)]!);
    const mask = new Uint16Array(marks.length);
    mask[Math.floor(row / 16)] = 2 ** (row % 16);
    // A visit of the row alone.
    const visit = { blocks: Uint32Array.of(Math.floor(row / 16)), count: 1, mask, marks };
    const keys = { metric: 'cosine', norms: new Float32Array(0), scale: 1, constant: 0, twoQuery: 0 } as const;
    const rows = new Uint32Array(size).fill(row);
    const best = new Int32Array(size).fill(dotOf({ plane, dims, query }, row));
    const places = { size, found: 1, rows, best, room, met };
    const by = { table: numbersAs(from, 4), idBytes: 4, degree } as const;
    const found = walkOracle({ plane, dims, query, ...by, ...visit, ...keys, ...places });
    writeOthers([...rows.subarray(0, found)], row, degree, table);
  }
}

/** A table for rows with codes; seldom for so many that their numbers need a third byte. */
function randomTable(random: Random) {
  const many = random.chance(0.01);
  const dims = many ? 8 : random.pick(DIMS);
  const there = many ? random.int(4097, 4110) : random.int(1, 40);
  const n = 16 * there;
  const degree = many ? 1 : random.pick([1, 2, 8, 16, 24]);
  const near = random.chance(0.5) ? 20 : n;
  const from = Uint32Array.from({ length: n * degree }, (_, i) => {
    const row = Math.floor(i / degree);
    return Math.min(n - 1, Math.max(0, row + random.int(-near, near)));
  });
  const size = random.pick([1, 2, random.int(1, 40), random.int(1, many ? 40 : n)]);
  return { plane: bytes(random, (n * dims) / 2), dims, from, degree, marks: new Uint16Array(there), size };
}

/** Numbers of three bytes, the lowest first, or of four, as they are in memory. */
function numbersAs(numbers: Uint32Array, size: 3 | 4): Uint8Array {
  if (size === 4) return new Uint8Array(numbers.slice().buffer);
  return Uint8Array.from({ length: size * numbers.length }, (_, i) => {
    return Math.floor(numbers[Math.floor(i / size)]! / 256 ** (i % size));
  });
}

function numberOf({ table, idBytes }: Pick<WalkTask, 'table' | 'idBytes'>, place: number): number {
  if (idBytes === 4) return new Uint32Array(table.slice(4 * place, 4 * place + 4).buffer)[0]!;
  return sum(idBytes, (byte) => table[idBytes * place + byte]! * 256 ** byte);
}

function randomWalk(random: Random): WalkTask {
  const { plane, dims, from, degree, marks, size } = randomTable(random);
  const there = marks.length;
  const n = 16 * there;
  const idBytes = random.pick([3, 4] as const);
  const blocks = blocksOf(random, there, random.int(1, there));
  const query = Int16Array.from({ length: dims }, () => random.pick([random.int(-127, 127), random.int(-3, 3)]));
  const metric = random.pick(METRICS);
  const room = random.pick([0, WALK_STEP * degree, random.int(0, 400), n]);
  const task = {
    plane,
    dims,
    query,
    table: numbersAs(from, idBytes),
    idBytes,
    degree,
    blocks,
    count: blocks.length,
    mask: Uint16Array.from({ length: there }, () => random.pick([0xffff, random.int(0, 0xffff)])),
    marks,
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
  const visited = [...visitedBy(task)];
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
    return query[i]! * nibble(plane[(row * dims) / 2 + 4 * Math.floor(i / 8) + (i % 4)]!, i);
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

function visitedBy({ blocks, count, mask }: Pick<WalkTask, 'blocks' | 'count' | 'mask'>): Set<number> {
  const rows = new Set<number>();
  for (const block of blocks.subarray(0, count)) {
    for (let r = 0; r < 16; r++) if (Math.floor(mask[block]! / 2 ** r) % 2 === 1) rows.add(16 * block + r);
  }
  return rows;
}

function walkOracle(task: WalkTask): number {
  const { degree, size, found, rows, best, room, met } = task;
  const known = visitedBy(task);
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
        const other = numberOf(task, row * degree + i);
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

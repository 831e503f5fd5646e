/**
 * Random calls of every kernel. They cross dims on each side of the octets and of the registers, ragged scales,
 * unaligned inputs, ties, denormals, huge values, zeros, zero prefixes, float16, and NaN or Infinity anywhere.
 */
import { type FunnelTask, METRICS, type Rows, type ScanTask, type ScoresTask } from '#dist/kernels/kernels.js';
import type { Random } from '../random.js';

export type KernelCase =
  | { kernel: 'scores'; task: ScoresTask }
  | { kernel: 'norms'; task: { rows: Rows; dim: number; from: number; to: number; norms: Float64Array } }
  | { kernel: 'funnel'; task: FunnelTask }
  | { kernel: 'scan'; task: ScanTask }
  | { kernel: 'topK'; task: { scores: Float64Array; indices: Uint32Array; keys: Float64Array } }
  | { kernel: 'firstNonFinite'; task: { rows: Rows } };

const DIMS = [1, 2, 3, 4, 5, 7, 8, 9, 11, 15, 16, 17, 23, 24, 25, 31, 32, 33, 40, 47, 63, 64, 65, 100, 127, 128, 129];
const LONG_DIMS = [255, 256, 257, 384, 768, 1000, 1536];
const COUNTS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 17, 20];
const LONG_COUNTS = [64, 128, 255, 256, 257, 600];

export function randomCase(random: Random): KernelCase {
  const kernel = random.pick([
    'scores',
    'norms',
    'funnel',
    'funnel',
    'funnel',
    'scan',
    'scan',
    'topK',
    'firstNonFinite',
  ]);
  const long = random.chance(0.02);
  const dim = random.pick(long ? LONG_DIMS : DIMS);
  const count = random.pick(random.chance(0.02) ? LONG_COUNTS : COUNTS);
  const metric = random.pick(METRICS);
  const family = random.pick(FAMILIES);
  const query = queryOf(random, dim, family);
  const rows = rowsOf(random, count, dim, family, query);
  switch (kernel) {
    case 'scores': {
      const [from, to] = range(random, dim);
      return { kernel, task: { metric, query, rows, dim, from, to, keys: guarded(Float64Array, count, random) } };
    }
    case 'norms': {
      const [from, to] = range(random, dim);
      return { kernel, task: { rows, dim, from, to, norms: guarded(Float64Array, count, random) } };
    }
    case 'funnel': {
      const scales = scalesOf(random, dim);
      const keep = keepOf(random, scales.length, count);
      const out = keep.at(-1)!;
      const indices = guarded(Uint32Array, out, random);
      const keys = guarded(Float64Array, out, random);
      return { kernel, task: { metric, query, rows, dim, scales, keep, indices, keys } };
    }
    case 'scan': {
      const k = random.int(0, random.chance(0.2) ? count + 3 : Math.min(count, 12));
      const indices = guarded(Uint32Array, k, random);
      const keys = guarded(Float64Array, k, random);
      return { kernel, task: { metric, query, rows, dim, to: random.int(1, dim), indices, keys } };
    }
    case 'topK': {
      const scores = Float64Array.from({ length: count * 3 }, () => scoreValue(random));
      const k = random.int(0, count * 3 + 2);
      const indices = guarded(Uint32Array, k, random);
      return { kernel, task: { scores, indices, keys: guarded(Float64Array, k, random) } };
    }
    default:
      return { kernel: 'firstNonFinite', task: { rows } };
  }
}

const SENTINEL = 77;
const GUARD = 4;

/** An output between canaries: see {@link canariesAlive}. */
export function guarded<T extends Float64Array | Uint32Array>(
  Type: new (length: number) => T,
  length: number,
  random: Random,
): T {
  const offset = GUARD + random.int(0, 3);
  const whole = new Type(offset + length + GUARD).fill(SENTINEL) as T;
  return whole.subarray(offset, offset + length) as T;
}

export function canariesAlive(out: Float64Array | Uint32Array): boolean {
  const Type = out.constructor as Float64ArrayConstructor;
  const whole = new Type(out.buffer as ArrayBuffer);
  const start = out.byteOffset / out.BYTES_PER_ELEMENT;
  return whole.every((value, i) => (i >= start && i < start + out.length) || value === SENTINEL);
}

/** The same call with outputs of its own. */
export const twin = <T extends KernelCase>(original: T): T => withOutputs(original, (out) => out.slice());

/** The same, between canaries where the original has them. */
export const guardedTwin = <T extends KernelCase>(original: T): T =>
  withOutputs(original, (out) => {
    const Type = out.constructor as Float64ArrayConstructor;
    return new Type(out.buffer.slice(0) as ArrayBuffer, out.byteOffset, out.length);
  });

function withOutputs<T extends KernelCase>(original: T, copy: (out: Float64Array) => Float64Array): T {
  const task = { ...original.task } as Record<string, unknown>;
  for (const name of ['keys', 'norms', 'indices']) {
    const out = task[name] as Float64Array | undefined;
    if (out !== undefined) task[name] = copy(out);
  }
  return { kernel: original.kernel, task } as unknown as T;
}

type Family = (typeof FAMILIES)[number];
const FAMILIES = [
  'gaussian',
  'gaussian',
  'integers',
  'denormal',
  'huge',
  'mixed',
  'sparse',
  'duplicates',
  'broken',
] as const;

function value(random: Random, family: Family): number {
  switch (family) {
    case 'integers':
    case 'duplicates':
      return random.int(-2, 2);
    case 'denormal':
      return random.gaussian() * 2 ** random.int(-149, -120);
    case 'huge':
      return random.gaussian() * 2 ** random.int(120, 124);
    case 'mixed':
      return random.gaussian() * 2 ** random.int(-100, 100);
    case 'sparse':
      return random.chance(0.7) ? (random.chance(0.5) ? 0 : -0) : random.gaussian();
    default:
      return random.gaussian();
  }
}

function queryOf(random: Random, dim: number, family: Family): Float32Array {
  const query = unaligned(Float32Array, dim, random);
  for (let i = 0; i < dim; i++) query[i] = value(random, family === 'broken' ? 'gaussian' : family);
  return query;
}

function rowsOf(random: Random, count: number, dim: number, family: Family, query: Float32Array): Rows {
  const half = random.chance(0.25);
  const rows = half ? unaligned(Uint16Array, count * dim, random) : unaligned(Float32Array, count * dim, random);
  for (let i = 0; i < rows.length; i++) rows[i] = half ? halfBits(random, family) : value(random, family);
  for (let r = 1; r < count; r++) {
    const row = rows.subarray(r * dim, (r + 1) * dim);
    const roll = random.next();
    if (roll < (family === 'duplicates' ? 0.6 : 0.1)) row.set(rows.subarray((r - 1) * dim, r * dim));
    else if (roll < 0.14) row.fill(0);
    else if (roll < 0.2) row.fill(0, 0, random.int(1, dim));
    else if (roll < 0.23 && !half) row.set(query);
  }
  if (family === 'broken' && rows.length > 0) {
    for (let n = random.int(1, 2); n > 0; n--) {
      const bad = half ? [0x7c00, 0xfc00, 0x7e01] : [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
      rows[random.int(0, rows.length - 1)] = random.pick(bad);
    }
  }
  return rows;
}

function halfBits(random: Random, family: Family): number {
  const sign = random.chance(0.5) ? 0x8000 : 0;
  switch (family) {
    case 'integers':
    case 'duplicates':
      return random.pick([0x0000, 0x8000, 0x3c00, 0xbc00, 0x4000, 0xc000]);
    case 'denormal':
      return sign | random.int(0, 1023);
    case 'huge':
      return sign | random.int(0x7000, 0x7bff);
    case 'sparse':
      return random.chance(0.7) ? sign : sign | random.int(0x3000, 0x3fff);
    default:
      return sign | random.int(0, 0x7bff);
  }
}

function range(random: Random, dim: number): [number, number] {
  const a = random.int(0, dim);
  const b = random.chance(0.4) ? dim : random.int(0, dim);
  return [Math.min(a, b), Math.max(a, b)];
}

function scalesOf(random: Random, dim: number): Uint32Array {
  const scales = new Set<number>();
  for (let n = random.int(1, 5); n > 0; n--) scales.add(random.int(1, dim));
  if (random.chance(0.5)) scales.add(dim);
  return Uint32Array.from(scales).sort();
}

function keepOf(random: Random, stages: number, count: number): Uint32Array {
  const keep = new Uint32Array(stages);
  let alive = count;
  for (let s = 0; s < stages; s++) {
    if (!random.chance(0.25)) alive = random.chance(0.7) ? Math.ceil(alive / 2) : random.int(0, alive);
    keep[s] = alive;
  }
  return keep;
}

function scoreValue(random: Random): number {
  const roll = random.next();
  if (roll < 0.3) return random.int(-2, 2);
  if (roll < 0.4) return random.pick([0, -0]);
  return random.gaussian();
}

/** Starts anywhere in its buffer. */
function unaligned<T extends Float32Array | Uint16Array>(
  Type: { new (buffer: ArrayBuffer, offset: number, length: number): T; BYTES_PER_ELEMENT: number },
  length: number,
  random: Random,
): T {
  const size = Type.BYTES_PER_ELEMENT;
  const offset = random.int(0, 17) * size;
  return new Type(new ArrayBuffer(offset + length * size), offset, length);
}

import type { FunnelTask } from 'funnelvec/kernels';

export const DIM = 256;

/** The same numbers at every call, in memory of their own. */
export function matrix(
  count: number,
  seed = 1,
  buffer: ArrayBufferLike = new ArrayBuffer(count * DIM * 4),
): Float32Array {
  const rows = new Float32Array(buffer);
  let state = seed;
  for (let i = 0; i < rows.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    rows[i] = state / 2 ** 31;
  }
  return rows;
}

export function task(rows: Float32Array, query: Float32Array, limit = 8): FunnelTask {
  const count = rows.length / DIM;
  return {
    metric: 'cosine',
    query,
    rows,
    dim: DIM,
    scales: Uint32Array.of(64, 128, DIM),
    keep: Uint32Array.of(count >> 1, count >> 2, limit),
    indices: new Uint32Array(limit),
    keys: new Float64Array(limit),
  };
}

let heavy: Float32Array | undefined;

/** Some milliseconds of work each. Every task has memory of its own. */
export function heavyTasks(n: number): FunnelTask[] {
  heavy ??= matrix(20_000);
  return Array.from({ length: n }, (_, i) => task(heavy!.slice(), matrix(1, 99 + i)));
}

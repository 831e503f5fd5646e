/** A scan of the suite's rows, and comparisons with what a source answered. */
import assert from 'node:assert/strict';
import type { Id, Metric, PackedCandidates } from '../core/types.js';
import type { PackedRows, Source } from '../query/source/source.js';
import type { Backend, CollectionSpec, Row } from './backend.js';

/** All pages of a source, from the start or from where a page ended. */
export async function scanned(
  source: Source,
  request: Omit<Parameters<Source['scan']>[0], 'after'>,
  from?: string,
): Promise<PackedRows[]> {
  const pages: PackedRows[] = [];
  for (let after = from; ; ) {
    const { rows: page, next } = await source.scan({ ...request, after });
    pages.push(page);
    if (next === undefined) return pages;
    assert.equal(typeof next, 'string');
    after = next;
  }
}

/** Bit for bit. */
export function sameRows(rows: PackedRows, want: (row: number) => ArrayLike<number>): void {
  assert.equal(rows.vectors.length, rows.ids.length * rows.dim);
  rows.ids.forEach((_, i) => {
    const vector = (rows.vectors as Float32Array).subarray(i * rows.dim, (i + 1) * rows.dim);
    assert.deepEqual(vector, want(i));
  });
}

/** Candidates of a source in their plain form. */
export function unpacked(candidates: PackedCandidates) {
  const { vectors, ids, ...rest } = candidates;
  assert.ok(vectors instanceof Float32Array || vectors instanceof Uint16Array);
  return { ...rest, vectors, ids: Array.from(ids!) };
}

// Oracle

export function scanScoreOf(metric: Metric, a: Float32Array, b: Float32Array, dims: number): number {
  let [dot, aa, bb, squares] = [0, 0, 0, 0];
  for (let i = 0; i < dims; i++) {
    dot += a[i]! * b[i]!;
    aa += a[i]! * a[i]!;
    bb += b[i]! * b[i]!;
    squares += (a[i]! - b[i]!) ** 2;
  }
  return metric === 'dot' ? dot : metric === 'cosine' ? dot / Math.sqrt(aa * bb) : Math.sqrt(squares);
}

interface Scored {
  row: Row;
  score: number;
}

export function scan({ metric, rows, layout }: CollectionSpec, vector: Float32Array, dims: number): Scored[] {
  // Heads of the tail layout are normalised, so they rank by cosine under every metric.
  const by = layout === 'tail' ? 'cosine' : metric;
  const sign = by === 'euclid' ? 1 : -1;
  return rows
    .map((row) => ({ row, score: scanScoreOf(by, vector, row.vector, dims) }))
    .sort((a, b) => sign * (a.score - b.score));
}

/** The same ids in the same order; rows whose scores a float32 cannot tell apart may be swapped. */
export function sameOrder(ids: readonly Id[], best: readonly Scored[], backend: Backend): void {
  assert.equal(ids.length, best.length);
  const scores = new Map(best.map(({ row, score }) => [backend.idOf(row), score]));
  best.forEach(({ row, score }, i) => {
    if (ids[i] === backend.idOf(row)) return;
    const there = scores.get(ids[i]!);
    assert.ok(
      there !== undefined && Math.abs(there - score) < 1e-6,
      `Expected id ${backend.idOf(row)} at ${i}, got ${ids[i]}`,
    );
  });
}

export function rowOf(spec: CollectionSpec, id: Id, backend: Backend): Row {
  const row = spec.rows.find((one) => backend.idOf(one) === id);
  assert.ok(row, `an id that was never stored: ${String(id)} (${typeof id})`);
  return row;
}

export function sameVector(actual: Float32Array | Uint16Array, stored: Float32Array, normalised: boolean): void {
  if (!normalised) assert.deepEqual(actual, stored);
  else {
    const norm = Math.sqrt(stored.reduce((sum, x) => sum + x * x, 0));
    near(
      actual as Float32Array,
      stored.map((x) => x / norm),
      1e-6,
    );
  }
}

export function near(actual: Float32Array, expected: Float32Array, tolerance: number): void {
  assert.equal(actual.length, expected.length);
  actual.forEach((value, i) => {
    assert.ok(Math.abs(value - expected[i]!) <= tolerance, `dim ${i}: ${value} for ${expected[i]}`);
  });
}

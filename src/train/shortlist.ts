/** Cosine neighbours by whole matrices, and what a head's shortlist holds of them. */
import { activeCodeKernels } from '../kernels/codes-load.js';
import { activeKernels } from '../kernels/load.js';
import { transposed } from './embeddings.js';

/** Unit rows to search among, `count × dim`; and their transpose, which products want. */
export interface Corpus {
  readonly rows: Float32Array;
  readonly columns: Float32Array;
  readonly count: number;
  readonly dim: number;
}

/** Scales rows to length 1; rows of zeros stay. */
export function unitRows(rows: Float32Array, dim: number): Float32Array {
  const units = new Float32Array(rows.length);
  for (let from = 0; from < rows.length; from += dim) {
    let squares = 0;
    for (let i = from; i < from + dim; i++) squares += rows[i]! * rows[i]!;
    const inverse = squares > 0 ? 1 / Math.sqrt(squares) : 0;
    for (let i = from; i < from + dim; i++) units[i] = rows[i]! * inverse;
  }
  return units;
}

export function corpusOf(rows: Float32Array, dim: number): Corpus {
  const units = unitRows(rows, dim);
  const count = rows.length / dim;
  return { rows: units, columns: transposed(units, count, dim), count, dim };
}

/** Queries to a product: some tens of milliseconds of a core, between which others get their turn. */
const MULTIPLICATIONS = 4e8;

/**
 * The best rows of each query by dot product, best first, ties by row: `queries × wanted` row numbers.
 *
 * @param queries `n × dim`
 * @param columns the rows, transposed: `dim × count`
 * @param between called between blocks of queries
 */
export async function nearest(
  queries: Float32Array,
  columns: Float32Array,
  dim: number,
  wanted: number,
  between: () => Promise<void>,
): Promise<Uint32Array> {
  const count = columns.length / dim;
  const total = queries.length / dim;
  const block = Math.max(1, Math.min(total, Math.floor(MULTIPLICATIONS / (count * dim))));
  const scores = new Float64Array(block * count);
  const keys = new Float64Array(wanted);
  const found = new Uint32Array(total * wanted);
  const [codes, kernels] = [activeCodeKernels(), activeKernels()];
  for (let from = 0; from < total; from += block) {
    await between();
    const n = Math.min(block, total - from);
    const rows = queries.subarray(from * dim, (from + n) * dim);
    codes.project({ rows, count: n, dim, basis: columns, width: count, out: scores });
    for (let q = 0; q < n; q++) {
      const at = (from + q) * wanted;
      kernels.topK(scores.subarray(q * count, (q + 1) * count), found.subarray(at, at + wanted), keys);
    }
  }
  return found;
}

/** Queries with their true neighbours in a corpus. */
export interface Probes {
  /** Queries of length 1, `count × dim`. */
  readonly queries: Float32Array;
  readonly count: number;
  /** `count × k` row numbers. */
  readonly truth: Uint32Array;
  readonly k: number;
  /** The row that each is itself, −1 for none: nobody is his own neighbour. */
  readonly self: Int32Array;
}

/** Queries (of length 1) with their true neighbours. */
export async function probesOf(
  { queries, self }: Pick<Probes, 'queries' | 'self'>,
  { columns, dim, count }: Corpus,
  k: number,
  between: () => Promise<void>,
): Promise<Probes> {
  const most = Math.min(k, count - (self.some((row) => row !== -1) ? 1 : 0));
  const truth = await neighbours(queries, self, columns, dim, most, between);
  return { queries, count: self.length, truth, k: most, self };
}

/** As nearest, without the rows that the queries are themselves. There must be `wanted` others. */
export async function neighbours(
  queries: Float32Array,
  self: Int32Array,
  columns: Float32Array,
  dim: number,
  wanted: number,
  between: () => Promise<void>,
): Promise<Uint32Array> {
  const more = Math.min(wanted + 1, columns.length / dim);
  const found = await nearest(queries, columns, dim, more, between);
  const out = new Uint32Array(self.length * wanted);
  for (let q = 0; q < self.length; q++) {
    const others = found.subarray(q * more, (q + 1) * more).filter((row) => row !== self[q]);
    out.set(others.subarray(0, wanted), q * wanted);
  }
  return out;
}

/**
 * The mean share of true neighbours among the `candidates` best by cosine of the heads.
 *
 * @param basis `dim × head`
 */
export async function shortlistRecall(
  basis: Float32Array,
  head: number,
  corpus: Corpus,
  probes: Probes,
  candidates: number,
  between: () => Promise<void>,
): Promise<number> {
  const { dim, count } = corpus;
  const heads = headColumns(basis, head, corpus);
  const asked = new Float64Array(probes.count * head);
  activeCodeKernels().project({ rows: probes.queries, count: probes.count, dim, basis, width: head, out: asked });
  const most = Math.min(candidates, count - (probes.self.some((row) => row !== -1) ? 1 : 0));
  const found = await neighbours(Float32Array.from(asked), probes.self, heads, head, most, between);
  let hit = 0;
  for (let q = 0; q < probes.count; q++) {
    const list = new Set(found.subarray(q * most, (q + 1) * most));
    for (let i = 0; i < probes.k; i++) if (list.has(probes.truth[q * probes.k + i]!)) hit++;
  }
  return hit / (probes.count * probes.k);
}

/** Heads of length 1, transposed: `head × count`. */
function headColumns(basis: Float32Array, head: number, { columns, dim, count }: Corpus): Float32Array {
  const heads = new Float64Array(head * count);
  const rows = transposed(basis, dim, head);
  activeCodeKernels().project({ rows, count: head, dim, basis: columns, width: count, out: heads });
  const inverse = new Float64Array(count);
  for (let i = 0; i < heads.length; i++) inverse[i % count]! += heads[i]! * heads[i]!;
  for (let r = 0; r < count; r++) inverse[r] = inverse[r]! > 0 ? 1 / Math.sqrt(inverse[r]!) : 0;
  const units = new Float32Array(heads.length);
  for (let i = 0; i < heads.length; i++) units[i] = heads[i]! * inverse[i % count]!;
  return units;
}

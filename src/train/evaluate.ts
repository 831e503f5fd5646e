/** evaluate(): what is left of a model's answers when its vectors are cut. The table that says where to cut. */
import { expected, FunnelError } from '../errors.js';
import { METRICS } from '../kernels/kernels.js';
import { activeKernels } from '../kernels/load.js';
import { mapLimited } from '../query/limited.js';
import type { Id, Metric } from '../types.js';
import { checkId, checkIds, checkInteger, checkKeys } from '../validate.js';
import { checkDims } from './embeddings.js';
import { type Grades, ndcgAt, recallAt, reciprocalRankAt } from './ranking-metrics.js';
import { type OwnRows, ownRows, type Vectors } from './rows.js';
import { checkProgress, checkSignal, type Progress, stopped } from './running.js';

/** Of one query: the relevant documents by id (their row numbers, where they have no ids), all of grade 1; or grades by id. */
export type Relevant = readonly Id[] | Grades;

export interface EvaluateOptions {
  /** Prefix lengths. @default all dims, halved down to 8 */
  dims?: readonly number[];
  /** Hits that recall, nDCG and MRR are of. @default 10 */
  k?: number;
  /** Size of the shortlist. @default 100 */
  candidates?: number;
  /** @default 'cosine' */
  metric?: Metric;
  /** One for each query. @default the k best by the full vectors, all of grade 1 */
  relevant?: readonly Relevant[];
  /** Of nDCG. @default 'linear' */
  gain?: 'linear' | 'exponential';
  /** Queries ranked, of all prefixes. */
  onProgress?: Progress;
  signal?: AbortSignal;
}

/** Means over the queries. */
export interface EvaluationRow {
  /** Prefix length. */
  dim: number;
  /** Recall@k. */
  recall: number;
  /** nDCG@k. */
  ndcg: number;
  /** MRR@k. */
  mrr: number;
  /** Recall@candidates: what a head of so many dims would hand on to the rest of a funnel. */
  shortlist: number;
}

export interface Evaluation {
  /** By dim, longest first. */
  rows: EvaluationRow[];
  documents: number;
  queries: number;
  k: number;
  candidates: number;
  metric: Metric;
  /** What is relevant: what the full vectors find, or what was said. */
  truth: 'full vectors' | 'relevant';
}

const KEYS = ['dims', 'k', 'candidates', 'metric', 'relevant', 'gain', 'onProgress', 'signal'];

/**
 * Ranks all documents by every prefix, for every query, with the kernels that search uses: scores in float64, ties by
 * position. Reads queries × documents × Σ dims values, off the main thread: 20,000 documents, 500 queries and Σ dims of
 * 1,000 take some seconds on a core.
 *
 * @example
 * const { rows } = await evaluate({ vectors, dim: 768 }, { vectors: queryVectors, dim: 768 }, { dims: [768, 256, 64] });
 * console.table(rows);
 *
 * @throws FunnelError BAD_ARGUMENT, BAD_DIMS, BAD_PLAN, BAD_ID, NOT_FINITE, ZERO_QUERY, ABORTED
 */
export async function evaluate(
  documents: Vectors,
  queries: Vectors,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  checkKeys(options, KEYS, 'the options of evaluate()');
  const { k = 10, candidates = 100, metric = 'cosine', gain = 'linear', onProgress, signal } = options;
  checkInteger(k, 1, 0xffff_ffff, 'k');
  checkInteger(candidates, 1, 0xffff_ffff, 'candidates');
  if (!METRICS.includes(metric)) throw expected('BAD_ARGUMENT', `one of ${METRICS.join(', ')}`, 'metric', metric);
  if (gain !== 'linear' && gain !== 'exponential') {
    throw expected('BAD_ARGUMENT', "'linear' or 'exponential'", 'gain', gain);
  }
  checkProgress(onProgress);
  checkSignal(signal);
  const rows = ownRows(documents, 'documents', { shared: true });
  const asked = ownRows(queries, 'queries', { dim: rows.dim });
  const dims = options.dims === undefined ? halving(rows.dim) : options.dims;
  checkDims(dims, rows.dim);
  checkNonZero(asked, metric);
  const given = options.relevant && checkRelevant(options.relevant, asked.count, typeof rows.id(0));
  const lengths = [...dims].sort((a, b) => b - a);

  const most = Math.min(rows.count, Math.max(k, candidates));
  const total = asked.count;
  let done = 0;
  const each = await mapLimited(Array.from({ length: total }), LANES, async (_, q) => {
    if (signal?.aborted) throw stopped('evaluate()', signal);
    const query = asked.vectors.slice(q * asked.dim, (q + 1) * asked.dim);
    const ranked = (to: number, wanted: number) => rankedBy(rows, query, metric, to, wanted);
    const grades = given?.[q] ?? gradesOf(await ranked(rows.dim, Math.min(k, rows.count)));
    const scored: EvaluationRow[] = [];
    for (const dim of lengths) {
      const ids = await ranked(dim, most);
      scored.push({
        dim,
        recall: recallAt(ids, grades, k),
        ndcg: ndcgAt(ids, grades, k, gain),
        mrr: reciprocalRankAt(ids, grades, k),
        shortlist: recallAt(ids, grades, candidates),
      });
    }
    onProgress?.({ done: ++done, total });
    return scored;
  });
  return {
    rows: lengths.map((dim, i) => ({ dim, ...meansOf(each.map((scored) => scored[i]!)) })),
    documents: rows.count,
    queries: total,
    k,
    candidates,
    metric,
    truth: given === undefined ? 'full vectors' : 'relevant',
  };
}

/** Queries at once: scans take turns on the threads that there are. */
const LANES = 4;

async function rankedBy(rows: OwnRows, query: Float32Array, metric: Metric, to: number, wanted: number): Promise<Id[]> {
  const indices = new Uint32Array(wanted);
  const { vectors, dim } = rows;
  await activeKernels().scanAsync({ metric, query, rows: vectors, dim, to, indices, keys: new Float64Array(wanted) });
  return Array.from(indices, rows.id);
}

function gradesOf(ids: readonly Id[]): Grades {
  return new Map(ids.map((id) => [id, 1]));
}

/** d, d/2, d/4, … */
function halving(dim: number): number[] {
  const dims = [dim];
  for (let m = dim >> 1; m >= 8; m >>= 1) dims.push(m);
  return dims;
}

const MEASURES = ['recall', 'ndcg', 'mrr', 'shortlist'] as const;

function meansOf(rows: readonly EvaluationRow[]): Omit<EvaluationRow, 'dim'> {
  const mean = (measure: (typeof MEASURES)[number]) => rows.reduce((sum, row) => sum + row[measure], 0) / rows.length;
  return { recall: mean('recall'), ndcg: mean('ndcg'), mrr: mean('mrr'), shortlist: mean('shortlist') };
}

function checkNonZero({ vectors, dim, count }: OwnRows, metric: Metric): void {
  if (metric === 'euclid') return;
  for (let q = 0; q < count; q++) {
    if (vectors.subarray(q * dim, (q + 1) * dim).every((value) => value === 0)) {
      throw new FunnelError('ZERO_QUERY', `Expected a direction for query ${q} but received zeros`);
    }
  }
}

/** Ids of another kind than the documents' would all be misses. Ids of no document are misses, as in trec_eval. */
function checkRelevant(relevant: readonly Relevant[], queries: number, kind: string): Grades[] {
  if (!Array.isArray(relevant) || relevant.length !== queries) {
    throw expected('BAD_ARGUMENT', `${queries} lists, one for each query,`, 'relevant', relevant);
  }
  return Array.from(relevant, (one: Relevant, q) => {
    const where = `relevant[${q}]`;
    if (!Array.isArray(one) && !(one instanceof Map)) {
      throw expected('BAD_ARGUMENT', 'an array of ids or a Map of grades', where, one);
    }
    const grades: Grades = Array.isArray(one)
      ? gradesOf(Array.from(one, (id, i) => checkId(id, `${where}[${i}]`)))
      : new Map(one as Grades);
    const found = checkIds([...grades.keys()], where);
    if (found !== undefined && found !== kind)
      throw expected('BAD_ID', `${kind} ids, as the documents have,`, where, found);
    let any = false;
    for (const [id, grade] of grades) {
      if (typeof grade !== 'number' || !Number.isFinite(grade)) {
        throw expected('NOT_FINITE', 'a finite grade', `${String(id)} in ${where}`, grade);
      }
      any ||= grade > 0;
    }
    if (!any) throw expected('BAD_ARGUMENT', 'at least one relevant id', where, one);
    return grades;
  });
}

/** An evaluation as a Markdown table. */
export function evaluationTable({ rows, k, candidates }: Evaluation): string {
  const head = ['dims', `recall@${k}`, `nDCG@${k}`, `MRR@${k}`, `recall@${candidates}`];
  const lines = rows.map((row) => [String(row.dim), ...MEASURES.map((measure) => row[measure].toFixed(4))]);
  return [head, head.map(() => '--:'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

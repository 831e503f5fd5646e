/** evaluate(): what is left of a model's answers when its vectors are cut. The table that says where to cut. */

import { expected, FunnelError } from '../core/errors.js';
import { METRICS, needsDirection } from '../core/metrics.js';
import type { Id, Metric } from '../core/types.js';
import { checkId, checkIds, checkInteger, checkKeys } from '../core/validate.js';
import { activeKernels } from '../kernels/load.js';
import { mapLimited } from '../query/limited.js';
import { checkDims } from './embeddings.js';
import { type Grades, ndcgAt, recallAt, reciprocalRankAt, relevantAmong } from './ranking-metrics.js';
import { type CheckedRows, checkedRows, idKey, type Vectors } from './rows.js';
import { checkProgress, checkSignal, type OnRunProgress, stopped } from './running.js';

/**
 * The relevant documents of one query: their ids (row numbers, where they have no ids), all of grade 1; or grades by
 * id.
 */
export type Relevant = readonly Id[] | Grades;

/** Options of evaluate(). */
export interface EvaluateOptions {
  /** Prefix lengths. @default all dims, halved down to 8 */
  dims?: readonly number[];
  /** Hits that recall, nDCG and MRR are of. @default 10 */
  k?: number;
  /** Size of the shortlist. @default 100 */
  candidates?: number;
  /** @default 'cosine' */
  metric?: Metric;
  /**
   * One for each query. @default the k best by the full vectors, all of grade 1, and what has the score of the last of them
   */
  relevant?: readonly Relevant[];
  /**
   * How to treat queries that have no relevant document: 'error' refuses them, 'zero' counts 0 for every measure, as
   * trec_eval and BEIR do, 'skip' leaves them out of the means.
   *
   * @default 'error'
   */
  withoutRelevant?: 'error' | 'zero' | 'skip';
  /**
   * Where queries are documents, each under its id: leaves a query's own document out of what is ranked for it, as BEIR does. What
   * `relevant` says of that document stays.
   *
   * @default true
   */
  ignoreIdenticalIds?: boolean;
  /** The gain of a grade in nDCG. @default 'linear' */
  gain?: 'linear' | 'exponential';
  /** Queries ranked, of all prefixes. */
  onProgress?: OnRunProgress;
  /** Ends the call when it aborts; the error then has the code ABORTED. */
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

/** Measures of the answers at each prefix length. */
export interface Evaluation {
  /** By dim, longest first. */
  rows: EvaluationRow[];
  /** Documents that were ranked. */
  documents: number;
  /** Queries that the means are taken over. */
  queries: number;
  /** Queries of which no document is relevant: counted as 0, or left out. */
  withoutRelevant: number;
  /** Queries whose own document was left out. */
  identical: number;
  /** Hits that recall, nDCG and MRR are of. */
  k: number;
  /** Rows of the shortlist. */
  candidates: number;
  /** The metric of the ranking. */
  metric: Metric;
  /** Where relevance comes from: the full vectors' own results, or the caller. */
  truth: 'full vectors' | 'relevant';
}

const KEYS = [
  'dims',
  'k',
  'candidates',
  'metric',
  'relevant',
  'withoutRelevant',
  'ignoreIdenticalIds',
  'gain',
  'onProgress',
  'signal',
];
const WITHOUT = ['error', 'zero', 'skip'];

/**
 * Ranks all documents by every prefix, for every query, with the kernels that search uses: scores in float64, ties by
 * position. Where what is relevant is what full vectors find, a document of the same score is as good. Reads queries × documents × Σ dims values, off the main thread: 20,000 documents, 500 queries and Σ dims of
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
  const { withoutRelevant = 'error', ignoreIdenticalIds = true } = options;
  checkInteger(k, 1, 0xffff_ffff, 'k');
  checkInteger(candidates, 1, 0xffff_ffff, 'candidates');
  if (!METRICS.includes(metric)) throw expected('BAD_ARGUMENT', `one of ${METRICS.join(', ')}`, 'metric', metric);
  if (gain !== 'linear' && gain !== 'exponential') {
    throw expected('BAD_ARGUMENT', "'linear' or 'exponential'", 'gain', gain);
  }
  if (!WITHOUT.includes(withoutRelevant)) {
    throw expected('BAD_ARGUMENT', `one of ${WITHOUT.join(', ')}`, 'withoutRelevant', withoutRelevant);
  }
  if (typeof ignoreIdenticalIds !== 'boolean') {
    throw expected('BAD_ARGUMENT', 'a boolean', 'ignoreIdenticalIds', ignoreIdenticalIds);
  }
  checkProgress(onProgress);
  checkSignal(signal);
  const rows = checkedRows(documents, 'documents', { shared: true });
  const asked = checkedRows(queries, 'queries', { dim: rows.dim });
  const dims = options.dims === undefined ? halving(rows.dim) : options.dims;
  checkDims(dims, rows.dim);
  checkNonZero(asked, metric);
  const given = options.relevant && checkRelevant(options.relevant, asked.count, typeof rows.id(0));
  const own = ignoreIdenticalIds ? identicalOf(rows, asked) : undefined;
  const isJudged = (q: number): boolean =>
    given === undefined ? rows.count > (own?.(q).count ?? 0) : [...given[q]!.values()].some((grade) => grade > 0);
  const judged = Array.from({ length: asked.count }, (_, q) => isJudged(q));
  const counted = checkJudged(judged, withoutRelevant);
  const lengths = [...dims].sort((a, b) => b - a);

  const most = Math.max(k, candidates);
  const total = counted.length;
  let done = 0;
  const each = await mapLimited(counted, LANES, async (q) => {
    if (signal?.aborted) throw stopped('evaluate()', signal);
    const query = asked.vectors.slice(q * asked.dim, (q + 1) * asked.dim);
    const ranked = (to: number, wanted: number) => rankedBy(rows, query, metric, to, wanted, own?.(q));
    const { grades, wanted } = judged[q]
      ? given === undefined
        ? await nearestAs(ranked, rows.dim, k)
        : { grades: given[q]!, wanted: undefined }
      : { grades: NONE, wanted: undefined };
    const scored: EvaluationRow[] = [];
    for (const dim of lengths) {
      const { ids } = await ranked(dim, most);
      const share = (k: number) =>
        wanted === undefined ? recallAt(ids, grades, k) : Math.min(wanted, relevantAmong(ids, grades, k)) / wanted;
      scored.push({
        dim,
        recall: share(k),
        ndcg: ndcgAt(ids, grades, k, gain),
        mrr: reciprocalRankAt(ids, grades, k),
        shortlist: share(candidates),
      });
    }
    onProgress?.({ done: ++done, total });
    return scored;
  });
  return {
    rows: lengths.map((dim, i) => ({ dim, ...meansOf(each.map((scored) => scored[i]!)) })),
    documents: rows.count,
    queries: total,
    withoutRelevant: judged.filter((is) => !is).length,
    identical: own === undefined ? 0 : counted.filter((q) => own(q).count > 0).length,
    k,
    candidates,
    metric,
    truth: given === undefined ? 'full vectors' : 'relevant',
  };
}

const NONE: Grades = new Map();

/** Documents of one id, and how many these are. */
interface Identical {
  is(id: Id): boolean;
  count: number;
}

/** By query: the documents of its id. Undefined where queries have no ids. */
function identicalOf(rows: CheckedRows, queries: CheckedRows): ((query: number) => Identical) | undefined {
  if (!queries.named) return undefined;
  const counts = new Map<Id, number>();
  for (let row = 0; row < rows.count; row++) {
    const key = idKey(rows.id(row));
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return (query) => {
    const own = idKey(queries.id(query));
    return { is: (id) => idKey(id) === own, count: counts.get(own) ?? 0 };
  };
}

/** The queries that count. @throws FunnelError BAD_ARGUMENT */
function checkJudged(judged: readonly boolean[], without: 'error' | 'zero' | 'skip'): number[] {
  const first = judged.indexOf(false);
  if (first !== -1 && without === 'error') {
    throw new FunnelError(
      'BAD_ARGUMENT',
      `Expected at least one relevant document for query ${first} but none is: ` +
        "withoutRelevant: 'zero' counts it as 0, as other tools do, and 'skip' leaves it out",
    );
  }
  const queries = [...judged.keys()];
  const counted = without === 'skip' ? queries.filter((q) => judged[q]) : queries;
  if (counted.length > 0) return counted;
  throw new FunnelError(
    'BAD_ARGUMENT',
    `Expected a query with a relevant document but none of ${judged.length} has one`,
  );
}

interface RankedIds {
  ids: Id[];
  /** Larger is better. */
  keys: Float64Array;
}

/** The k best, with what is as good as the last of them; of these `wanted` are to be found. */
async function nearestAs(
  ranked: (to: number, wanted: number) => Promise<RankedIds>,
  dim: number,
  k: number,
): Promise<{ grades: Grades; wanted: number }> {
  for (let more = k + 1; ; more *= 2) {
    const { ids, keys } = await ranked(dim, more);
    const wanted = Math.min(k, ids.length);
    const last = keys[wanted - 1]!;
    if (ids.length === more && keys[more - 1] === last) continue;
    return { grades: gradesOf(ids.filter((_, i) => keys[i]! >= last)), wanted };
  }
}

/** Queries at once: scans take turns on the threads that there are. */
const LANES = 4;

/** At most `wanted` documents, best first, without those of the query's own id. */
async function rankedBy(
  rows: CheckedRows,
  query: Float32Array,
  metric: Metric,
  to: number,
  wanted: number,
  own: Identical | undefined,
): Promise<RankedIds> {
  const { vectors, dim, count } = rows;
  const spare = own?.count ?? 0;
  const size = Math.min(count, wanted + spare);
  const indices = new Uint32Array(size);
  const keys = new Float64Array(size);
  await activeKernels().scanAsync({ metric, query, rows: vectors, dim, to, indices, keys });
  const ids = Array.from(indices, rows.id);
  if (spare === 0) return { ids, keys };
  const others = [...ids.keys()].filter((i) => !own!.is(ids[i]!)).slice(0, wanted);
  return { ids: others.map((i) => ids[i]!), keys: Float64Array.from(others, (i) => keys[i]!) };
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

function checkNonZero({ vectors, dim, count }: CheckedRows, metric: Metric): void {
  if (!needsDirection(metric)) return;
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
    for (const [id, grade] of grades) {
      if (typeof grade !== 'number' || !Number.isFinite(grade)) {
        throw expected('NOT_FINITE', 'a finite grade', `${String(id)} in ${where}`, grade);
      }
    }
    return grades;
  });
}

/** An evaluation as a Markdown table. */
export function evaluationTable({ rows, k, candidates }: Evaluation): string {
  const head = ['dims', `recall@${k}`, `nDCG@${k}`, `MRR@${k}`, `recall@${candidates}`];
  const lines = rows.map((row) => [String(row.dim), ...MEASURES.map((measure) => row[measure].toFixed(4))]);
  return [head, head.map(() => '--:'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

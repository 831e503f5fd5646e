/** The options of fitHead(), checked. */
import { expected } from '../core/errors.js';
import { checkInteger, checkKeys } from '../core/validate.js';
import { checkDims } from './embeddings.js';
import type { Vectors } from './rows.js';
import { checkSignal } from './running.js';

/** The method that fits a head: see {@link FitHeadOptions.method}. */
export type HeadMethod = 'pca' | 'balanced' | 'adapter';

const METHODS: readonly HeadMethod[] = ['pca', 'balanced', 'adapter'];

/** A query and a row that was judged beside it, by their numbers in `queries` and `vectors`. */
export interface HeadPair {
  /** Row number in `queries`, from 0. */
  query: number;
  /** Row number in `vectors`, from 0. */
  row: number;
  /** How well they fit, on any scale. Where all scores are equal, they say that the rows belong to their queries. @default 1 */
  score?: number;
}

/** Progress of fitHead(). */
export interface FitProgress {
  /** 'measure': the first measurements; 'train': steps of the adapter. */
  stage: 'measure' | 'train';
  /** Steps of the stage that are done, of `total`. */
  done: number;
  /** Steps of the stage. */
  total: number;
  /** While training: of the validation queries, by the best head so far. */
  recall?: number;
}

/** Which head is fitted, to what. */
export interface FitHeadOptions {
  /**
   * 'pca': the leading principal directions of the vectors. 'balanced': of vectors and queries alike, for queries that are
   * distributed unlike the vectors. 'adapter': trained from there.
   *
   * @default 'balanced' with queries, else 'pca'
   */
  method?: HeadMethod;
  /** Dims of the head. */
  dim: number;
  /**
   * Sample queries, of the vectors' dims; some hundreds and more. A fifth chooses, a fifth measures, the others fit. A query with
   * the id of a vector is that vector, and not its own neighbour.
   */
  queries?: Vectors;
  /** For method 'adapter': judged pairs to learn from, beside neighbours. */
  pairs?: readonly HeadPair[];
  /** For method 'adapter': shorter prefixes of the head that are trained too. @default the head alone */
  dims?: readonly number[];
  /** True neighbours that a shortlist is to hold. @default 10 */
  k?: number;
  /** Rows of a shortlist. @default 100 */
  candidates?: number;
  /** Vectors that are fitted to and searched among, drawn where there are more. @default 20,000 */
  sample?: number;
  /** Most steps of method 'adapter'. @default 200 */
  steps?: number;
  /** The same seed gives the same head, on every backend. @default 1 */
  seed?: number;
  /** The model that made the vectors; kept with the head. */
  model?: string;
  /** Told as each stage goes on. */
  onProgress?: (progress: FitProgress) => void;
  /** Ends the call when it aborts; the error then has the code ABORTED. */
  signal?: AbortSignal;
}

export interface FitSettings extends FitHeadOptions {
  method: HeadMethod;
  k: number;
  candidates: number;
  sample: number;
  steps: number;
  seed: number;
}

const KEYS = [
  'method',
  'dim',
  'queries',
  'pairs',
  'dims',
  'k',
  'candidates',
  'sample',
  'steps',
  'seed',
  'model',
  'onProgress',
  'signal',
];

/** All but what depends on the vectors. @throws FunnelError BAD_ARGUMENT, BAD_PLAN, BAD_DIMS */
export function checkFitOptions(options: FitHeadOptions): FitSettings {
  checkKeys(options, KEYS, 'the options of fitHead()');
  // Read once: getters may answer something else the next time.
  const own = { k: 10, candidates: 100, sample: 20_000, steps: 200, seed: 1, ...defined(options) };
  const { queries, pairs, dims, dim, model, onProgress, signal } = own;
  const method = own.method ?? (queries === undefined ? 'pca' : 'balanced');
  if (!METHODS.includes(method)) throw expected('BAD_ARGUMENT', `one of ${METHODS.join(', ')}`, 'method', method);
  checkInteger(dim, 1, 65_536, 'dim');
  checkInteger(own.k, 1, 1000, 'k');
  checkInteger(own.candidates, own.k, 1_000_000, 'candidates');
  checkInteger(own.sample, 2, 1_000_000, 'sample');
  checkInteger(own.steps, 1, 1_000_000, 'steps');
  checkInteger(own.seed, 0, 0xffff_ffff, 'seed');
  if (method === 'balanced' && queries === undefined) {
    throw expected('BAD_ARGUMENT', "sample queries for method 'balanced'", 'queries', queries);
  }
  if (method !== 'adapter' && options.steps !== undefined) {
    throw expected('BAD_ARGUMENT', "method 'adapter'", 'steps', method);
  }
  for (const [name, value] of Object.entries({ pairs, dims })) {
    if (value === undefined) continue;
    if (method !== 'adapter') throw expected('BAD_ARGUMENT', "method 'adapter'", name, method);
    if (!Array.isArray(value)) throw expected('BAD_ARGUMENT', 'an array', name, value);
  }
  if (pairs !== undefined && queries === undefined) throw expected('BAD_ARGUMENT', 'queries', 'pairs', queries);
  if (dims !== undefined) checkDims(dims, dim);
  if (model !== undefined && typeof model !== 'string') throw expected('BAD_ARGUMENT', 'a name', 'model', model);
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw expected('BAD_ARGUMENT', 'a function', 'onProgress', onProgress);
  }
  checkSignal(signal);
  return { ...own, method };
}

function defined(options: FitHeadOptions): FitHeadOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never;
}

/** @throws FunnelError BAD_ARGUMENT, NOT_FINITE */
export function checkPairs(pairs: readonly HeadPair[], queries: number, rows: number): Required<HeadPair>[] {
  return Array.from(pairs, (pair, i) => {
    if (typeof pair !== 'object' || pair === null)
      throw expected('BAD_ARGUMENT', '{ query, row }', `pairs[${i}]`, pair);
    checkKeys(pair, ['query', 'row', 'score'], `pairs[${i}]`);
    const { query, row, score = 1 } = pair;
    checkInteger(query, 0, queries - 1, `query of pairs[${i}]`);
    checkInteger(row, 0, rows - 1, `row of pairs[${i}]`);
    if (typeof score !== 'number' || !Number.isFinite(score)) {
      throw expected('NOT_FINITE', 'a finite number', `score of pairs[${i}]`, score);
    }
    return { query, row, score };
  });
}

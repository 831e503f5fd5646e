/** How a FunnelVectorStore is made, searched and answers: its options, checked. */
import type { Document } from '@langchain/core/documents';
import { expected, FunnelError } from '../../core/errors.js';
import { MAX_DIM } from '../../core/metrics.js';
import { checkInteger, checkKeys } from '../../core/validate.js';
import { checkPlan } from '../../funnel/plan.js';
import type { FunnelSearch, Plan, SearchExplanation, SearchStats } from '../../index.js';
import type { FunnelIndex, IndexQueryStats } from '../../store/index.js';
import type { MetadataFilter } from './filter.js';
import type { PointWriter } from './writers.js';

/** How each search of a store is done, where its caller does not say. */
export interface SearchSettings {
  /** 'exact': the best by all dims, as far as index or source can. @default 'funnel' */
  mode?: 'exact' | 'funnel';
  /** Rows that are fetched by head and scored in full, at least k. @default what index or search do by themselves */
  candidates?: number;
  /** For a store over a FunnelSearch: its stages. @default the plan of the search */
  plan?: Plan;
}

/** The config of a FunnelVectorStore: `index`, or `search` and a `writer`; and how documents are kept and searched. */
export type FunnelStoreConfig = SearchSettings & {
  /** The key of a payload that has a document's text. @default 'content', as @langchain/qdrant has it */
  contentKey?: string;
  /** The key that has its metadata; null: it stands at the top, beside the text. @default 'metadata' */
  metadataKey?: string | null;
} & (
    | {
        /** Searched by its own query(), and written to. */
        index: FunnelIndex;
        /** Absent beside `index`. */
        search?: undefined;
        /** Absent beside `index`, which is written to itself. */
        writer?: undefined;
      }
    | {
        /** Over Qdrant, Milvus or a source of your own. */
        search: FunnelSearch;
        /** Where documents are written and deleted: qdrantWriter(), milvusWriter(), an index. Without it the store is read-only. */
        writer?: PointWriter;
        /** Absent beside `search`. */
        index?: undefined;
      }
  );

/** Options of searchVector(). */
export interface SearchOptions extends SearchSettings {
  /** Documents to return, at most; 0 searches nothing. @default 4 */
  k?: number;
  /** Conditions that documents must pass. @default none */
  filter?: MetadataFilter | undefined;
  /** Only documents of at least this similarity. */
  scoreThreshold?: number;
  /** Over a FunnelSearch: also what each stage dropped. An index tells its stages in `stats` at any rate. @default false */
  explain?: boolean;
  /** Ends the search when it aborts, with the code ABORTED. Over an index it is looked at before the search alone. */
  signal?: AbortSignal;
}

/** Documents for a query, and how they were found. */
export interface FunnelAnswer {
  /** Best first, with similarities. */
  documents: [Document, number][];
  /** Undefined where nothing was searched: k of 0, a query of zeros. */
  stats: IndexQueryStats | SearchStats | undefined;
  /** The documents that each stage dropped: with `explain`, over a FunnelSearch. */
  explanation?: SearchExplanation;
}

export const SEARCH_KEYS = ['mode', 'candidates', 'plan'];
export const SEARCH_OPTION_KEYS = [...SEARCH_KEYS, 'k', 'filter', 'scoreThreshold', 'explain', 'signal'];
const CONFIG_KEYS = [...SEARCH_KEYS, 'index', 'search', 'writer', 'contentKey', 'metadataKey'];

/** A copy, read once. @throws FunnelError BAD_ARGUMENT */
export function checkStoreConfig(given: FunnelStoreConfig): FunnelStoreConfig {
  if (typeof given !== 'object' || given === null) {
    throw expected('BAD_ARGUMENT', '{ index } or { search, writer }', 'the config of FunnelVectorStore', given);
  }
  if (isIndex(given)) {
    throw new FunnelError(
      'BAD_ARGUMENT',
      'Expected { index } for the config of FunnelVectorStore but received a FunnelIndex: write { index }',
    );
  }
  const config = { ...given };
  checkKeys(config, CONFIG_KEYS, 'the config of FunnelVectorStore');
  const { index, search, writer } = config;
  if ((index === undefined) === (search === undefined)) {
    throw new FunnelError(
      'BAD_ARGUMENT',
      `Expected index or search in the config of FunnelVectorStore but received ${index === undefined ? 'neither' : 'both'}`,
    );
  }
  if (index !== undefined && !isIndex(index)) {
    throw expected('BAD_ARGUMENT', 'a FunnelIndex', 'index', index);
  }
  const { query, source } = (search ?? {}) as Partial<FunnelSearch>;
  if (search !== undefined && (typeof query !== 'function' || typeof source?.info !== 'function')) {
    throw expected('BAD_ARGUMENT', 'a FunnelSearch', 'search', search);
  }
  if (writer !== undefined && index !== undefined) {
    throw new FunnelError('BAD_ARGUMENT', 'Expected no writer beside index, which is written to itself');
  }
  const { upsert, delete: remove } = (writer ?? {}) as Partial<PointWriter>;
  if (writer !== undefined && (typeof upsert !== 'function' || typeof remove !== 'function')) {
    throw expected('BAD_ARGUMENT', 'qdrantWriter(), milvusWriter() or an index', 'writer', writer);
  }
  return config;
}

/** @throws FunnelError BAD_ARGUMENT */
export function checkThreshold(scoreThreshold: unknown): void {
  if (scoreThreshold === undefined || (typeof scoreThreshold === 'number' && !Number.isNaN(scoreThreshold))) return;
  throw expected('BAD_ARGUMENT', 'a number', 'scoreThreshold', scoreThreshold);
}

/** @throws FunnelError BAD_ARGUMENT */
export function checkExplain(explain: unknown): void {
  if (explain !== undefined && typeof explain !== 'boolean') {
    throw expected('BAD_ARGUMENT', 'a boolean', 'explain', explain);
  }
}

export function isIndex(value: unknown): value is FunnelIndex {
  return typeof (value as Partial<FunnelIndex> | undefined)?.gather === 'function';
}

/** @throws FunnelError BAD_ARGUMENT, BAD_PLAN, UNSUPPORTED */
export function checkSearchSettings({ mode, candidates, plan }: SearchSettings, index: FunnelIndex | undefined): void {
  if (mode === 'exact' && (candidates !== undefined || plan !== undefined)) {
    const what = plan === undefined ? 'candidates' : 'plan';
    throw new FunnelError('BAD_ARGUMENT', `Expected no ${what} beside mode 'exact': there is nothing to trade`);
  }
  if (mode !== undefined && mode !== 'exact' && mode !== 'funnel') {
    throw expected('BAD_ARGUMENT', "'exact' or 'funnel'", 'mode', mode);
  }
  if (candidates !== undefined) checkInteger(candidates, 1, 0xffff_ffff, 'candidates');
  if (plan !== undefined && index !== undefined) {
    throw new FunnelError(
      'UNSUPPORTED',
      'Expected no plan over a FunnelIndex, which has stages of its own: say candidates, or give a FunnelSearch over embeddedSource(index)',
    );
  }
  if (plan !== undefined) checkPlan(plan, MAX_DIM); // against the dims of the collection with the search
}

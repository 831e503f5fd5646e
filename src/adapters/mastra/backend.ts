/** Where the indexes of a Mastra store are: in files or memory here, or in a database. */

import type { Metric } from '../../index.js';
import type { FilterNode } from '../../query/filter/ast.js';
import type { FilterPlace } from './filter.js';

export interface IndexShape {
  dim: number;
  metric: Metric;
}

export interface StoredRow {
  id: string;
  /** Empty where nobody asked for it. */
  vector: Float32Array;
  metadata: Record<string, unknown>;
}

export interface FoundRow {
  id: string;
  /** As the metric has it; for euclid the distance. */
  score: number;
  metadata: Record<string, unknown>;
  vector?: Float32Array;
}

/** How searches are done, where a query does not say. */
export interface SearchManner {
  /** 'exact': the best by all dims, as far as the store can. @default 'funnel' */
  mode?: 'exact' | 'funnel';
  /** Rows that are fetched by head and scored in full, at least topK. @default what index or search do by themselves */
  candidates?: number;
}

export interface AskedSearch extends SearchManner {
  vector: Float32Array;
  limit: number;
  filter: FilterNode | undefined;
  withVector: boolean;
}

/** Names are checked by who calls; calls that write come one after the other for each name. */
export interface VectorBackend {
  readonly place: FilterPlace;
  /** @throws FunnelError BAD_ARGUMENT where no index can be called so */
  checkName(name: string): void;
  names(): Promise<string[]>;
  /** Undefined where there is no such index. */
  shapeOf(name: string): Promise<IndexShape | undefined>;
  count(name: string): Promise<number>;
  create(name: string, shape: IndexShape): Promise<void>;
  /** Keys of metadata that filters will ask for. @returns false where nothing can be made for them */
  indexKeys(name: string, keys: readonly string[]): Promise<boolean>;
  /** Nothing where there is no such index. */
  drop(name: string): Promise<void>;
  /** Rows take the place of those with their ids, and of all that pass `instead`. */
  put(name: string, rows: readonly StoredRow[], instead?: FilterNode): Promise<void>;
  search(name: string, asked: AskedSearch): Promise<FoundRow[]>;
  /** With vectors. Ids that no row has are left out. */
  rowsOf(name: string, ids: readonly string[], withVector: boolean): Promise<StoredRow[]>;
  /** Rows that pass, by id; the first `limit` of them. */
  matching(name: string, filter: FilterNode, withVector: boolean, limit?: number): Promise<StoredRow[]>;
  remove(name: string, rows: readonly string[] | FilterNode): Promise<void>;
  close(): Promise<void>;
}

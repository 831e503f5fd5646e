/** Messages to a thread of the pool, and its answers. Arrays over shared memory are not copied. */
import type { FunnelErrorCode } from '../core/errors.js';
import type { Metric } from '../kernels/kernels.js';
import type { BuildOptions } from './engine/build.js';
import type { CodingPlan, EncodedRows } from './engine/coder.js';
import type { Coded } from './engine/extend.js';
import type { Sorting } from './engine/finish.js';
import type { Segment } from './engine/segment.js';
import type { SearchAnswer, SearchTask } from './engine/types.js';
import type { RowImage } from './files/row-image.js';
import type { Manners } from './pool-manners.js';

/** An index as a search sees it. */
export interface Snapshot {
  version: number;
  metric: Metric;
  dim: number;
  half: boolean;
  segments: Segment[];
  unindexed: Uint32Array;
  images: RowImage[];
}

export interface SearchJob {
  kind: 'search';
  /** Which index it is, of those that share the thread. */
  index: number;
  version: number;
  /** When the thread does not have this version yet. */
  snapshot?: Snapshot;
  requests: SearchTask[];
}

export interface EncodeJob {
  kind: 'encode';
  plan: CodingPlan;
  images: RowImage[];
  half: boolean;
  /** Ordinals of the rows to encode. */
  ordinals: Uint32Array;
  from: number;
  to: number;
  encoded: EncodedRows;
}

/** Chooses a coding for rows. */
export interface PlanJob {
  kind: 'plan';
  images: RowImage[];
  half: boolean;
  ordinals: Uint32Array;
  options: BuildOptions;
}

/** Chooses how rows are coded that are to stand beside those of a build. */
export interface PlanExtensionJob {
  kind: 'planExtension';
  images: RowImage[];
  half: boolean;
  ordinals: Uint32Array;
  like: Coded;
  /** Rows that the index has in all. */
  total: number;
}

/** Puts encoded rows in order. */
export interface SortJob {
  kind: 'sort';
  plan: CodingPlan;
  encoded: EncodedRows;
}

export interface SortPlaneJob {
  kind: 'sortPlane';
  plane: Uint8Array;
  /** Bytes a row. */
  stride: number;
  sorting: Sorting;
}

/** Makes a segment of encoded rows, but for its full plane. */
export interface FinishJob {
  kind: 'finish';
  plan: CodingPlan;
  encoded: EncodedRows;
  ordinals: Uint32Array;
  sorting: Sorting;
}

/** Finds neighbours of the rows of lists [from, to): the first step of their table. */
export interface NeighboursJob {
  kind: 'neighbours';
  segment: Segment;
  from: number;
  to: number;
  /** Where they go. */
  table: Uint32Array;
}

/** Finds better ones: the second step. */
export interface RelinkJob {
  kind: 'relink';
  segment: Segment;
  from: number;
  to: number;
  /** The table of the first step. */
  before: Uint32Array;
}

/** Links rows that few rows lead to: the third step, of the whole table. */
export interface LinkBackJob {
  kind: 'linkBack';
  segment: Segment;
  /** Where the table goes that is kept, where it is another one. */
  narrow: Uint8Array | null;
}

export type TableJob = NeighboursJob | RelinkJob | LinkBackJob;

/** Measures a segment. */
export interface MeasureJob {
  kind: 'measure';
  segment: Segment;
  images: RowImage[];
  half: boolean;
}

export type BuildJob =
  | EncodeJob
  | PlanJob
  | PlanExtensionJob
  | SortJob
  | SortPlaneJob
  | FinishJob
  | TableJob
  | MeasureJob;

export type Job = SearchJob | BuildJob;

/** Ends a build job before its time, forgets an index, collects garbage, or ends the thread once it has nothing to do. */
export type Order =
  | { kind: 'cancel'; id: number }
  | { kind: 'forget'; index: number }
  | { kind: 'collect' }
  | { kind: 'end' };

export type ThreadMessage = { id: number; job: Job } | Order;

export interface Outcome {
  results?: SearchAnswer[];
  ms?: number;
  plan?: CodingPlan;
  sorting?: Sorting;
  segment?: Segment;
}

export interface ThreadSetup {
  kernels: string;
  /** Memory of the WASM code kernels. */
  memory?: unknown;
}

/** The data that a thread is started with. */
export interface ThreadData extends ThreadSetup {
  manners: Manners;
  /** Threads that may build while the calling thread searches. */
  mostBuilders: number;
}

export type ThreadReply =
  | ({ id: number } & Outcome)
  | { id: number; error: { code: FunnelErrorCode; message: string; cause: unknown } };

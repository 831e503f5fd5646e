/** The types of a search of the engine: its task, the state that it searches, and its answer. */
import type { Metric } from '../../kernels/kernels.js';
import type { Segment } from './segment.js';
import type { StageName } from './stages.js';

/** The rows themselves. */
export interface RowTier {
  /** Whether all rows are in memory: then reading one costs little more than looking at it. */
  readonly resident: boolean;
  /** Keys of the listed ordinals' rows over all dims. */
  score(query: Float32Array, metric: Metric, ordinals: Uint32Array, count: number, keys: Float64Array): void;
  /** Rows of `n` consecutive ordinals as float32; zeros where there is none. */
  read(first: number, n: number, out: Float32Array, toFloat: (half: number) => number): void;
}

export interface SearchState {
  readonly metric: Metric;
  readonly dim: number;
  readonly segments: readonly Segment[];
  /** Ordinals of the live rows without codes, which no segment holds; ascending. */
  readonly unindexed: Uint32Array;
  readonly rows: RowTier;
}

export interface SearchTask {
  readonly vector: Float32Array;
  /** |vector| > 0, but for euclid. */
  readonly norm: number;
  readonly k: number;
  readonly mode: 'exact' | 'funnel';
  /** Only keys above this one, strictly. */
  readonly above?: number | undefined;
  /** Mode 'funnel': bounds decide, shrunk to this share (1: certified), instead of a number of candidates. */
  readonly eps?: number | undefined;
  /** Mode 'funnel': how many rows are scored in full; at most, where rows are on disk (reach.ts). */
  readonly candidates?: number | undefined;
  /** Mode 'funnel': how many lists are visited. */
  readonly probes?: number | undefined;
  /** The rows that take part, where a filter leaves some out. */
  readonly only?: RowMasks | undefined;
}

export interface RowMasks {
  /**
   * For each segment, the mask of the rows that take part. A late one is filled for the lists in `late.made` only; one of
   * listed rows is empty until there is a search that does not do with the list.
   */
  masks: readonly Uint16Array[];
  /** The unindexed rows that take part. */
  unindexed: Uint32Array;
  /** An upper bound of how many rows of segments take part. */
  rows: number;
  /** Live rows of segments, of which these are some. */
  of: number;
  late?: LateMasks | undefined;
  /** Where few rows take part: for each segment, these rows. */
  listed?: readonly Uint32Array[] | undefined;
}

export interface LateMasks {
  /** The filter's rows: bit o & 15 of number o >> 4 for ordinal o. */
  bits: Uint16Array;
  /** For each segment, 1 for each list whose blocks are in the mask; undefined where the segment's mask is whole. */
  made: readonly (Uint8Array | undefined)[];
}

/** A step of a search: how many rows went in, how many came out. */
export interface StageCount {
  /** 'lists' of the partition, a plane of codes, the 'walk' over the table of neighbours, or 'rows' themselves. */
  name: 'lists' | StageName | 'walk' | 'rows';
  /** Rows that went in; lists, for stage 'lists'; for 'walk', new rows that it met. */
  in: number;
  /** Rows that went on. */
  out: number;
}

export interface SearchAnswer {
  ordinals: number[];
  keys: number[];
  certified: boolean;
  stages: StageCount[];
  /** Rows of which every dim was read. */
  rowsRead: number;
  /** Rows that take part, and that there was room for, in lists that `probes` kept from being visited. */
  missing: number;
}

/** Options and results of payload indexes. */

/** Progress of createPayloadIndex(). */
export interface PayloadIndexProgress {
  /** 'read': rows of which payloads were read; 'write': 0 and 1, when the index is on disk. */
  phase: 'read' | 'write';
  /** Rows that were read, or 1 when the index is on disk. */
  done: number;
  /** Rows to be read, or 1. */
  total: number;
}

/** Told of the progress of createPayloadIndex(). */
export type OnIndexProgress = (progress: PayloadIndexProgress) => void;

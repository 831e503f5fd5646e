/** Options and results of payload indexes. */

export interface PayloadIndexProgress {
  /** 'read': rows of which payloads were read; 'write': 0 and 1, when the index is on disk. */
  phase: 'read' | 'write';
  done: number;
  total: number;
}

export type OnIndexProgress = (progress: PayloadIndexProgress) => void;

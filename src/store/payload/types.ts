/** What callers of payload indexes give and get. */

export const INDEX_TYPES = ['keyword', 'integer', 'float', 'bool', 'datetime'] as const;

/**
 * Type of the values that a payload index holds. 'keyword': strings. 'integer' and 'float': numbers and bigints.
 * 'bool'. 'datetime': strings that read as dates, RFC 3339 or dates alone.
 */
export type PayloadIndexType = (typeof INDEX_TYPES)[number];

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

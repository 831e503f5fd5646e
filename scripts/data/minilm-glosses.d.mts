export interface MinilmGlosses {
  dim: number;
  /** count × dim, of length 1. */
  rows: Float32Array;
  /** Example sentences of glosses, likewise. */
  queryRows: Float32Array;
}

export function loadMinilmGlosses(options?: {
  count?: number;
  maxQueries?: number;
  log?: (line: string) => void;
}): Promise<MinilmGlosses>;

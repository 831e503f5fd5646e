/** Keys that requests to databases have: refused here by name, with what to say instead. */
import { FunnelError } from '../errors.js';

/** By key of the request: what takes its place. */
const REQUEST: Record<string, string> = {
  top: 'limit',
  query: 'vector, an array of numbers,',
  data: 'vector, an array of numbers,',
  with_payload: 'withPayload',
  output_fields: 'withPayload',
  with_vector: 'withVector',
  with_vectors: 'withVector',
  score_threshold: 'scoreThreshold',
  max_depth: 'maxDepth',
  exact: "mode: 'exact'",
  expr: 'filter',
  using: 'no name of a vector: rows of this index have one,',
  anns_field: 'no name of a vector: rows of this index have one,',
  prefetch: 'params.candidates: head and rows are one call here,',
};

/** By key of its `params`. */
const PARAMS: Record<string, string> = {
  hnsw_ef: 'params.candidates, or params.eps: there is no graph here,',
  ef: 'params.candidates, or params.eps: there is no graph here,',
  nprobe: 'params.probes',
  exact: "mode: 'exact'",
  indexed_only: 'nothing: rows without codes are always scanned, so that answers are whole,',
  quantization: 'params.candidates: codes are part of this index,',
  radius: 'scoreThreshold',
  range_filter: 'scoreThreshold',
};

/** @throws FunnelError BAD_ARGUMENT */
export function refuseForeign(query: unknown): void {
  refuse(query, REQUEST, 'the query');
  refuse((query as { params?: unknown } | null)?.params, PARAMS, 'params');
}

function refuse(value: unknown, table: Record<string, string>, where: string): void {
  if (typeof value !== 'object' || value === null) return;
  for (const key of Object.keys(value)) {
    if (!Object.hasOwn(table, key)) continue;
    throw new FunnelError(
      'BAD_ARGUMENT',
      `Expected ${table[key]} in ${where} of an embedded index but received ${key}`,
    );
  }
}

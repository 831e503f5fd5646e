/** Keys that requests to databases have and a FunnelIndex has not: refused by name, with what to say instead. */
import { FunnelError } from '../core/errors.js';
import { ELSEWHERE, foreignKeyIn } from '../query/shared-keys.js';

/** By key of the request: what takes its place. */
const REQUEST: Readonly<Record<string, string>> = {
  ...ELSEWHERE,
  using: 'no name of a vector: rows of this index have one,',
  anns_field: 'no name of a vector: rows of this index have one,',
  candidates: 'params.candidates',
  prefetch: 'params.candidates: head and rows are one call here,',
};

/** By key of its `params`. */
const PARAMS: Readonly<Record<string, string>> = {
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
export function refuseForeign(query: object): void {
  refuse(query, REQUEST, 'the query');
  refuseForeignParams((query as { params?: unknown }).params);
}

/** @throws FunnelError BAD_ARGUMENT */
export function refuseForeignParams(params: unknown): void {
  refuse(params, PARAMS, 'params');
}

function refuse(given: unknown, table: Readonly<Record<string, string>>, where: string): void {
  if (typeof given !== 'object' || given === null) return;
  const key = foreignKeyIn(table, given);
  if (key === undefined) return;
  throw new FunnelError('BAD_ARGUMENT', `Expected ${table[key]} in ${where} of an embedded index but received ${key}`);
}

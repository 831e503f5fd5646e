/** Checks that every source makes of a request before any work. */
import type { Id } from '../../core/types.js';
import { checkIds, checkInteger, honestList } from '../../core/validate.js';
import { checkParams, type KnownParams } from '../params.js';
import { checkPayloadSelection } from '../payload.js';
import type { FetchRequest, HeadRequest, ScanRequest, SearchParams } from './source.js';

/** The options of requests that a source takes, and their limits. */
export interface RequestLimits {
  /** Search parameters. @default none */
  params?: KnownParams;
  /** Most candidates of a search, and rows of a page. @default 2^53 − 1 */
  most?: number;
}

/**
 * Payload selection, number of candidates and search parameters of a head search. Its vector waits for the dims: see
 * {@link checkHeadQuery}.
 *
 * @param where the source's name, for errors
 * @returns a copy of the parameters that are set
 * @throws FunnelError BAD_ARGUMENT, UNSUPPORTED naming a parameter that the source does not take
 */
export function checkHeadRequest(
  { withPayload, candidates, params }: Pick<HeadRequest, 'withPayload' | 'candidates' | 'params'>,
  where: string,
  { params: known = {}, most = Number.MAX_SAFE_INTEGER }: RequestLimits = {},
): SearchParams {
  checkPayloadSelection(withPayload);
  checkInteger(candidates, 1, most, 'candidates');
  return checkParams(params, known, where);
}

/**
 * Payload selection and ids of a fetch.
 *
 * @returns a copy of the ids, all of one kind
 * @throws FunnelError BAD_ARGUMENT, BAD_ID naming the place
 */
export function checkFetchRequest({ withPayload, ids }: Pick<FetchRequest, 'withPayload' | 'ids'>): Id[] {
  checkPayloadSelection(withPayload);
  const own = Array.from(honestList(ids, 'ids'));
  checkIds(own);
  return own;
}

/**
 * Payload selection and size of a page.
 *
 * @returns the number of rows
 * @throws FunnelError BAD_ARGUMENT
 */
export function checkScanRequest(
  { withPayload, limit }: Pick<ScanRequest, 'withPayload' | 'limit'>,
  { most = Number.MAX_SAFE_INTEGER }: RequestLimits = {},
): number {
  checkPayloadSelection(withPayload);
  return checkInteger(limit, 1, most, 'limit');
}

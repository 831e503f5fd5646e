/** Makes errors of ours of the failures that Milvus and its SDK tell. */
import { messageOf, reachReason, socketCode } from '../../core/call.js';
import { FunnelError } from '../../core/errors.js';
import { refusal } from './from-milvus.js';

/**
 * Codes of a server that cannot answer now: unavailable, out of memory, too many requests, time tick late; no replica,
 * no channel that is served, no segment that is loaded yet, no node.
 */
const UNAVAILABLE: ReadonlySet<unknown> = new Set([
  2, 3, 4, 11, 103, 400, 401, 500, 501, 502, 503, 504, 600, 601, 602, 901, 902, 903, 904, 905,
]);
const RATE_LIMIT = 8;
/** The words for it, of a server that has the code 65535 for everything, or 1, which is 'not ready' to others. */
const UNAVAILABLE_WORDS =
  /not (yet )?ready|channel (is )?not (available|subscribed)|no available (shard|replica|node)|node (is )?offline/i;

/** The error of a status that is a refusal. */
export function refused(name: string, code: string | number, reason: string, cause: unknown): FunnelError {
  if (code === 100 || code === 'CollectionNotExists' || isMissing(reason)) {
    return new FunnelError('NO_COLLECTION', `${name} does not exist (${reason})`, { cause });
  }
  if (code === 101 || /not loaded|not been loaded/i.test(reason)) {
    return new FunnelError('NOT_LOADED', `${name} is not loaded: call loadCollection first (${reason})`, {
      cause,
    });
  }
  if (code === RATE_LIMIT || code === 'RateLimit' || code === 'gRPC 8') {
    const after = delayIn(reason);
    const said = `${name} takes no more requests for now (${code}: ${reason})`;
    return new FunnelError('RATE_LIMITED', said, { cause, retryAfter: after });
  }
  if (UNAVAILABLE.has(code) || UNAVAILABLE_WORDS.test(reason)) {
    return new FunnelError('UNAVAILABLE', `${name} cannot answer now (${code}: ${reason})`, { cause });
  }
  return new FunnelError('REFUSED', `${name} refused the request (${code}: ${reason})`, { cause });
}

/** Milvus names no delay, but a proxy before it may. */
function delayIn(reason: string): number | undefined {
  const [, amount, unit] = /(?:retry|try again)\D{0,20}(\d+(?:\.\d+)?) ?(ms|s)/i.exec(reason) ?? [];
  return amount === undefined ? undefined : Math.ceil(Number(amount) * (unit!.toLowerCase() === 'ms' ? 1 : 1000));
}

/** In the words of servers that have another code for it. */
function isMissing(reason: string): boolean {
  return /(can't find collection|collection (is )?not (found|exist)|collection \S+ (does not|doesn't) exist)/i.test(
    reason,
  );
}

/** The error of a status that another address may answer without; undefined for all others. */
export function busy(status: unknown, name: string, cause: unknown): FunnelError | undefined {
  const no = refusal(status);
  if (no === undefined) return undefined;
  const error = refused(name, (status as { code?: number }).code || no.code, no.reason, cause);
  return error.code === 'UNAVAILABLE' || error.code === 'RATE_LIMITED' ? error : undefined;
}

/** The words of grpc-js for a stream that ended before its answer did. */
const CUT = /RST_STREAM|ended without gRPC status|connection dropped|end of stream/i;

/**
 * The error of what the SDK threw.
 *
 * @param ms that the call took, where that is known
 */
export function milvusError(error: unknown, name: string, ms?: number): FunnelError {
  const { code } = (error ?? {}) as { code?: unknown };
  const reason = messageOf(error);
  // gRPC status codes: UNAVAILABLE, CANCELLED, which is a stream that was cut, and DEADLINE_EXCEEDED.
  if (code === 14 || code === 1 || (code === 13 && CUT.test(reason)) || socketCode(error)) {
    return new FunnelError('UNREACHABLE', `Cannot reach ${name} (${reachReason(error)})`, { cause: error });
  }
  if (code === 4) {
    const within = ms === undefined ? 'in time' : `within ${Math.round(ms)} ms`;
    const said = `${name} gave no answer ${within}, the SDK's own limit (its timeout is 15000 ms where nobody sets one, for each attempt)`;
    return new FunnelError('TIMEOUT', `${said}: set timeout, of the source or of the request (${reason})`, {
      cause: error,
    });
  }
  if (typeof code === 'number') return refused(name, `gRPC ${code}`, reason, error);
  // The SDK throws a TypeError of its own where the server's answer has no results.
  return new FunnelError('BAD_RESPONSE', `Expected a readable answer from ${name} but the SDK failed: ${reason}`, {
    cause: error,
  });
}

/** Calls that an index answers in the place of a database: their limits, and what it throws as errors of ours. */
import { type CallOptions, guarded, messageOf } from '../core/call.js';
import { FunnelError } from '../core/errors.js';

/** The signal of calls that nothing can stop: one for each would cost as much as the rest of a short call. */
const NEVER = new AbortController().signal;

/**
 * Without limits it takes no part in them, which would cost as much as a search.
 *
 * @param name of the source, for people
 * @throws FunnelError TIMEOUT, ABORTED, BAD_ARGUMENT, BAD_RESPONSE for what `work` threw if it is no FunnelError
 */
export async function guardedBy<T>(
  name: string,
  { timeout, signal }: CallOptions,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const failed = (cause: unknown) => {
    const why = `Expected an answer from ${name} but it failed: ${messageOf(cause)}`;
    return new FunnelError('BAD_RESPONSE', why, { cause });
  };
  if (timeout !== undefined || signal !== undefined) {
    return guarded(name, { timeout, signal }, work, failed);
  }
  try {
    return await work(NEVER);
  } catch (error) {
    throw error instanceof FunnelError ? error : failed(error);
  }
}

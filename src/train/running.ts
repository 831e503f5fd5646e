/** Long runs tell how far they are and can be stopped. */
import { setImmediate } from 'node:timers';
import { expected, FunnelError } from '../core/errors.js';

export type OnRunProgress = (progress: { done: number; total: number }) => void;

export function checkProgress(onProgress: unknown): void {
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw expected('BAD_ARGUMENT', 'a function', 'onProgress', onProgress);
  }
}

export function checkSignal(signal: unknown): void {
  if (signal !== undefined && typeof (signal as AbortSignal | null)?.aborted !== 'boolean') {
    throw expected('BAD_ARGUMENT', 'an AbortSignal', 'signal', signal);
  }
}

export function stopped(what: string, signal: AbortSignal): FunnelError {
  return new FunnelError('ABORTED', `${what} was aborted`, { cause: signal.reason });
}

/** Lets timers, I/O and the signal have their turn. @throws FunnelError ABORTED */
export async function breathe(what: string, signal: AbortSignal | undefined): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  if (signal?.aborted) throw stopped(what, signal);
}

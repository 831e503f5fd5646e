/** One call to a database: its deadline, the caller's signal, and errors as FunnelErrors. */
import { expected, FunnelError } from '../errors.js';

export interface CallOptions {
  /** Milliseconds for the whole call. */
  timeout?: number;
  signal?: AbortSignal;
}

/**
 * Runs `work` until it answers, the time is up or the caller's signal fires, whichever comes first. The signal that `work` gets
 * fires in the last two cases; a client that cannot be cancelled is left behind and its late answer dropped.
 *
 * @param where - for people, as in "Qdrant collection \"films\""
 */
export async function guarded<T>(
  where: string,
  { timeout, signal }: CallOptions,
  work: (signal: AbortSignal) => Promise<T>,
  classify: (error: unknown) => FunnelError,
): Promise<T> {
  if (timeout !== undefined && !(Number.isFinite(timeout) && timeout > 0)) {
    throw expected('BAD_ARGUMENT', 'a positive number of milliseconds', 'timeout', timeout);
  }
  if (signal?.aborted) throw aborted(where, signal);
  const controller = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let onAbort: (() => void) | undefined;
  const stopped = new Promise<never>((_, reject) => {
    const stop = (error: FunnelError) => {
      // First, because the client's own reaction to the signal must not win.
      reject(error);
      controller.abort(error);
    };
    if (timeout !== undefined) {
      timer = setTimeout(
        () =>
          stop(new FunnelError('TIMEOUT', `Expected an answer from ${where} within ${timeout} ms but received none`)),
        timeout,
      );
    }
    if (signal) {
      onAbort = () => stop(aborted(where, signal));
      signal.addEventListener('abort', onAbort, { once: true });
    }
  });
  try {
    const answer = work(controller.signal);
    // Keeps a late failure from becoming an unhandled rejection.
    answer.catch(() => {});
    return await Promise.race([answer, stopped]);
  } catch (error) {
    throw error instanceof FunnelError ? error : classify(error);
  } finally {
    clearTimeout(timer);
    if (onAbort) signal?.removeEventListener('abort', onAbort);
  }
}

function aborted(where: string, signal: AbortSignal): FunnelError {
  return new FunnelError('ABORTED', `The call to ${where} was aborted`, { cause: signal.reason });
}

/** Codes of Node's sockets for "nobody there", anywhere in a chain of causes. */
const UNREACHABLE = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EPIPE',
  'UND_ERR_SOCKET',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** The socket error inside what a client threw, if there is one. */
export function socketCode(error: unknown): string | undefined {
  for (let depth = 0, at = error; depth < 6 && typeof at === 'object' && at !== null; depth++) {
    const { code, cause, errors } = at as { code?: unknown; cause?: unknown; errors?: unknown };
    if (typeof code === 'string' && UNREACHABLE.has(code)) return code;
    at = cause ?? (Array.isArray(errors) ? errors[0] : undefined);
  }
  return undefined;
}

export function messageOf(error: unknown): string {
  if (error instanceof Error) return error.message;
  if (typeof error === 'object' && error !== null) {
    const { message, reason } = error as { message?: unknown; reason?: unknown };
    if (typeof reason === 'string') return reason;
    if (typeof message === 'string') return message;
  }
  return String(error);
}

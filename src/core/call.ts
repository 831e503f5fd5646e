/** One call to a database: its deadline, the caller's signal, and errors as FunnelErrors; likewise the start of a thread. */
import { expected, FunnelError, type FunnelErrorCode } from './errors.js';
import { isError } from './realm.js';

/** Limits of a call. */
export interface CallOptions {
  /** Milliseconds for the whole call. */
  timeout?: number;
  /** Ends the call when it aborts; the error then has the code ABORTED. */
  signal?: AbortSignal;
}

/**
 * Runs `work` until it answers, the time is up or the caller's signal fires, whichever comes first. The signal that `work` gets
 * fires in the last two cases; a client that cannot be cancelled is left behind and its late answer dropped.
 *
 * @param where - for people, as in "Qdrant collection \"films\""
 * @param classify - what `work` threw, if it is no FunnelError, as one
 * @throws FunnelError TIMEOUT, ABORTED, BAD_ARGUMENT (a timeout or signal that is none), and what `work` or `classify` gives
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
  if (signal !== undefined && signal !== null && !isSignal(signal)) {
    throw expected('BAD_ARGUMENT', 'an AbortSignal', 'signal', signal);
  }
  if (signal?.aborted) throw aborted(where, signal);
  const controller = new AbortController();
  if (timeout === undefined && !signal) return unlimited(controller.signal, work, classify);
  setDeadline(controller.signal, signal, timeout);
  let timer: ReturnType<typeof setTimeout> | undefined;
  let unlisten: (() => void) | undefined;
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
        Math.min(timeout, LONGEST_TIMER),
      );
    }
    if (signal) unlisten = listen(signal, () => stop(aborted(where, signal)));
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
    unlisten?.();
  }
}

const endless = new WeakSet<AbortSignal>();

/** Whether somebody may end the call of a signal: a client that listens to one in vain takes microseconds for it. */
export function mayEnd(signal: AbortSignal): boolean {
  return !endless.has(signal);
}

/** A call that nobody ends has nothing to race with. */
async function unlimited<T>(
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
  classify: (error: unknown) => FunnelError,
): Promise<T> {
  endless.add(signal);
  try {
    return await work(signal);
  } catch (error) {
    throw error instanceof FunnelError ? error : classify(error);
  }
}

const deadlines = new WeakMap<AbortSignal, number>();

/** Notes when a call ends, by the clock of performance.now(): after `ms`, and no later than the call that it is a part of. */
export function setDeadline(signal: AbortSignal, outer: AbortSignal | undefined, ms?: number): void {
  const until = outer === undefined ? undefined : deadlines.get(outer);
  const own = ms === undefined ? undefined : performance.now() + ms;
  if (own !== undefined || until !== undefined) {
    deadlines.set(signal, Math.min(own ?? Number.POSITIVE_INFINITY, until ?? Number.POSITIVE_INFINITY));
  }
}

/** Milliseconds that a call still has; Infinity where nobody set it a limit. */
export function timeLeft(signal: AbortSignal): number {
  return (deadlines.get(signal) ?? Number.POSITIVE_INFINITY) - performance.now();
}

/** A longer timer would fire at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** By its shape, since a signal may come from another realm. */
export function isSignal(value: unknown): value is AbortSignal {
  const signal = value as Partial<AbortSignal> | null | undefined;
  return typeof signal?.aborted === 'boolean' && typeof signal.addEventListener === 'function';
}

const listening = new WeakMap<AbortSignal, Set<() => void>>();

/** One listener a signal, however many calls obey it: Node warns about leaks at eleven. Returns what ends it. */
function listen(signal: AbortSignal, run: () => void): () => void {
  let all = listening.get(signal);
  if (!all) {
    const runs = new Set<() => void>();
    all = runs;
    listening.set(signal, runs);
    signal.addEventListener('abort', () => [...runs].forEach((one) => void one()), { once: true });
  }
  all.add(run);
  return () => all.delete(run);
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

/** Node's and OpenSSL's codes for a connection that could not be made safe. */
const UNSAFE = /^(ERR_(SSL|TLS)_|CERT_|UNABLE_TO_)|SELF_SIGNED/;

/** The socket error inside what a client threw, if there is one. */
export function socketCode(error: unknown): string | undefined {
  for (let depth = 0, at = error; depth < 6 && typeof at === 'object' && at !== null; depth++) {
    const { code, cause, errors } = at as { code?: unknown; cause?: unknown; errors?: unknown };
    if (typeof code === 'string' && (UNREACHABLE.has(code) || UNSAFE.test(code))) return code;
    at = cause ?? (Array.isArray(errors) ? errors[0] : undefined);
  }
  return undefined;
}

/** Why the server was not reached: the socket's code, or else the innermost words. */
export function reachReason(error: unknown): string {
  let at = error;
  for (let depth = 0; depth < 6; depth++) {
    const { cause } = (at ?? {}) as { cause?: unknown };
    if (cause === undefined || cause === null) break;
    at = cause;
  }
  return socketCode(error) ?? messageOf(at);
}

/** Whether the server has too much to do or is broken: no reason to ask it for more. */
export function overloaded(error: unknown): boolean {
  const { name, status, code } = (error ?? {}) as { name?: unknown; status?: unknown; code?: unknown };
  if (name === 'QdrantClientResourceExhaustedError') return true;
  if (typeof status === 'number') return status === 429 || status >= 500;
  if (typeof status === 'object' && status !== null) {
    const { code, error_code } = status as { code?: unknown; error_code?: unknown };
    return BUSY_MILVUS.has(code as number) || error_code === 'RateLimit';
  }
  return BUSY_GRPC.has(code as number);
}

/** RESOURCE_EXHAUSTED, INTERNAL, UNAVAILABLE. */
const BUSY_GRPC: ReadonlySet<number> = new Set([8, 13, 14]);
/** Unavailable, out of memory, too many requests, rate limit, quota. */
const BUSY_MILVUS: ReadonlySet<number> = new Set([2, 3, 4, 8, 9]);

export function messageOf(error: unknown): string {
  if (isError(error)) return error.message;
  if (typeof error === 'object' && error !== null) {
    const { message, reason } = error as { message?: unknown; reason?: unknown };
    if (typeof reason === 'string') return reason;
    if (typeof message === 'string') return message;
  }
  return String(error);
}

/** A new thread. @throws FunnelError of that code, where none may start */
export function startThread<Thread>(make: () => Thread, code: FunnelErrorCode, otherwise = ''): Thread {
  try {
    return make();
  } catch (cause) {
    const denied = (cause as { code?: unknown } | null)?.code === 'ERR_ACCESS_DENIED';
    const why = denied ? '--permission without --allow-worker' : messageOf(cause);
    const remedy = denied ? `: start Node.js with --allow-worker${otherwise && `, ${otherwise}`}` : '';
    const told = `Expected a process that may start threads but received ${why}${remedy}`;
    throw new FunnelError(code, told, { cause });
  }
}

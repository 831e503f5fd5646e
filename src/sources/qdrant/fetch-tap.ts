/** Taking part in one fetch of a client that offers no way to: to cancel it, and to have the bytes of its answer. */
import { type Direct, direct, mayBeDirect, responseOf } from './direct.js';

/**
 * Runs one call of the client with our signal beside the client's own. The client looks up the global fetch while the call is
 * being made, synchronously, so a stand-in is in place until that first fetch or the end of the call, and no other code can
 * meet it. A client that fetches later, or by other means, is simply not tapped.
 *
 * @param bytesOf - the end of the path whose answer is to be taken before the client parses it
 */
export async function tappedFetch<T>(
  call: () => Promise<T>,
  signal: AbortSignal,
  bytesOf?: string,
): Promise<{ value: T; bytes?: Uint8Array }> {
  const real = globalThis.fetch;
  // Where fetch is an accessor or read-only, someone watches it: hands off.
  if (!Object.getOwnPropertyDescriptor(globalThis, 'fetch')?.writable) return { value: await call() };
  const restore = () => {
    if (globalThis.fetch === standIn) globalThis.fetch = real;
  };
  let bytes: Uint8Array | undefined;
  let limit: RateLimit | undefined;
  let release: (() => void) | undefined;
  let began = false;
  const fetched: typeof fetch = (input, init = {}) => {
    const either = eitherOf(init.signal, signal);
    release = either.release;
    return real(input, { ...init, signal: either.signal });
  };
  const standIn: typeof fetch = async (input, init = {}) => {
    // First, because the real one may be a wrapper that fetches something itself.
    restore();
    if (began) return real(input, init);
    began = true;
    const taken = bytesOf !== undefined && pathOf(input).endsWith(bytesOf);
    const straight =
      taken && mayBeDirect(real, input, init) && (await direct(String(input), init, [init.signal, signal]));
    const response = straight ? undefined : await fetched(input, init);
    const { status } = straight || response!;
    if (taken && status === 200) {
      bytes = straight ? straight.bytes : new Uint8Array(await response!.arrayBuffer());
      return emptied(String(input));
    }
    const whole = response ?? responseOf(straight as Direct, String(input));
    if (status === 429) limit = await limitIn(whole);
    return whole;
  };
  try {
    let answer: Promise<T>;
    try {
      globalThis.fetch = standIn;
      answer = call();
    } finally {
      restore();
    }
    return { value: await answer, bytes };
  } catch (error) {
    if (limit !== undefined && typeof error === 'object' && error !== null) limits.set(error, limit);
    throw error;
  } finally {
    // Not before: the client itself reads the body of an answer that is not taken.
    release?.();
  }
}

const NO_HEADERS = new Headers();

/** As much of a Response as the client looks at, where its body is read here; a real one costs a tenth of a millisecond. */
function emptied(url: string): Response {
  const parts = { ok: true, status: 200, statusText: 'OK', headers: NO_HEADERS, url };
  return { ...parts, text: async () => '{}', json: async () => ({}) } as unknown as Response;
}

/** The parts of an answer of status 429 that the client loses: its body, and all but the first character of the delay. */
export interface RateLimit {
  /** Milliseconds after which the server takes requests again, where it says so. */
  after: number | undefined;
  body: unknown;
}

const limits = new WeakMap<object, RateLimit>();

/** Returns those of the error that came of such an answer. */
export function rateLimitOf(error: unknown): RateLimit | undefined {
  return typeof error === 'object' && error !== null ? limits.get(error) : undefined;
}

async function limitIn(response: Response): Promise<RateLimit> {
  const after = delayIn(response.headers.get('retry-after'));
  const text = await response
    .clone()
    .text()
    .catch(() => '');
  try {
    return { after, body: JSON.parse(text) };
  } catch {
    return { after, body: text };
  }
}

/** Seconds, or a date. */
function delayIn(header: string | null): number | undefined {
  if (header === null) return undefined;
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, Math.round(ms)) : undefined;
}

function pathOf(input: string | URL | Request): string {
  return String(typeof input === 'object' && 'url' in input ? input.url : input).replace(/[?#].*$/s, '');
}

/** Fires when one of the two does, until released. (AbortSignal.any keeps its listeners for as long as the signals live.) */
function eitherOf(a: AbortSignal | null | undefined, b: AbortSignal): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  const releases: (() => void)[] = [];
  for (const one of [a, b]) {
    if (!one) continue;
    const abort = () => controller.abort(one.reason);
    if (one.aborted) abort();
    one.addEventListener('abort', abort, { once: true });
    releases.push(() => one.removeEventListener('abort', abort));
  }
  return {
    signal: controller.signal,
    release: () => {
      for (const release of releases) release();
    },
  };
}

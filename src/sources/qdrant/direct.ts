/**
 * One fetch of the client as a request of its own dispatcher: the same connections, TLS and headers in half the time. fetch
 * sends head and body one after the other, each of which wakes the server, and reads the answer through two streams.
 */
import { STATUS_CODES } from 'node:http';

/** The part of undici's dispatchers that is used. */
interface Dispatcher {
  dispatch(options: object, handler: object): unknown;
}

/** An answer as it came. */
export interface Direct {
  readonly status: number;
  readonly statusText: string;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
}

/** Dispatchers whose server answers in a way that fetch alone understands. */
const unsuited = new WeakSet<object>();

/**
 * Whether a fetch may be sent so: its place was not taken by somebody who watches it, and the client has a dispatcher. The
 * request is a read, so that it may be sent twice.
 */
export function mayBeDirect(real: typeof fetch, input: unknown, init: RequestInit): boolean {
  const { dispatcher } = init as { dispatcher?: Partial<Dispatcher> };
  if (typeof input !== 'string' || typeof init.body !== 'string' || input.includes('@')) return false;
  return typeof dispatcher?.dispatch === 'function' && !unsuited.has(dispatcher) && isOwn(real);
}

/**
 * Undefined where fetch has to ask: the server sends elsewhere, or compresses unasked.
 *
 * @param signals each of which ends it
 * @throws as fetch does
 */
export async function direct(
  input: string,
  init: RequestInit,
  signals: readonly (AbortSignal | null | undefined)[],
): Promise<Direct | undefined> {
  const { body, method, headers } = init;
  const { dispatcher } = init as unknown as { dispatcher: Dispatcher };
  const { origin, pathname, search } = new URL(input);
  const sent = headers instanceof Headers ? headers : new Headers(headers);
  const answer = new Answer(signals);
  try {
    for (const signal of signals) signal?.throwIfAborted();
    const options = { origin, path: pathname + search, method, headers: Object.fromEntries(sent), body };
    dispatcher.dispatch(options, answer);
    await answer.ended;
  } catch (cause) {
    for (const signal of signals) signal?.throwIfAborted();
    throw new TypeError('fetch failed', { cause });
  } finally {
    answer.release();
  }
  const { status, encoding } = answer;
  // A Response of another status can be made by fetch alone.
  const isPlain = status < 300 || (status >= 400 && status < 600);
  if (encoding === 'identity' && isPlain) return answer;
  unsuited.add(dispatcher);
  return undefined;
}

/** Collects an answer, as undici 6 hands it out and, by the calls at the end, as undici 7 and later do. */
class Answer implements Direct {
  readonly ended: Promise<void>;
  status = 0;
  statusText = '';
  #headers: Record<string, string | string[] | undefined> = {};
  readonly #parts: Uint8Array[] = [];
  readonly #releases: (() => void)[] = [];
  #abort: ((reason: unknown) => void) | undefined;
  #stopped: { reason: unknown } | undefined;
  #resolve!: () => void;
  #reject!: (error: unknown) => void;

  constructor(signals: readonly (AbortSignal | null | undefined)[]) {
    this.ended = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.ended.catch(() => {}); // it may fail before anybody waits
    for (const signal of signals) {
      if (!signal) continue;
      const stop = () => this.#stop(signal.reason);
      signal.addEventListener('abort', stop, { once: true });
      this.#releases.push(() => signal.removeEventListener('abort', stop));
    }
  }

  release(): void {
    for (const release of this.#releases) release();
  }

  get encoding(): string {
    return String(this.#headers['content-encoding'] ?? 'identity').toLowerCase();
  }

  get headers(): Headers {
    const headers = new Headers();
    for (const [name, value] of Object.entries(this.#headers)) {
      for (const one of Array.isArray(value) ? value : [value]) {
        if (one !== undefined) headers.append(name, byteString(one));
      }
    }
    return headers;
  }

  get bytes(): Uint8Array {
    const [first, ...others] = this.#parts;
    if (others.length === 0) return first ?? new Uint8Array(0);
    return Buffer.concat(this.#parts);
  }

  /** At once: a request that still waits for a connection would not heed its signal. */
  #stop(reason: unknown): void {
    this.#stopped = { reason };
    this.#reject(reason);
    this.#abort?.(reason);
  }

  onConnect(abort: (reason: unknown) => void): void {
    this.#abort = abort;
    if (this.#stopped !== undefined) abort(this.#stopped.reason);
  }

  onHeaders(status: number, raw: readonly Uint8Array[], _: unknown, statusText?: string): boolean {
    const headers: Record<string, string> = {};
    for (let i = 0; i + 1 < raw.length; i += 2) {
      const name = String(raw[i]).toLowerCase();
      headers[name] = headers[name] === undefined ? String(raw[i + 1]) : `${headers[name]}, ${raw[i + 1]}`;
    }
    this.#begin(status, headers, statusText);
    return true;
  }

  #begin(status: number, headers: Record<string, string | string[] | undefined>, statusText?: string): void {
    if (status < 200) return; // the answer follows
    this.status = status;
    this.statusText = statusText || (STATUS_CODES[status] ?? ''); // HTTP/2 has none
    this.#headers = headers;
  }

  onData(part: Uint8Array): boolean {
    this.#parts.push(part);
    return true;
  }

  onComplete(): void {
    this.#resolve();
  }

  onError(error: unknown): void {
    this.#reject(error);
  }

  onRequestStart(controller: { abort(reason: unknown): void }): void {
    this.onConnect((reason) => controller.abort(reason));
  }

  onResponseStart(
    _: unknown,
    status: number,
    headers: Record<string, string | string[] | undefined>,
    statusText?: string,
  ): void {
    this.#begin(status, headers, statusText);
  }

  onResponseData(_: unknown, part: Uint8Array): void {
    this.#parts.push(part);
  }

  onResponseEnd(): void {
    this.#resolve();
  }

  onResponseError(_: unknown, error: unknown): void {
    this.#reject(error);
  }
}

/** An answer that is a failure, as the client reads it. */
export function responseOf({ status, statusText, headers, bytes }: Direct, url: string): Response {
  const body = status === 204 || status === 205 ? null : new Uint8Array(bytes);
  const response = new Response(body, {
    status,
    headers,
    statusText: byteString(statusText).replace(/[^ -~\u0080-\u00ff]/g, ''),
  });
  Object.defineProperty(response, 'url', { value: url });
  return response;
}

/** Text of UTF-8 as its bytes, a character each: Headers and Response refuse other characters. */
function byteString(text: string): string {
  return Buffer.from(text).toString('latin1');
}

let judged: { real: typeof fetch; own: boolean } | undefined;

/** Whether it is Node's own, by a line of its text that code of others cannot have: they cannot load that module. */
function isOwn(real: typeof fetch): boolean {
  if (judged?.real !== real) {
    const text = Function.prototype.toString.call(real);
    judged = { real, own: /\brequire\('internal\/deps\/undici\/undici'\)/.test(text) };
  }
  return judged.own;
}

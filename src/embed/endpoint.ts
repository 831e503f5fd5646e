/** embedEndpoint: an endpoint that answers as OpenAI's does (OpenAI, Ollama, vLLM, llama.cpp, TEI), as a function of texts. */
import { expected, FunnelError } from '../core/errors.js';
import { isErrorOf } from '../core/realm.js';
import { checkInteger, checkKeys } from '../core/validate.js';
import type { EmbedFunction } from './given-models.js';

/** Options of embedEndpoint(). */
export interface EndpointOptions {
  /** Address of its API, such as http://127.0.0.1:11434/v1, or of its embeddings. */
  url: string;
  /** The model's name there. */
  model: string;
  /** Sent as a bearer token; never part of an error or a name. */
  key?: string;
  /** Milliseconds for one call. @default 120,000 */
  timeout?: number;
}

const TIMEOUT = 120_000;
/** Characters of what a server says beside its refusal. */
const SAID = 300;

/**
 * For embedderOf(), which makes batches and tries again. Rows are placed by their `index`, whatever order they come in.
 *
 * @throws FunnelError BAD_ARGUMENT: no http or https, or a URL with a user, a password, a query or a fragment
 * @example
 * const embedder = await embedderOf(embedEndpoint({ url: 'http://127.0.0.1:11434/v1', model: 'bge-m3' }), { name: 'bge-m3' });
 */
export function embedEndpoint(options: EndpointOptions): EmbedFunction {
  checkKeys(options, ['url', 'model', 'key', 'timeout'], 'the options of embedEndpoint()');
  const { url, model, key, timeout = TIMEOUT } = options; // read once
  const place = placeOf(url);
  if (typeof model !== 'string' || model === '') throw expected('BAD_ARGUMENT', 'a name', 'model', model);
  if (key !== undefined && (typeof key !== 'string' || !/^[\x21-\x7e]+$/.test(key))) {
    throw new FunnelError('BAD_ARGUMENT', 'Expected printable ASCII without blanks for key, which a header can hold');
  }
  checkInteger(timeout, 1, 2 ** 31 - 1, 'timeout');
  const headers = { 'content-type': 'application/json', ...(key !== undefined && { authorization: `Bearer ${key}` }) };
  return async (texts, { signal, dim }) => {
    const body = JSON.stringify({
      model,
      input: texts,
      encoding_format: 'float',
      ...(dim !== undefined && { dimensions: dim }),
    });
    const late = AbortSignal.timeout(timeout);
    let text: string;
    try {
      // A redirect would take the texts elsewhere.
      const answer = await fetch(place, {
        method: 'POST',
        headers,
        body,
        redirect: 'error',
        signal: either(signal, late),
      });
      text = await answer.text();
      if (!answer.ok) throw refused(answer, text, key);
    } catch (error) {
      if (late.aborted && !signal.aborted) throw new Error(`${place} gave no answer within ${timeout} ms`);
      // The cause of a TypeError has fetch()'s reason.
      const { cause } = error as { cause?: { code?: string; message?: string } };
      if (isErrorOf(error, 'TypeError') && cause)
        throw new Error(`${place} cannot be reached (${cause.code ?? cause.message})`, { cause: error });
      throw error;
    }
    return rowsOf(text, texts.length, place, key);
  };
}

/** @throws FunnelError BAD_ARGUMENT */
function placeOf(text: unknown): string {
  const url = typeof text === 'string' && URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw expected('BAD_ARGUMENT', 'an address that begins with http:// or https://', 'url', text);
  }
  if (url.username || url.password || url.search || url.hash) {
    throw new FunnelError(
      'BAD_ARGUMENT',
      'Expected no user, password, query or fragment in url, which is kept and shown: a key is given apart',
    );
  }
  const path = url.pathname.replace(/\/+$/, '');
  return `${url.origin}${path.endsWith('/embeddings') ? path : `${path}/embeddings`}`;
}

function either(a: AbortSignal, b: AbortSignal): AbortSignal {
  if ('any' in AbortSignal) return AbortSignal.any([a, b]);
  const controller = new AbortController();
  for (const one of [a, b] as AbortSignal[]) {
    if (one.aborted) controller.abort(one.reason);
    else one.addEventListener('abort', () => controller.abort(one.reason), { once: true });
  }
  return controller.signal;
}

/** With what embedderOf() decides by whether to try again. */
function refused({ status, headers }: Response, text: string, key: string | undefined): Error {
  const said = saidIn(text, key) ?? (key === undefined ? text : text.replaceAll(key, '…')).slice(0, SAID);
  const error = new Error(`status ${status}${said === '' ? '' : `, ${said}`}`);
  return Object.assign(error, { status, responseHeaders: { 'retry-after': headers.get('retry-after') ?? '' } });
}

/** The message of an answer that is an error, without the key; undefined of others. */
function saidIn(text: string, key: string | undefined): string | undefined {
  try {
    const { error, message = error?.message ?? error } = JSON.parse(text);
    if (typeof message !== 'string') return undefined;
    return (key === undefined ? message : message.replaceAll(key, '…')).slice(0, SAID);
  } catch {
    return undefined;
  }
}

/** By index, each once. What is no whole answer is as good as none, so that it is asked for again. */
function rowsOf(text: string, count: number, place: string, key: string | undefined): number[][] {
  let data: unknown;
  try {
    ({ data } = JSON.parse(text) as { data?: unknown });
  } catch (cause) {
    throw new Error(`${place} answered no whole JSON`, { cause });
  }
  if (!Array.isArray(data) || data.length !== count) {
    const got = Array.isArray(data) ? String(data.length) : 'no';
    const said = Array.isArray(data) ? undefined : saidIn(text, key); // some say errors under the status 200
    throw new Error(`${place} answered ${got} vectors for ${count} texts${said === undefined ? '' : `: ${said}`}`);
  }
  const rows = new Array<number[] | undefined>(count);
  for (const [i, one] of data.entries()) {
    const { index = i, embedding } = (one ?? {}) as { index?: number; embedding?: number[] };
    if (!Number.isInteger(index) || index < 0 || index >= count) {
      throw new Error(`${place} answered a vector for text ${String(index)} of ${count}`);
    }
    if (rows[index] !== undefined) throw new Error(`${place} answered two vectors for text ${index}`);
    rows[index] = embedding ?? [];
  }
  return rows as number[][];
}

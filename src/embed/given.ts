/** embedderOf: models of other packages, or a function, as an embedder. */
import { expected, FunnelError, printed } from '../core/errors.js';
import { checkKeys, isNumbers } from '../core/validate.js';
import {
  type AskedModel,
  askedModel,
  checkGivenOptions,
  type EmbedCall,
  GIVEN_KEYS,
  type GivenModel,
  type GivenOptions,
  type GivenVectors,
} from './given-models.js';
import { checkEmbedOptions, checkTexts } from './input.js';
import type { EmbedOptions, TextEmbedder } from './types.js';

const DELAY = 500;
const LONGEST_DELAY = 30_000;

/**
 * Anything that embeds texts, as an embedder: an EmbeddingModel of the AI SDK, Embeddings of LangChain, or a function of
 * texts. Each answer is checked: a vector for every text, all of one length, every value a finite number. An embedder of this
 * package is returned as it is. The model stays the caller's: close() leaves it alone.
 *
 * @throws FunnelError BAD_ARGUMENT, UNSUPPORTED (a model of another contract), BAD_DIMS; and as embed() where `dim` is absent
 * @example
 * const embedder = await embedderOf(openai.embeddingModel('text-embedding-3-small'), { dim: 512 });
 */
export async function embedderOf(model: GivenModel, options: GivenOptions = {}): Promise<TextEmbedder> {
  checkKeys(options, GIVEN_KEYS, 'the options of embedderOf()');
  const own = checkGivenOptions({ ...options }); // read once
  if (isEmbedder(model)) {
    if (Object.keys(options).length === 0) return model;
    const what = Object.keys(options).join(', ');
    throw new FunnelError(
      'BAD_ARGUMENT',
      `Expected no options beside an embedder but received ${what}: it has its own`,
    );
  }
  const asked = await askedModel(model, own);
  if (own.dim !== undefined) return new GivenEmbedder(asked, own, own.dim);
  const probe = new GivenEmbedder(asked, own, undefined);
  return new GivenEmbedder(asked, own, await probe.widthOf('dims'));
}

function isEmbedder(model: unknown): model is TextEmbedder {
  const one = model as Partial<TextEmbedder> | null | undefined;
  return typeof one?.embed === 'function' && typeof one.dim === 'number' && typeof one.name === 'string';
}

class GivenEmbedder implements TextEmbedder {
  readonly name: string;
  readonly matryoshkaDims: readonly number[];
  readonly #asked: AskedModel;
  readonly #options: GivenOptions;
  readonly #dim: number | undefined;
  /** Dims of the model's answers, once it has given one. */
  #width: number | undefined;

  /** @param dim undefined while nobody knows */
  constructor(asked: AskedModel, options: GivenOptions, dim: number | undefined) {
    this.name = asked.name;
    this.#asked = asked;
    this.#options = options;
    this.#dim = dim;
    this.#width = options.dim === undefined ? dim : undefined;
    const trained = (options.matryoshkaDims ?? []).filter((one) => dim === undefined || one < dim);
    this.matryoshkaDims = Object.freeze([...(dim === undefined ? [] : [dim]), ...trained].sort((a, b) => b - a));
  }

  get dim(): number {
    return this.#dim!;
  }

  async widthOf(text: string): Promise<number> {
    const [vector] = await this.#vectors([text], { role: 'document', dim: undefined }, undefined, () => {});
    return vector!.length;
  }

  async embed(texts: readonly string[], options: EmbedOptions = {}): Promise<Float32Array> {
    const role = checkEmbedOptions(options);
    const own = checkTexts(texts);
    const { dim = this.dim, onProgress, signal } = options;
    if (!this.matryoshkaDims.includes(dim)) {
      const why = 'the dims that it may be cut to; matryoshkaDims: [...] declares others';
      throw new FunnelError(
        'BAD_DIMS',
        `Expected one of ${this.matryoshkaDims.join(', ')} for dim but received ${dim}: these are ${why}`,
      );
    }
    const out = new Float32Array(own.length * dim);
    let done = 0;
    await this.#vectors(own, { role, dim: this.#options.dim }, signal, (from, vectors) => {
      for (const [i, vector] of vectors.entries())
        this.#put(vector, out.subarray((from + i) * dim, (from + i + 1) * dim));
      done += vectors.length;
      onProgress?.({ done, total: own.length, truncated: 0 });
    });
    return out;
  }

  close(): void {}

  /** Cut where it is longer, then brought to length 1. */
  #put(vector: GivenVectors[number], out: Float32Array): void {
    for (let d = 0; d < out.length; d++) out[d] = vector[d]!;
    const { normalise = out.length < vector.length } = this.#options;
    if (!normalise) return;
    let squares = 0;
    for (let d = 0; d < out.length; d++) squares += out[d]! * out[d]!;
    if (squares === 0) return; // a text of nothing, for some models
    const length = Math.sqrt(squares);
    for (let d = 0; d < out.length; d++) out[d]! /= length;
  }

  /** In batches, some at a time; the first error ends all. Returns those of the first batch. */
  async #vectors(
    texts: readonly string[],
    { role, dim }: Omit<EmbedCall, 'signal'>,
    signal: AbortSignal | undefined,
    take: (from: number, vectors: GivenVectors) => void,
  ): Promise<GivenVectors> {
    if (signal?.aborted) throw aborted(signal);
    const { batchSize, concurrency } = this.#asked;
    const prefix = this.#options.prefixes?.[role] ?? '';
    const controller = new AbortController();
    const onAbort = () => controller.abort(aborted(signal!));
    signal?.addEventListener('abort', onAbort);
    const stopped = new Promise<never>((_, reject) => {
      controller.signal.addEventListener('abort', () => reject(controller.signal.reason));
    });
    stopped.catch(() => {}); // nobody may wait for it any more
    let next = 0;
    let first: GivenVectors = [];
    const lane = async () => {
      while (next < texts.length && !controller.signal.aborted) {
        const from = next;
        next += batchSize;
        const some = texts.slice(from, from + batchSize).map((text) => prefix + text);
        const vectors = await this.#batch(some, from, { role, dim, signal: controller.signal });
        if (controller.signal.aborted) return;
        if (from === 0) first = vectors;
        take(from, vectors);
      }
    };
    try {
      const lanes = Math.min(concurrency, Math.ceil(texts.length / batchSize));
      await Promise.race([Promise.all(Array.from({ length: lanes }, lane)), stopped]);
      return first;
    } catch (error) {
      if (!controller.signal.aborted) controller.abort(error);
      throw error;
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }

  async #batch(texts: string[], from: number, call: EmbedCall): Promise<GivenVectors> {
    const { retries } = this.#asked;
    for (let attempt = 0; ; attempt++) {
      let answer: unknown;
      try {
        answer = await this.#asked.ask([...texts], call);
      } catch (error) {
        if (call.signal.aborted) throw call.signal.reason;
        if (error instanceof FunnelError) throw error;
        if (attempt >= retries || !isWorthRetrying(error)) throw this.#failed(error, texts, from, attempt);
        await wait(this.#delay(attempt, error), call.signal);
        continue;
      }
      return this.#checked(answer, texts, from, call.dim);
    }
  }

  #delay(attempt: number, error: unknown): number {
    const { retryDelay = DELAY } = this.#options;
    const usual = Math.min(LONGEST_DELAY, retryDelay * 2 ** attempt) * (1 - Math.random() / 2);
    return Math.min(LONGEST_DELAY, Math.max(usual, askedToWait(error) ?? 0));
  }

  #failed(cause: unknown, texts: readonly string[], from: number, attempts: number): FunnelError {
    const why = printed((cause as { message?: unknown } | null | undefined)?.message ?? cause);
    const times = attempts === 0 ? '' : ` (${attempts + 1} attempts)`;
    return new FunnelError(
      'MODEL_FAILED',
      `Expected vectors from ${this.name} for texts ${from} to ${from + texts.length - 1} but it failed${times}: ${why}`,
      { cause },
    );
  }

  /** @throws FunnelError BAD_RESPONSE, BAD_DIMS: nothing of such an answer is used */
  #checked(answer: unknown, texts: readonly string[], from: number, asked: number | undefined): GivenVectors {
    const bad = (what: string, where: string, got: unknown) =>
      expected('BAD_RESPONSE', what, `${where} from ${this.name}`, got);
    if (!Array.isArray(answer) || answer.length !== texts.length) {
      throw bad(`an array of ${texts.length} vectors, one for each text,`, 'the answer', answer);
    }
    let length = this.#width;
    for (let i = 0; i < texts.length; i++) {
      const vector: unknown = answer[i];
      const where = `the vector of text ${from + i}`;
      if (!isNumbers(vector)) throw bad('an array of numbers', where, vector);
      length ??= vector.length;
      if (vector.length !== length || length === 0) throw bad(`${length || 'some'} dims`, where, vector);
      for (let d = 0; d < length; d++) {
        if (typeof vector[d] !== 'number' || !Number.isFinite(Math.fround(vector[d]!)))
          throw bad('a finite number', `dim ${d} of ${where}`, vector[d]);
      }
    }
    if (asked !== undefined && length !== undefined) this.#checkCut(length, asked);
    this.#width = length;
    return answer;
  }

  #checkCut(length: number, asked: number): void {
    if (length === asked) return;
    if (length < asked) throw expected('BAD_DIMS', `at least ${asked} dims`, `the vectors of ${this.name}`, length);
    if (this.#options.matryoshkaDims?.includes(asked)) return;
    throw new FunnelError(
      'BAD_DIMS',
      `Expected ${asked} dims for the vectors of ${this.name} but received ${length}, and nobody says that it was trained to be ` +
        `cut there: matryoshkaDims: [${asked}] does, or leave dim out`,
    );
  }
}

/** Not what the model refused for good: a bad key, a text that is too long. */
function isWorthRetrying(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return true;
  const { isRetryable, statusCode, status = statusCode, name } = error as Record<string, unknown>;
  if (name === 'AbortError') return false;
  if (typeof isRetryable === 'boolean') return isRetryable;
  return typeof status !== 'number' || status < 400 || status >= 500 || [408, 409, 425, 429].includes(status);
}

/** Milliseconds that the answer's header Retry-After names. */
function askedToWait(error: unknown): number | undefined {
  const headers = (error as { responseHeaders?: Record<string, string> } | null | undefined)?.responseHeaders;
  const seconds = Number(headers?.['retry-after'] ?? Number.NaN);
  return seconds >= 0 ? 1000 * seconds : undefined;
}

async function wait(ms: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
  });
}

function aborted(signal: AbortSignal): FunnelError {
  return new FunnelError('ABORTED', 'Embedding was aborted', { cause: signal.reason });
}

/** embedderOf: models of other packages, or a function, as an embedder. */
import { expected, FunnelError, printed } from '../core/errors.js';
import { checkDim, checkInteger, checkKeys, isNumbers, isString } from '../core/validate.js';
import { checkEmbedOptions, checkTexts } from './input.js';
import type { EmbedOptions, Role, TextEmbedder } from './types.js';

type Vectors = readonly (readonly number[] | Float32Array | Float64Array)[];

/** A vector for each text, in their order. What it throws is tried again, but for what says that it is of no use. */
export type EmbedFunction = (
  texts: string[],
  options: { role: Role; signal: AbortSignal; dim: number | undefined },
) => PromiseLike<Vectors>;

/** An `EmbeddingModel` of the AI SDK: that of @ai-sdk/provider 4 (v4), and the ones before (v3, v2). */
export interface AiEmbeddingModel {
  /** The version of its contract. embedderOf() refuses others (UNSUPPORTED). */
  readonly specificationVersion: 'v4' | 'v3' | 'v2';
  /** The provider's name: the first part of the embedder's, unless `name` is given. */
  readonly provider: string;
  /** The model's name at the provider: the second part of the embedder's. */
  readonly modelId: string;
  /** Texts that one call takes, at most; undefined: no limit. */
  readonly maxEmbeddingsPerCall: PromiseLike<number | undefined> | number | undefined;
  /** Whether it takes several calls at one time. */
  readonly supportsParallelCalls: PromiseLike<boolean> | boolean;
  /** Embeds `values`; `abortSignal` is passed, and `dimensions` (v4) and `providerOptions` where they are given. */
  // biome-ignore lint/suspicious/noExplicitAny: options differ between the versions
  doEmbed(options: any): PromiseLike<{
    /** A vector for each text, in their order, all of one length. */
    embeddings: number[][];
  }>;
}

/** An `Embeddings` of LangChain. */
export interface LangChainEmbeddings {
  /** Embeds the texts of one batch, for the role 'document': a vector for each, in their order. */
  embedDocuments(texts: string[]): Promise<number[][]>;
  /** Embeds one text, for the role 'query'. */
  embedQuery(text: string): Promise<number[]>;
}

/** The models that embedderOf() takes. */
export type GivenModel = TextEmbedder | AiEmbeddingModel | LangChainEmbeddings | EmbedFunction;

/** Options of embedderOf(). */
export interface GivenOptions {
  /** Says model and choices, all that decides whether vectors compare. @default what the model calls itself */
  name?: string;
  /**
   * Dims of the vectors. A model of the AI SDK (v4) is asked for so many, a function is told. What comes longer is cut, and then
   * brought to length 1, where `matryoshkaDims` has this length. @default those that come, of one text that is embedded first
   */
  dim?: number;
  /** The dims that the model was trained to be cut to. */
  matryoshkaDims?: readonly number[];
  /** Put before each text of that role. */
  prefixes?: Partial<Record<Role, string>>;
  /** For a model of the AI SDK: its providerOptions for that role. */
  providerOptions?: Partial<Record<Role, Record<string, Record<string, unknown>>>>;
  /** Whether vectors get length 1. @default false, but after a cut */
  normalise?: boolean;
  /** Texts of one call, at most. @default 64, or as many as the model says that it takes, if fewer */
  batchSize?: number;
  /** Calls at one time. @default 4; 1 where the model says that it takes no others meanwhile */
  concurrency?: number;
  /** How often a call that failed is made again. @default 4; 0 for models of LangChain, which try again themselves */
  retries?: number;
  /** Milliseconds before the first of these; each later one waits twice as long, at most 30 s, less up to a half by chance. @default 500 */
  retryDelay?: number;
}

const KEYS = [
  ...['name', 'dim', 'matryoshkaDims', 'prefixes', 'providerOptions', 'normalise'],
  ...['batchSize', 'concurrency', 'retries', 'retryDelay'],
];
const BATCH = 64;
const CONCURRENCY = 4;
const RETRIES = 4;
const DELAY = 500;
const LONGEST_DELAY = 30_000;

interface Call {
  role: Role;
  signal: AbortSignal;
  dim: number | undefined;
}

/** Any model, as it is asked for one batch. */
interface Asked {
  readonly name: string;
  readonly batchSize: number;
  readonly concurrency: number;
  readonly retries: number;
  ask(texts: string[], call: Call): PromiseLike<unknown>;
}

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
  checkKeys(options, KEYS, 'the options of embedderOf()');
  const own = checkOptions({ ...options }); // read once
  if (isEmbedder(model)) {
    if (Object.keys(options).length === 0) return model;
    const what = Object.keys(options).join(', ');
    throw new FunnelError(
      'BAD_ARGUMENT',
      `Expected no options beside an embedder but received ${what}: it has its own`,
    );
  }
  const asked = await askedOf(model, own);
  if (own.dim !== undefined) return new GivenEmbedder(asked, own, own.dim);
  const probe = new GivenEmbedder(asked, own, undefined);
  return new GivenEmbedder(asked, own, await probe.widthOf('dims'));
}

function isEmbedder(model: unknown): model is TextEmbedder {
  const one = model as Partial<TextEmbedder> | null | undefined;
  return typeof one?.embed === 'function' && typeof one.dim === 'number' && typeof one.name === 'string';
}

function checkOptions(own: GivenOptions): GivenOptions {
  const { name, dim, matryoshkaDims, prefixes, providerOptions, normalise } = own;
  if (name !== undefined && (typeof name !== 'string' || name === '')) {
    throw expected('BAD_ARGUMENT', 'a name', 'name', name);
  }
  if (dim !== undefined) checkDim(dim, 'dim');
  if (matryoshkaDims !== undefined) {
    if (!Array.isArray(matryoshkaDims)) throw expected('BAD_ARGUMENT', 'an array', 'matryoshkaDims', matryoshkaDims);
    own.matryoshkaDims = Array.from(matryoshkaDims, (one, i) => checkDim(one, `matryoshkaDims[${i}]`));
  }
  for (const [key, some] of Object.entries({ prefixes, providerOptions })) {
    if (some !== undefined) checkKeys(some, ['query', 'document'], key);
  }
  for (const role of ['query', 'document'] as const) {
    const prefix = prefixes?.[role];
    if (prefix !== undefined && !isString(prefix)) throw expected('BAD_ARGUMENT', 'a text', `prefixes.${role}`, prefix);
  }
  if (normalise !== undefined && typeof normalise !== 'boolean') {
    throw expected('BAD_ARGUMENT', 'a boolean', 'normalise', normalise);
  }
  const counts = { batchSize: 1, concurrency: 1, retries: 0, retryDelay: 0 } as const;
  for (const [key, least] of Object.entries(counts) as [keyof typeof counts, number][]) {
    if (own[key] !== undefined) checkInteger(own[key], least, Number.MAX_SAFE_INTEGER, key);
  }
  return own;
}

async function askedOf(model: unknown, own: GivenOptions): Promise<Asked> {
  const { batchSize = BATCH, concurrency = CONCURRENCY, retries = RETRIES } = own;
  const one = model as Partial<AiEmbeddingModel & LangChainEmbeddings> | null | undefined;
  if (typeof one?.doEmbed === 'function') {
    const ai = one as AiEmbeddingModel;
    const { specificationVersion: version } = ai;
    if (version !== 'v4' && version !== 'v3' && version !== 'v2') {
      throw expected('UNSUPPORTED', "'v4', 'v3' or 'v2'", 'specificationVersion of the model', version);
    }
    const [most, parallel] = await Promise.all([ai.maxEmbeddingsPerCall, ai.supportsParallelCalls]);
    return {
      name: own.name ?? `${ai.provider}/${ai.modelId}`,
      batchSize: Math.max(1, Math.min(batchSize, most ?? Number.POSITIVE_INFINITY)),
      concurrency: parallel ? concurrency : 1,
      retries,
      async ask(values, { role, signal, dim }) {
        const providerOptions = own.providerOptions?.[role];
        const dims = version === 'v4' && dim !== undefined && { dimensions: dim };
        const call = { values, abortSignal: signal, ...dims, ...(providerOptions && { providerOptions }) };
        return ((await ai.doEmbed(call)) as { embeddings?: unknown } | undefined)?.embeddings;
      },
    };
  }
  if (own.providerOptions !== undefined) {
    throw new FunnelError('BAD_ARGUMENT', 'Expected a model of the AI SDK beside providerOptions: no other has them');
  }
  if (typeof one?.embedDocuments === 'function' && typeof one.embedQuery === 'function') {
    const { model: id, modelName = id } = one as { model?: unknown; modelName?: unknown };
    const kind = one.constructor?.name ?? 'Embeddings';
    const isPatient = 'caller' in one;
    return {
      name: own.name ?? (isString(modelName) ? `${kind}/${modelName}` : kind),
      batchSize,
      concurrency,
      retries: own.retries ?? (isPatient ? 0 : RETRIES),
      async ask(texts, { role }) {
        if (role === 'document') return one.embedDocuments!(texts);
        return Promise.all(texts.map((text) => one.embedQuery!(text)));
      },
    };
  }
  if (typeof model === 'function') {
    const name = own.name ?? (model.name || 'a function');
    return { name, batchSize, concurrency, retries, ask: model as EmbedFunction };
  }
  const kinds = 'an Embedder, an EmbeddingModel of the AI SDK, Embeddings of LangChain, or a function of texts';
  throw expected('BAD_ARGUMENT', kinds, 'model', model);
}

class GivenEmbedder implements TextEmbedder {
  readonly name: string;
  readonly matryoshkaDims: readonly number[];
  readonly #asked: Asked;
  readonly #options: GivenOptions;
  readonly #dim: number | undefined;
  /** Dims of the model's answers, once it has given one. */
  #width: number | undefined;

  /** @param dim undefined while nobody knows */
  constructor(asked: Asked, options: GivenOptions, dim: number | undefined) {
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
  #put(vector: Vectors[number], out: Float32Array): void {
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
    { role, dim }: Omit<Call, 'signal'>,
    signal: AbortSignal | undefined,
    take: (from: number, vectors: Vectors) => void,
  ): Promise<Vectors> {
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
    let first: Vectors = [];
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

  async #batch(texts: string[], from: number, call: Call): Promise<Vectors> {
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
  #checked(answer: unknown, texts: readonly string[], from: number, asked: number | undefined): Vectors {
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

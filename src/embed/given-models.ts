/** The kinds of models that embedderOf() takes, and how each is asked for the vectors of a batch. */
import { expected, FunnelError } from '../core/errors.js';
import { checkDim, checkInteger, checkKeys, isPlain, isString } from '../core/validate.js';
import type { Role, TextEmbedder } from './types.js';

/** Vectors of texts, in their order. */
export type GivenVectors = readonly (readonly number[] | Float32Array | Float64Array)[];

/** A vector for each text, in their order. What it throws is tried again, but for what says that it is of no use. */
export type EmbedFunction = (
  texts: string[],
  options: { role: Role; signal: AbortSignal; dim: number | undefined },
) => PromiseLike<GivenVectors>;

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

export const GIVEN_KEYS = [
  ...['name', 'dim', 'matryoshkaDims', 'prefixes', 'providerOptions', 'normalise'],
  ...['batchSize', 'concurrency', 'retries', 'retryDelay'],
];

/** The forms of a model, for messages. */
export const MODEL_FORMS =
  'an Embedder, an EmbeddingModel of the AI SDK, Embeddings of LangChain, or a function of texts';

const BATCH = 64;
const CONCURRENCY = 4;
const RETRIES = 4;

/** Choices that a model is told beside the texts of a batch. */
export interface EmbedCall {
  role: Role;
  signal: AbortSignal;
  dim: number | undefined;
}

/** Any model, as it is asked for one batch. */
export interface AskedModel {
  readonly name: string;
  readonly batchSize: number;
  readonly concurrency: number;
  readonly retries: number;
  ask(texts: string[], call: EmbedCall): PromiseLike<unknown>;
}

/** `own` is changed. @throws FunnelError BAD_ARGUMENT */
export function checkGivenOptions(own: GivenOptions): GivenOptions {
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
    const extra = providerOptions?.[role];
    if (extra !== undefined && !isPlain(extra)) {
      throw expected('BAD_ARGUMENT', 'an object', `providerOptions.${role}`, extra);
    }
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

/** @throws FunnelError BAD_ARGUMENT, UNSUPPORTED */
export async function askedModel(model: unknown, own: GivenOptions): Promise<AskedModel> {
  const { batchSize = BATCH, concurrency = CONCURRENCY, retries = RETRIES } = own;
  const one = model as Partial<AiEmbeddingModel & LangChainEmbeddings> | null | undefined;
  if (typeof one?.doEmbed === 'function') {
    const ai = one as AiEmbeddingModel;
    const { specificationVersion: version } = ai;
    if (version !== 'v4' && version !== 'v3' && version !== 'v2') {
      throw expected('UNSUPPORTED', "'v4', 'v3' or 'v2'", 'specificationVersion of the model', version);
    }
    const [most, parallel] = await Promise.all([ai.maxEmbeddingsPerCall, ai.supportsParallelCalls]);
    if (most !== undefined && most !== null && most !== Number.POSITIVE_INFINITY) {
      checkInteger(most, 1, Number.MAX_SAFE_INTEGER, 'maxEmbeddingsPerCall of the model');
    }
    return {
      name: own.name ?? `${ai.provider}/${ai.modelId}`,
      batchSize: Math.min(batchSize, most ?? Number.POSITIVE_INFINITY),
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
  throw expected('BAD_ARGUMENT', MODEL_FORMS, 'model', model);
}

/** funnelvec/ai-sdk: an embedder as an EmbeddingModel of the AI SDK. It loads nothing: the contract's types are written out. */

import { expected } from '../../core/errors.js';
import { checkKeys, isPlain } from '../../core/validate.js';
import type { Role, TextEmbedder } from '../../embed/types.js';
import { numberRows } from '../number-rows.js';

export { embedderOf } from '../../embed/given.js';
export type { GivenModel, GivenOptions } from '../../embed/given-models.js';

/** Options of embeddingModel(). */
export interface EmbeddingModelOptions<Version extends 'v4' | 'v3' = 'v4'> {
  /**
   * The contract that the model has: 'v4' of @ai-sdk/provider 4 (`ai` 7), or 'v3' of the one before, which Mastra takes.
   *
   * @default 'v4'
   */
  version?: Version;
  /** The role of texts, where a call's `providerOptions: { funnelvec: { role } }` does not say. @default 'document' */
  role?: Role;
}

/** The method by which an Embedder, unlike others, tells the tokens of each text. */
interface TokenCounter {
  countTokens?(texts: readonly string[], options?: { role?: Role }): Promise<Uint32Array>;
}

interface CallOptions {
  values: string[];
  /** For version 4. */
  dimensions?: number;
  abortSignal?: AbortSignal;
  headers?: Record<string, string | undefined>;
  providerOptions?: Record<string, Record<string, unknown>>;
}

/** Both versions of the contract, which differ in the options of a call. */
export interface FunnelEmbeddingModel<Version extends 'v4' | 'v3' = 'v4'> {
  /** The version of the contract, as `version` chose it. */
  readonly specificationVersion: Version;
  /** The name by which the AI SDK tells providers apart. */
  readonly provider: 'funnelvec';
  /** The embedder's name. */
  readonly modelId: string;
  /** Texts of one call have no limit: the embedder makes batches itself. */
  readonly maxEmbeddingsPerCall: undefined;
  /** Whether calls may run at one time: always true. */
  readonly supportsParallelCalls: boolean;
  /**
   * Embeds the texts of one call, as the AI SDK asks for it.
   *
   * @throws FunnelError BAD_ARGUMENT for `providerOptions`; BAD_RESPONSE for an answer of another shape than the texts have; and as
   * `embedder.embed()` throws
   */
  doEmbed(options: CallOptions): Promise<{
    /** A vector for each text, in their order, each of `dimensions` or all of the embedder's dims. */
    embeddings: number[][];
    /** Always empty: an option that cannot be obeyed is an error. */
    warnings: [];
    /** Tokens of the texts, before any is cut; absent where the embedder has no countTokens(), which `ai` tells as NaN. */
    usage?: {
      /** The sum over all texts of the call. */
      tokens: number;
    };
  }>;
}

/**
 * An embedder as `embed()` and `embedMany()` of the package `ai` take one. `dimensions` cuts vectors, to dims that the model
 * was trained for. All texts of a call go to the embedder at once, which makes batches itself.
 *
 * @throws FunnelError BAD_ARGUMENT; calls throw what `embedder.embed()` throws
 * @example
 * const { embeddings } = await embedMany({ model: embeddingModel(embedder), values: texts });
 */
export function embeddingModel<Version extends 'v4' | 'v3' = 'v4'>(
  embedder: TextEmbedder & TokenCounter,
  options: EmbeddingModelOptions<Version> = {},
): FunnelEmbeddingModel<Version> {
  if (typeof embedder?.embed !== 'function' || typeof embedder.dim !== 'number') {
    throw expected('BAD_ARGUMENT', 'an embedder (see embedderOf())', 'embedder', embedder);
  }
  checkKeys(options, ['version', 'role'], 'the options of embeddingModel()');
  const { version = 'v4' as Version, role = 'document' } = options;
  if (version !== 'v4' && version !== 'v3') throw expected('BAD_ARGUMENT', "'v4' or 'v3'", 'version', version);
  checkRole(role, 'role');
  return {
    specificationVersion: version,
    provider: 'funnelvec',
    modelId: embedder.name,
    maxEmbeddingsPerCall: undefined,
    supportsParallelCalls: true,
    async doEmbed(call) {
      if (typeof call !== 'object' || call === null) throw expected('BAD_ARGUMENT', 'an object', 'doEmbed()', call);
      const { values, dimensions, abortSignal, providerOptions } = call; // whatever else a call has is for a server
      if (providerOptions !== undefined && providerOptions !== null && !isPlain(providerOptions)) {
        throw expected('BAD_ARGUMENT', 'an object', 'providerOptions', providerOptions);
      }
      const own = providerOptions?.['funnelvec'] ?? {};
      checkKeys(own, ['role'], 'providerOptions.funnelvec');
      const side = checkRole(own['role'] ?? role, 'providerOptions.funnelvec.role');
      const vectors = await embedder.embed(values, {
        role: side,
        ...(dimensions !== undefined && { dim: dimensions }),
        ...(abortSignal !== undefined && abortSignal !== null && { signal: abortSignal }),
      });
      const embeddings = numberRows(vectors, values.length, dimensions ?? embedder.dim, embedder.name);
      const counts = await embedder.countTokens?.(values, { role: side });
      if (counts === undefined) return { embeddings, warnings: [] };
      return { embeddings, warnings: [], usage: { tokens: counts.reduce((sum, count) => sum + count, 0) } };
    },
  };
}

function checkRole(role: unknown, where: string): Role {
  if (role === 'query' || role === 'document') return role;
  throw expected('BAD_ARGUMENT', "'query' or 'document'", where, role);
}

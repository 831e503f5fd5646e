/** A model behind an endpoint, as the commands take one: its key is in the environment, its name says nothing of its place. */

import { FunnelError } from '../core/errors.js';
import { embedderOf, embedEndpoint, type GivenOptions, type TextEmbedder } from '../embed/index.js';
import type { ModelChoice } from './model.js';

/** The environment variable that has the key. */
export const KEY = 'FUNNELVEC_EMBED_KEY';

/**
 * @param more tests wait less between attempts
 * @throws FunnelError, as embedderOf()
 */
export async function endpointEmbedder(
  { endpoint, dim, batchSize, prefixes }: ModelChoice,
  env: Readonly<Record<string, string | undefined>>,
  more: Pick<GivenOptions, 'retryDelay' | 'retries'> = {},
): Promise<TextEmbedder> {
  const { url, model } = endpoint!;
  const key = env[KEY];
  const ask = embedEndpoint({ url, model, ...(key && { key }) });
  const own = { ...more, ...(dim !== undefined && { dim }), ...(batchSize !== undefined && { batchSize }) };
  const given = await embedderOf(ask, { ...own, name: model, ...(prefixes && { prefixes }) });
  const choices = [
    `dim ${given.dim}`,
    ...(['query', 'document'] as const)
      .filter((role) => prefixes?.[role])
      .map((role) => `${role} ${JSON.stringify(prefixes![role])}`),
  ];
  return {
    name: `${model} by an endpoint (${choices.join(', ')})`,
    dim: given.dim,
    matryoshkaDims: given.matryoshkaDims,
    async embed(texts, options) {
      try {
        return await given.embed(texts, options);
      } catch (error) {
        throw advised(error, dim);
      }
    },
    close: () => given.close(),
  };
}

/** In the words of a command line. */
function advised(error: unknown, dim: number | undefined): unknown {
  if (!(error instanceof FunnelError)) return error;
  const status = (error.cause as { status?: unknown } | undefined)?.status;
  if (error.code === 'MODEL_FAILED' && (status === 401 || status === 403)) {
    return new FunnelError(error.code, `${error.message}. The key belongs into ${KEY}`, { cause: error.cause });
  }
  if (error.code !== 'BAD_DIMS' || dim === undefined) return error;
  const why = `Expected vectors of ${dim} dims, as --dim asks for, but the endpoint gives others: leave --dim out`;
  return new FunnelError('BAD_DIMS', why, { cause: error });
}

/** Searches whose stages Qdrant runs: one query over prefetches, each of which orders what the one inside it found. */
import { FunnelError } from '../../core/errors.js';
import type { ServerScales, StagedRequest } from '../../query/source/source.js';
import type { QdrantDriver, QdrantQuery, QdrantStage } from './driver.js';
import { qdrantIds } from './from-qdrant.js';
import type { QdrantFacts } from './schema.js';

/** Rows that were found are scored by their vectors themselves, also where the server keeps codes of them. */
const BY_VECTORS = { quantization: { ignore: true } };

/** @param head the head search alone */
export function stagedQuery(
  head: QdrantQuery,
  { vector, candidates, stages, offset = 0 }: StagedRequest,
  { full, prefixes }: QdrantFacts,
): QdrantQuery {
  const { vector: first, using, filter, params, ...read } = head;
  let prefetch: QdrantStage = { vector: first, using, filter, params, limit: candidates };
  for (const { scale, keep } of stages.slice(0, -1)) {
    const name = prefixes.find(({ dim }) => dim === scale)!.name;
    prefetch = {
      vector: vector.subarray(0, scale),
      using: name,
      limit: keep,
      params: BY_VECTORS,
      filter: undefined,
      prefetch,
    };
  }
  const limit = stages.at(-1)!.keep - offset;
  return { ...read, vector, using: full as string, limit, offset, params: BY_VECTORS, filter: undefined, prefetch };
}

/** By the facts that they go with. */
const reading = new WeakMap<QdrantFacts, Promise<ServerScales>>();
const known = new WeakMap<QdrantFacts, ServerScales>();
/** Milliseconds for the reading, which is nobody's call in particular. */
const DEADLINE = 30_000;

/** Scales that go with facts, without waiting; undefined where nobody has asked yet. */
export function knownScales(facts: QdrantFacts | undefined): ServerScales | undefined {
  return facts && known.get(facts);
}

/** Asked for once, as long as the facts are believed. */
export function scalesOf(
  facts: QdrantFacts,
  driver: QdrantDriver,
  collection: string,
  source: string,
): Promise<ServerScales> {
  let scales = reading.get(facts);
  if (scales === undefined) {
    scales = read(facts, driver, collection, source, AbortSignal.timeout(DEADLINE));
    reading.set(facts, scales);
    scales.then(
      (value) => known.set(facts, value),
      () => reading.delete(facts),
    );
  }
  return scales;
}

/**
 * A point that lacks the full vector is no row to a stage that ranks by it: the server would leave it out without a word, while a
 * source names such points, or counts them.
 */
async function read(
  { info, full, prefixes, stored, serverMetric: metric }: QdrantFacts,
  driver: QdrantDriver,
  collection: string,
  source: string,
  signal: AbortSignal,
): Promise<ServerScales> {
  const none = (why: string): ServerScales => ({ scales: [], metric, why });
  if (typeof full !== 'string') return none(`${source} stores no vectors of all ${info.dim} dims`);
  const coarse = [stored.head, stored.full, ...prefixes].find((one) => one?.datatype === 'uint8');
  if (coarse) return none(`${source} stores the vector ${JSON.stringify(coarse.name)} as uint8`);
  let lacking: Awaited<ReturnType<QdrantDriver['lacking']>>;
  try {
    lacking = await driver.lacking(collection, full, signal);
  } catch (error) {
    const told = error instanceof FunnelError ? error : driver.classify(error, source);
    if (told.code !== 'REFUSED' && told.code !== 'BAD_RESPONSE') throw told;
    return none(`${source} does not tell whether all points have the vector ${JSON.stringify(full)}`);
  }
  if (lacking !== undefined) {
    return none(`point ${qdrantIds([lacking])[0]} of ${source} lacks the vector ${JSON.stringify(full)}`);
  }
  return { scales: [...prefixes.map(({ dim }) => dim), info.dim], metric };
}

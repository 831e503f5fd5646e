/** Searches whose stages Qdrant runs: one query over prefetches, each of which orders what the one inside it found. */
import { FunnelError } from '../../core/errors.js';
import type { ServerScales, StagedRequest } from '../../query/source/source.js';
import { compared } from './datatypes.js';
import type { QdrantDriver, QdrantQuery, QdrantStage } from './driver.js';
import type { QdrantFacts } from './schema.js';

/** Rows that were found are scored by their vectors themselves, also where the server keeps codes of them. */
const BY_VECTORS = { quantization: { ignore: true } };

/**
 * @param head the head search alone
 * @throws FunnelError BAD_ARGUMENT: the server cannot compare the query with its vectors
 */
export function stagedQuery(
  head: QdrantQuery,
  { vector, candidates, stages, offset = 0 }: StagedRequest,
  { full, prefixes, stored }: QdrantFacts,
  source: string,
): QdrantQuery {
  const { distance } = stored.full!;
  const { using, filter, params, collection, withPayload, lifts, skip, scope } = head;
  let prefetch: QdrantStage = { vector: head.vector, using, filter, params, limit: candidates };
  for (const { scale, keep } of stages.slice(0, -1)) {
    const prefix = prefixes.find(({ dim }) => dim === scale)!;
    prefetch = {
      vector: compared({ vector: vector.subarray(0, scale), recommend: undefined }, { ...prefix, distance }, source)
        .vector,
      using: prefix.name,
      limit: keep,
      params: BY_VECTORS,
      filter: undefined,
      prefetch,
    };
  }
  const limit = stages.at(-1)!.keep - offset;
  const last = compared({ vector, recommend: undefined }, stored.full!, source);
  return {
    vector: last.vector,
    recommend: head.recommend,
    factor: head.factor,
    rounded: head.rounded,
    using: full as string,
    limit,
    offset,
    filter: undefined,
    params: BY_VECTORS,
    exact: head.exact,
    collection,
    withPayload,
    lifts,
    skip,
    scope,
    prefetch,
  };
}

/** By the facts that they go with. */
const reading = new WeakMap<QdrantFacts, Promise<ServerScales>>();
const known = new WeakMap<QdrantFacts, ServerScales>();
/** Milliseconds for the reading, which is nobody's call in particular; searches wait for it. */
const DEADLINE = 3_000;

/** Codes of errors after which stages run on this side: the question was only whether they may run there. */
const UNTOLD: ReadonlySet<string> = new Set(['REFUSED', 'BAD_RESPONSE', 'UNSUPPORTED', 'TIMEOUT']);

/** Scales that go with facts, without waiting; undefined where nobody has asked yet. */
export function knownScales(facts: QdrantFacts | undefined): ServerScales | undefined {
  return facts && known.get(facts);
}

/**
 * Asked for once, as long as the facts are believed.
 *
 * @param patience milliseconds after which a search does without the answer
 */
export function scalesOf(
  facts: QdrantFacts,
  driver: QdrantDriver,
  collection: string,
  source: string,
  patience: number,
): Promise<ServerScales> {
  let scales = reading.get(facts);
  if (scales === undefined) {
    const answer = read(facts, driver, collection, source, AbortSignal.timeout(DEADLINE));
    scales = within(answer, DEADLINE, () => untold(facts, source)); // a client may not heed the signal
    reading.set(facts, scales);
    scales.then(
      (value) => known.set(facts, value),
      () => reading.delete(facts),
    );
  }
  return patience >= DEADLINE ? scales : within(scales, patience, () => untold(facts, source));
}

/** The answer, or another one where it takes longer. */
async function within<T>(answer: Promise<T>, ms: number, late: () => T): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const passed = new Promise<T>((done) => {
    timer = setTimeout(() => done(late()), ms);
  });
  return Promise.race([answer, passed]).finally(() => clearTimeout(timer));
}

function untold({ full, serverMetric: metric }: QdrantFacts, source: string): ServerScales {
  const why = `${source} does not tell whether all points have the vector ${JSON.stringify(full)}`;
  return { scales: [], metric, why };
}

/**
 * A point that lacks the full vector is no row to a stage that ranks by it: the server would leave it out without a word, while a
 * source names such points, or counts them.
 */
async function read(
  facts: QdrantFacts,
  driver: QdrantDriver,
  collection: string,
  source: string,
  signal: AbortSignal,
): Promise<ServerScales> {
  const { info, full, prefixes, stored, serverMetric: metric } = facts;
  const none = (why: string): ServerScales => ({ scales: [], metric, why });
  if (typeof full !== 'string') return none(`${source} stores no vectors of all ${info.dim} dims`);
  const coarse = [stored.head, stored.full, ...prefixes].find((one) => one?.datatype === 'uint8');
  if (coarse) return none(`${source} stores the vector ${JSON.stringify(coarse.name)} as uint8`);
  let lacking: Awaited<ReturnType<QdrantDriver['lacking']>>;
  try {
    lacking = await driver.lacking(collection, full, signal);
  } catch (error) {
    const told = error instanceof FunnelError ? error : driver.classify(error, source);
    if (!signal.aborted && !UNTOLD.has(told.code)) throw told;
    return untold(facts, source);
  }
  // The point may be of another tenant: its id is not told.
  if (lacking !== undefined) return none(`a point of ${source} lacks the vector ${JSON.stringify(full)}`);
  return { scales: [...prefixes.map(({ dim }) => dim), info.dim], metric };
}

/** A collection of Qdrant as a source. */

import { expected, FunnelError } from '../../core/errors.js';
import type { Id, IdKind } from '../../core/types.js';
import { checkInteger, checkKeys } from '../../core/validate.js';
import type { FilterNode } from '../../query/filter/ast.js';
import { checkParams } from '../../query/params.js';
import { checkPayloadSelection } from '../../query/payload.js';
import { type GivenNames, headBy } from '../../query/source/layout.js';
import { sourceOf } from '../../query/source/layouts.js';
import { checkHeadRequest, checkScanRequest } from '../../query/source/requests.js';
import type {
  FetchRequest,
  HeadAnswer,
  HeadRequest,
  PackedRows,
  Restriction,
  ScanAnswer,
  ScanRequest,
  Source,
  SourceInfo,
} from '../../query/source/source.js';
import { CollectionSource } from '../collection.js';
import { driverOf } from './clients.js';
import { compared, unscaled } from './datatypes.js';
import type { QdrantAnswer, QdrantDriver, QdrantQuery, QdrantRead } from './driver.js';
import { type AnyPoint, type Missing, missingFrom, qdrantIds, scoresOf } from './from-qdrant.js';
import type { QdrantGrpcClient } from './grpc-client.js';
import { asQdrantId, qdrantId } from './ids.js';
import { OPTIONS, type QdrantCommonOptions, type QdrantLayout, type QdrantSourceOptions } from './options.js';
import { filteredPoolOf, isSuspect } from './pool.js';
import type { QdrantRestClient } from './rest.js';
import { type QdrantFacts, readQdrantFacts } from './schema.js';
import { withNorm, withVectors } from './select.js';
import { type Unpackable, unpackPoints } from './unpack.js';

/**
 * Head searches on a Qdrant collection through a client that you made and keep.
 *
 * REST answers are asked for uncompressed, whatever the client does otherwise: a compressed one waits about 40 ms for a
 * delayed acknowledgement. The gRPC client compresses both ways unless it was made with `compression: false`, which is
 * quicker on a fast network; that is the client's to decide. Over REST, ids beyond 2^53 − 1 are refused: JSON rounds them.
 * UUIDs may be given in any form that Qdrant reads; hits have the one that it answers, lower case with dashes.
 *
 * Dims, metric and kind of id are read once and believed for a minute, or until a search is refused. Over REST a call that is
 * given up ends its request. The gRPC client lets only its own timeout do that, unless it has none (`timeout: Infinity`): its
 * request then goes on unheeded, and keeps the process alive, until that timeout.
 *
 * @example
 * const client = new QdrantClient({ url: 'http://127.0.0.1:6333', checkCompatibility: false });
 * const source = qdrantSource(client, { collection: 'films', head: 'head', full: 'full' });
 *
 * @throws FunnelError BAD_ARGUMENT
 */
export function qdrantSource(client: QdrantRestClient | QdrantGrpcClient, options: QdrantSourceOptions): Source {
  const driver = driverOf(client);
  checkKeys(options, OPTIONS, 'the options of qdrantSource()');
  const { missingVectors } = options;
  if (missingVectors !== undefined && missingVectors !== 'error' && missingVectors !== 'skip') {
    throw expected('BAD_ARGUMENT', "'error' or 'skip'", 'missingVectors', missingVectors);
  }
  return sourceOf(
    options,
    (own: OwnOptions) => new QdrantSource(driver, own),
    (name) => nameOf(name),
  );
}

type OwnOptions = QdrantCommonOptions & GivenNames & Pick<QdrantLayout, 'metric' | 'headOf'>;

const FIRST_UUID = '00000000-0000-0000-0000-000000000000';

function nameOf(collection: string): string {
  return `Qdrant collection ${JSON.stringify(collection)}`;
}

type Wanted = Pick<HeadRequest, 'withPayload' | 'vectors'> & Pick<FetchRequest, 'missing'>;

/** The params that requests may set. */
const PARAMS = { exact: 'flag', hnsw_ef: 'count', indexed_only: 'flag' } as const;

class QdrantSource extends CollectionSource<QdrantFacts, OwnOptions> implements Source {
  readonly recommends = true;
  private readonly missing: Missing;
  /** As the client takes them. */
  private readonly filters = new WeakMap<FilterNode, object>();

  constructor(
    private readonly driver: QdrantDriver,
    options: OwnOptions,
  ) {
    super(nameOf(options.collection), options);
    this.missing = missingFrom(this.name);
  }

  protected read(signal: AbortSignal): Promise<QdrantFacts> {
    return readQdrantFacts(this.driver, this.options, this.name, signal);
  }

  protected lasts({ empty }: QdrantFacts): boolean {
    return !empty;
  }

  protected infoOf({ info }: QdrantFacts): SourceInfo {
    return { ...info };
  }

  protected classify(error: unknown): FunnelError {
    return this.driver.classify(error, this.name);
  }

  protected async checkNative(queries: readonly Pick<HeadRequest, 'nativeFilter'>[]): Promise<void> {
    const { driver, options } = this;
    await driver.check?.(options.nativeFilter, options.params);
    for (const { nativeFilter } of queries) await driver.check?.(nativeFilter, undefined);
  }

  head(request: HeadRequest): Promise<HeadAnswer> {
    return this.guarded(request, async (signal) => {
      this.checkRequest(request);
      return this.informed([request], signal, (facts) => this.search(request, facts, signal));
    });
  }

  headBatch(requests: readonly HeadRequest[]): Promise<HeadAnswer[]> {
    const [first] = requests;
    if (first === undefined) return Promise.resolve([]);
    return this.guarded(first, async (signal) => {
      for (const request of requests) this.checkRequest(request);
      // Answers of one batch carry the same vectors.
      const one = requests.every(({ vectors = true }) => vectors === (first.vectors ?? true));
      return this.informed(requests, signal, async (facts) => {
        const began = performance.now();
        const asked = requests.map((request) => this.asked(request, facts));
        const fast = this.options.decode !== 'client';
        const answers = one ? await this.driver.queryBatch(asked, signal, fast) : undefined;
        if (!answers) return Promise.all(requests.map((request) => this.search(request, facts, signal)));
        const parts = answers.map(async (answer, i): Promise<HeadAnswer> => {
          const start = performance.now();
          const known = async () => answer;
          const pool = isSuspect(asked[i]!, answer, facts)
            ? undefined
            : await filteredPoolOf(asked[i]!, facts, requests[i]!.filter, known, this.isRefusal);
          // A short pool is looked into as a single search.
          if (!pool || pool.stats?.by === 'exact') return this.search(requests[i]!, facts, signal);
          const part = this.answered(answer, asked[i]!, facts, requests[i]!);
          const { stats } = pool;
          const headMs = (answer.at - began) / answers.length;
          return { headMs, decodeMs: performance.now() - start, ...part, ...(stats && { filteredPool: stats }) };
        });
        return Promise.all(parts);
      });
    });
  }

  count({ filter, nativeFilter, ...options }: Parameters<NonNullable<Source['count']>>[0]): Promise<number> {
    return this.guarded(options, async (signal) => {
      await this.driver.check?.(nativeFilter, undefined);
      return this.driver.count(this.options.collection, this.filter({ filter, nativeFilter }), signal);
    });
  }

  async idOf(value: string | number | bigint): Promise<Id | undefined> {
    return asQdrantId(value, this.driver.idKind, `an id in ${this.name}`);
  }

  /** Integers stand before UUIDs, so that two looks tell. */
  idKinds(options: { timeout?: number; signal?: AbortSignal } = {}): Promise<IdKind[]> {
    const read = { collection: this.options.collection, withPayload: false, lifts: [], skip: false };
    return this.guarded(options, (signal) =>
      this.informed([], signal, async () => {
        const kinds = new Set<IdKind>();
        for (const from of [undefined, FIRST_UUID]) {
          const page = { ...read, from, limit: 1, filter: this.filter({}) };
          const { points } = await this.driver.scroll(page, signal, false);
          for (const id of this.ids(points)) kinds.add(typeof id as IdKind);
        }
        return [...kinds];
      }),
    );
  }

  canonicalId(id: Id): Id {
    return asQdrantId(id, this.driver.idKind, `an id in ${this.name}`) ?? id;
  }

  /** @throws FunnelError UNSUPPORTED, BAD_ARGUMENT */
  private checkRequest(request: HeadRequest): void {
    checkHeadRequest(request, this.name, { params: PARAMS });
    if (request.mode === 'exact') this.checkFull('UNSUPPORTED');
  }

  full(request: Omit<HeadRequest, 'candidates'> & { limit: number }): ReturnType<Source['full']> {
    return this.guarded(request, async (signal) => {
      const { collection, decode } = this.options;
      this.checkFull('BAD_ARGUMENT');
      checkInteger(request.limit, 1, Number.MAX_SAFE_INTEGER, 'limit');
      return this.informed([request], signal, async ({ full, stored }) => {
        const began = performance.now();
        const query = compared({ vector: request.vector, recommend: undefined }, stored.full!, this.name);
        const { points, at } = await this.driver.query(
          {
            collection,
            ...query,
            using: full as string,
            limit: request.limit,
            filter: this.filter(request),
            params: this.options.params,
            exact: true,
            withPayload: false,
            lifts: [],
            skip: false,
          },
          signal,
          decode !== 'client',
        );
        const scores = Array.from(unscaled(scoresOf(points), query.factor) ?? []);
        return { ids: this.ids(points), scores, ms: at - began };
      });
    });
  }

  protected idsOf({ withPayload, ids }: FetchRequest): Id[] {
    checkPayloadSelection(withPayload);
    return Array.from(ids, (id, i) => qdrantId(id, this.driver.idKind, `ids[${i}]`));
  }

  protected async rowsOf(ids: readonly Id[], request: FetchRequest, facts: QdrantFacts, signal: AbortSignal) {
    const asked = this.reading(facts, request);
    const fast = this.options.decode !== 'client';
    const answer =
      ids.length === 0 ? { points: [], at: 0 } : await this.driver.retrieve({ ...asked, ids }, signal, fast);
    const some = withVectors(answer, asked);
    const rows = this.unpack(some, asked, facts, request);
    return { rows, lacking: asked.skip ? this.ids(some.lacking ?? []) : undefined };
  }

  scan(request: ScanRequest): Promise<ScanAnswer> {
    return this.guarded(request, async (signal) => {
      const limit = checkScanRequest(request);
      const from = request.after === undefined ? undefined : this.positionOf(request.after);
      return this.informed([], signal, async (facts) => {
        const began = performance.now();
        const asked = this.reading(facts, request);
        const filter = this.filter({});
        const fast = this.options.decode !== 'client';
        const answer = withVectors(await this.driver.scroll({ ...asked, from, limit, filter }, signal, fast), asked);
        if (answer.next !== undefined) this.ids([{ id: answer.next }]); // a rounded one would skip points
        const next = answer.next === undefined ? undefined : String(answer.next);
        const rows = this.unpack(answer, asked, facts, request);
        const lacking = asked.skip && { lacking: this.ids(answer.lacking ?? []) };
        return { rows, next, ms: performance.now() - began, ...lacking };
      });
    });
  }

  /** The id of a position: numbers are digits alone, and UUIDs have dashes. */
  private positionOf(position: string): Id {
    if (!/^\d+$/.test(position)) return position;
    return this.driver.idKind === 'bigint' ? BigInt(position) : Number(position);
  }

  private async search(request: HeadRequest, facts: QdrantFacts, signal: AbortSignal): Promise<HeadAnswer> {
    const asked = this.asked(request, facts);
    const began = performance.now();
    const query = (one: QdrantQuery) => this.driver.query(one, signal, this.options.decode !== 'client');
    const { answer, stats } = await filteredPoolOf(asked, facts, request.filter, query, this.isRefusal);
    const { at } = answer;
    const part = this.answered(answer, asked, facts, request);
    return { headMs: at - began, decodeMs: performance.now() - at, ...part, ...(stats && { filteredPool: stats }) };
  }

  private readonly isRefusal = (error: unknown): boolean => this.classify(error).code === 'REFUSED';

  private asked(request: HeadRequest, facts: QdrantFacts): QdrantQuery {
    const { info, head, full, stored } = facts;
    const { recommend, candidates, mode } = request;
    const exact = mode === 'exact';
    const searched = (vector: Float32Array) =>
      exact ? vector : headBy(this.options.headOf, vector, info.headDim, this.name);
    const examples = recommend && {
      positive: recommend.examples.positive.map(searched),
      negative: recommend.examples.negative.map(searched),
    };
    const query = {
      vector: searched(request.vector),
      recommend: examples && { strategy: recommend.strategy, examples },
    };
    return {
      ...compared(query, exact ? stored.full! : stored.head, this.name),
      using: exact ? (full as string) : head,
      limit: candidates,
      filter: this.filter(request),
      params: this.driver.params(checkParams(request.params, PARAMS, this.name), this.options.params),
      exact,
      ...this.reading(facts, request),
    };
  }

  private answered(
    answer: QdrantAnswer,
    asked: QdrantQuery,
    facts: QdrantFacts,
    request: HeadRequest,
  ): Pick<HeadAnswer, 'candidates' | 'exact' | 'exactBelow' | 'lacking'> {
    const whole = withVectors(answer, asked);
    const { points, lacking = [] } = whole;
    const { candidates } = request;
    const received = points.length + lacking.length;
    if (received > candidates) {
      throw new FunnelError(
        'BAD_RESPONSE',
        `Expected at most ${candidates} points from ${this.name} but received ${received}`,
      );
    }
    const rows = this.unpack(whole, asked, facts, request);
    return {
      candidates: { headScores: unscaled(scoresOf(points), asked.factor), ...rows },
      exactBelow: answer.exactBelow ?? this.driver.exactBelow,
      ...(asked.exact && { exact: asked.rounded ? ('index' as const) : ('server' as const) }),
      ...(asked.skip && { lacking: this.ids(lacking) }),
    };
  }

  /** The parts of points that are to be read. */
  private reading(
    { info, head, full }: QdrantFacts,
    { withPayload = false, vectors = true, missing }: Wanted,
  ): QdrantRead {
    const { collection, missingVectors = 'error' } = this.options;
    if (!vectors) return { collection, withPayload, lifts: [], skip: false };
    const skip = missing === undefined ? missingVectors === 'skip' : missing === 'leave out';
    if (typeof full === 'string') return { collection, withPayload, lifts: [{ name: full, dim: info.dim }], skip };
    const lifts = [
      { name: head, dim: info.headDim },
      { name: full.tail, dim: info.dim - info.headDim },
    ];
    return { collection, withPayload: withNorm(withPayload, full.headNorm), lifts, skip };
  }

  private unpack(answer: Unpackable, read: QdrantRead, facts: QdrantFacts, wanted: Wanted): PackedRows {
    return unpackPoints(answer, this.ids(answer.points), read, facts, wanted, this.name, this.missing);
  }

  private ids(points: readonly AnyPoint[]) {
    const ids = qdrantIds(points);
    const big = this.driver.idKind === 'number' ? ids.findIndex((id) => typeof id === 'bigint') : -1;
    if (big >= 0) {
      // Read exactly, by Node 22; refused all the same, for a source has one kind of id on every Node.
      throw new FunnelError(
        'BAD_ID',
        `Expected ids of at most 2^53 − 1 from ${this.name} over REST but row ${big} has a larger one: use the gRPC client or UUIDs`,
      );
    }
    return ids;
  }

  /** All of them must let a point through. */
  private filter({ filter, nativeFilter }: Restriction): unknown {
    const parts = [this.options.nativeFilter, nativeFilter, filter && this.compiled(filter)];
    return parts
      .filter((part) => part !== undefined && part !== null)
      .reduce<unknown>((both, part) => (both === undefined ? part : this.driver.both(both, part)), undefined);
  }

  private compiled(filter: FilterNode): unknown {
    let made = this.filters.get(filter);
    if (made === undefined) {
      made = this.driver.compile(filter) as object;
      this.filters.set(filter, made);
    }
    return made;
  }
}

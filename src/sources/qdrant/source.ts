/** A collection of Qdrant as a source. */

import { timeLeft } from '../../core/call.js';
import { expected, FunnelError } from '../../core/errors.js';
import type { Id, IdKind } from '../../core/types.js';
import { checkInteger, checkKeys } from '../../core/validate.js';
import { mapLimited, SEARCHES_AT_ONCE } from '../../query/limited.js';
import { checkPayloadSelection } from '../../query/payload.js';
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
  ServerScales,
  Source,
  SourceInfo,
  StagedRequest,
} from '../../query/source/source.js';
import { CollectionSource, checkCommon } from '../collection.js';
import { checkRetries } from '../nodes.js';
import { driverOf, type QdrantClients } from './clients.js';
import { unscaled } from './datatypes.js';
import type { QdrantAnswer, QdrantDriver, QdrantQuery, QdrantRead } from './driver.js';
import { type AnyPoint, type Missing, missingFrom, pointName, scoresOf } from './from-qdrant.js';
import { asQdrantId, idsIn, qdrantId, scanPosition } from './ids.js';
import { OPTIONS, type OwnOptions, type QdrantSourceOptions } from './options.js';
import { bySuspects, filteredPoolOf } from './pool.js';
import { QdrantQueries } from './queries.js';
import { type Answered, type PointParts, unpackPoints } from './reading.js';
import { type QdrantFacts, readQdrantFacts } from './schema.js';
import { QDRANT_PARAMS, sameCall } from './scope.js';
import { withVectors } from './select.js';
import { KnownConditions } from './since.js';
import { knownScales, scalesOf } from './staged.js';
import { checkMost, countByPages, IDS_AT_ONCE } from './strict.js';

/**
 * Head searches on a Qdrant collection through a client that you made and keep.
 *
 * REST answers are asked for uncompressed, whatever the client does otherwise: a compressed one waits about 40 ms for a
 * delayed acknowledgement. The gRPC client compresses both ways unless it was made with `compression: false`, which is
 * quicker on a fast network; that is the client's to decide. Over REST, ids beyond 2^53 − 1 are refused: JSON rounds them.
 * UUIDs may be given in any form that Qdrant reads; hits have the one that it answers, lower case with dashes.
 *
 * Several clients, one for each node of a cluster, are one source: a call goes to the first that is well, on to the next where
 * that one is gone or takes more than its share of the time, and is answered by one of them, whole.
 *
 * Dims, metric and kind of id are read once and believed for a minute, or until a search is refused. Over REST a call that is
 * given up ends its request. The gRPC client lets only its own timeout do that, unless it has none (`timeout: Infinity`): its
 * request then goes on unheeded, and keeps the process alive, until that timeout.
 *
 * @example
 * const client = new QdrantClient({ url: 'http://127.0.0.1:6333', checkCompatibility: false });
 * const source = qdrantSource(client, { collection: 'films', head: 'head', full: 'full' });
 *
 * const cluster = qdrantSource([client, new QdrantClient({ url: 'http://127.0.0.1:6343' })], { collection: 'films' });
 *
 * @throws FunnelError BAD_ARGUMENT
 */
export function qdrantSource(client: QdrantClients, options: QdrantSourceOptions): Source {
  checkKeys(options, OPTIONS, 'the options of qdrantSource()');
  checkCommon(options);
  const { missingVectors, addresses } = options;
  const retries = checkRetries(options.retries, RETRIES);
  const driver = driverOf(client, addresses, nameOf(options.collection), retries);
  if (missingVectors !== undefined && missingVectors !== 'error' && missingVectors !== 'skip') {
    throw expected('BAD_ARGUMENT', "'error' or 'skip'", 'missingVectors', missingVectors);
  }
  return sourceOf(
    options,
    (own: OwnOptions) => new QdrantSource(driver, own),
    (name) => nameOf(name),
  );
}

/** Neither client tries again of its own accord. */
const RETRIES = 2;
const FIRST_UUID = '00000000-0000-0000-0000-000000000000';

function nameOf(collection: string): string {
  return `Qdrant collection ${JSON.stringify(String(collection))}`; // a bigint, refused later, is no JSON
}

class QdrantSource extends CollectionSource<QdrantFacts, OwnOptions> implements Source {
  readonly recommends = true;
  readonly filtersScans = true;
  private readonly missing: Missing;
  private readonly queries: QdrantQueries;
  private readonly conditions: KnownConditions;

  constructor(
    private readonly driver: QdrantDriver,
    options: OwnOptions,
  ) {
    super(nameOf(options.collection), options);
    this.missing = missingFrom(this.name);
    this.queries = new QdrantQueries(driver, options, this.name);
    this.conditions = new KnownConditions(driver, this.name);
  }

  protected read(signal: AbortSignal): Promise<QdrantFacts> {
    return readQdrantFacts(this.driver, this.options, this.name, signal, this.queries.reach);
  }

  protected lasts({ empty }: QdrantFacts): boolean {
    return !empty;
  }

  protected override rowsPerCall(facts: QdrantFacts): number {
    return Math.min(super.rowsPerCall(facts), facts.strict.rows);
  }

  protected infoOf({ info }: QdrantFacts): SourceInfo {
    return { ...info };
  }

  protected classify(error: unknown): FunnelError {
    return this.driver.classify(error, this.name);
  }

  protected checkFilters(queries: readonly Restriction[], signal: AbortSignal): Promise<void> | undefined {
    const own = this.options.nativeFilter ?? this.options.params ?? undefined;
    const given =
      own ?? queries.find(({ filter, nativeFilter }) => (filter ?? nativeFilter ?? undefined) !== undefined);
    return given === undefined ? undefined : this.checkGiven(queries, signal);
  }

  private async checkGiven(queries: readonly Restriction[], signal: AbortSignal): Promise<void> {
    const { driver, options } = this;
    await driver.check?.(options.nativeFilter, options.params);
    for (const { filter, nativeFilter } of queries) {
      await driver.check?.(nativeFilter, undefined);
      await this.conditions.check(filter, this.queries.compiled, signal);
    }
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
        const asked = requests.map((request) => this.queries.asked(request, facts));
        const fast = this.options.decode !== 'client';
        const together = one && asked.every(({ scope }) => sameCall(scope, asked[0]!.scope));
        const answers = together ? await this.batch(asked, facts, signal, fast) : undefined;
        if (!answers) return mapLimited(requests, SEARCHES_AT_ONCE, (request) => this.search(request, facts, signal));
        return bySuspects(asked, answers, facts, async (i) => {
          const own = asked[i]!;
          const start = performance.now();
          const query = async (one: QdrantQuery) => (one === own ? answers[i]! : this.driver.query(one, signal, fast));
          const { answer, stats } = await filteredPoolOf(own, facts, requests[i]!.filter, query, this.isRefusal);
          const share = (answers[i]!.at - began) / answers.length;
          const decoding = performance.now();
          const headMs = answer === answers[i] ? share : share + decoding - start;
          const part = this.answered(answer, own, facts, requests[i]!);
          const decodeMs = performance.now() - decoding;
          return { headMs, decodeMs, ...part, ...(stats && { filteredPool: stats }) };
        });
      });
    });
  }

  /** As many searches in one round trip as the collection allows. */
  private async batch(
    asked: readonly QdrantQuery[],
    { strict }: QdrantFacts,
    signal: AbortSignal,
    fast: boolean,
  ): Promise<QdrantAnswer[] | undefined> {
    const answers: QdrantAnswer[] = [];
    for (let from = 0; from < asked.length; from += strict.searches) {
      const some = await this.driver.queryBatch(asked.slice(from, from + strict.searches), signal, fast);
      if (some === undefined) return undefined;
      answers.push(...some);
    }
    return answers;
  }

  funnel(request: StagedRequest): Promise<HeadAnswer> {
    return this.head(request);
  }

  funnelBatch(requests: readonly StagedRequest[]): Promise<HeadAnswer[]> {
    return this.headBatch(requests);
  }

  async serverScales(options: { timeout?: number; signal?: AbortSignal } = {}): Promise<ServerScales> {
    const { driver, known, name } = this;
    const { collection } = this.options;
    const told = knownScales(known.fresh); // every search asks
    if (told !== undefined) return told;
    return this.guarded(options, async (signal) => {
      const facts = await known.get(signal);
      return scalesOf(facts, driver, collection, name, timeLeft(signal) / 2);
    });
  }

  count({ filter, nativeFilter, params, ...options }: Parameters<NonNullable<Source['count']>>[0]): Promise<number> {
    return this.guarded(options, async (signal) => {
      const scope = this.queries.scopeOf(params);
      await this.checkFilters([{ filter, nativeFilter }], signal);
      return this.informed([], signal, ({ strict }) => {
        const passing = this.queries.filter({ filter, nativeFilter });
        const { collection } = this.options;
        if (strict.exact) return this.driver.count(collection, passing, signal, scope);
        const read = { collection, withPayload: false as const, lifts: [], skip: false, scope };
        return countByPages(this.driver, read, Math.min(strict.rows, IDS_AT_ONCE), passing, signal);
      });
    });
  }

  async idOf(value: string | number | bigint): Promise<Id | undefined> {
    return asQdrantId(value, this.driver.idKind, `an id in ${this.name}`);
  }

  /** Integers stand before UUIDs, so that two looks tell. */
  idKinds(options: { timeout?: number; signal?: AbortSignal } = {}): Promise<IdKind[]> {
    const { reach: scope } = this.queries;
    const read = { collection: this.options.collection, withPayload: false, lifts: [], skip: false, scope };
    return this.guarded(options, (signal) =>
      this.informed([], signal, async () => {
        const kinds = new Set<IdKind>();
        for (const from of [undefined, FIRST_UUID]) {
          const page = { ...read, from, limit: 1, filter: this.queries.filter({}) };
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
    checkHeadRequest(request, this.name, { params: QDRANT_PARAMS });
    this.queries.paramsOf(request.params);
    if (request.mode === 'exact') this.checkFull('UNSUPPORTED');
  }

  full(request: Omit<HeadRequest, 'candidates'> & { limit: number }): ReturnType<Source['full']> {
    return this.guarded(request, async (signal) => {
      this.checkFull('BAD_ARGUMENT');
      const { limit } = request;
      checkInteger(limit, 1, Number.MAX_SAFE_INTEGER, 'limit');
      return this.informed([request], signal, async (facts) => {
        checkMost(limit, facts.strict, 'limit', this.name);
        const began = performance.now();
        const best = { ...request, candidates: limit, mode: 'exact', vectors: false, withPayload: false } as const;
        const asked = this.queries.searched(best, facts);
        const { points, at } = await this.driver.query(asked, signal, this.options.decode !== 'client');
        const scores = Array.from(unscaled(scoresOf(points), asked.factor) ?? []);
        return { ids: this.ids(points), scores, ms: at - began };
      });
    });
  }

  protected idsOf({ withPayload, ids, params }: FetchRequest): Id[] {
    checkPayloadSelection(withPayload);
    this.queries.scopeOf(params);
    return Array.from(ids, (id, i) => qdrantId(id, this.driver.idKind, `ids[${i}]`));
  }

  protected async rowsOf(ids: readonly Id[], request: FetchRequest, facts: QdrantFacts, signal: AbortSignal) {
    const asked = this.queries.reading(facts, request, this.queries.scopeOf(request.params));
    const fast = this.options.decode !== 'client';
    const answer =
      ids.length === 0 ? { points: [], at: 0 } : await this.driver.retrieve({ ids, ...asked }, signal, fast);
    const some = withVectors(answer, asked);
    const rows = this.unpack(some, asked, facts, request);
    return { rows, lacking: asked.skip ? this.ids(some.lacking ?? []) : undefined };
  }

  scan(request: ScanRequest): Promise<ScanAnswer> {
    return this.guarded(request, async (signal) => {
      const limit = checkScanRequest(request);
      const scope = this.queries.scopeOf(request.params);
      const from = request.after === undefined ? undefined : scanPosition(request.after, this.driver.idKind);
      await this.conditions.check(request.filter, this.queries.compiled, signal);
      return this.informed([], signal, async (facts) => {
        const began = performance.now();
        const asked = this.queries.reading(facts, request, scope);
        const filter = this.queries.filter(request);
        const fast = this.options.decode !== 'client';
        const page = { ...asked, from, limit: Math.min(limit, facts.strict.rows), filter };
        const answer = withVectors(await this.driver.scroll(page, signal, fast), asked);
        if (answer.next !== undefined) this.ids([{ id: answer.next }]); // a rounded one would skip points
        const next = answer.next === undefined ? undefined : String(answer.next);
        const rows = this.unpack(answer, asked, facts, request);
        const lacking = asked.skip && { lacking: this.ids(answer.lacking ?? []) };
        return { rows, next, ms: performance.now() - began, ...lacking };
      });
    });
  }

  private async search(request: HeadRequest, facts: QdrantFacts, signal: AbortSignal): Promise<HeadAnswer> {
    const asked = this.queries.asked(request, facts);
    const began = performance.now();
    const query = (one: QdrantQuery) => this.driver.query(one, signal, this.options.decode !== 'client');
    const { answer, stats } = await filteredPoolOf(asked, facts, request.filter, query, this.isRefusal);
    const { at } = answer;
    const part = this.answered(answer, asked, facts, request);
    const whole: HeadAnswer = { ...part, headMs: at - began, decodeMs: performance.now() - at };
    if (stats) whole.filteredPool = stats;
    return whole;
  }

  private readonly isRefusal = (error: unknown): boolean =>
    (error instanceof FunnelError ? error : this.classify(error)).code === 'REFUSED';

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
    const part: ReturnType<QdrantSource['answered']> = {
      candidates: { ...rows, headScores: unscaled(scoresOf(points), asked.factor) },
      exactBelow: answer.exactBelow ?? this.driver.exactBelow,
    };
    if (request.mode === 'exact') part.exact = asked.exact && !asked.rounded ? 'server' : 'index';
    if (asked.skip) part.lacking = this.ids(lacking);
    return part;
  }

  private unpack(answer: Answered, read: QdrantRead, facts: QdrantFacts, wanted: PointParts): PackedRows {
    const nameRow = (row: number) => `row ${row} (${pointName(answer.points[row])}) of ${this.name}`;
    return unpackPoints(answer, this.ids(answer.points), read, facts, wanted, nameRow, this.missing);
  }

  private ids(points: readonly AnyPoint[]) {
    return idsIn(points, this.driver.idKind, this.name);
  }
}

/** Qdrant as a source: `funnelvec/qdrant`. */

import { expected, FunnelError } from '../errors.js';
import type { FilterNode } from '../query/filter/ast.js';
import { checkParams } from '../query/params.js';
import { checkPayloadSelection } from '../query/payload.js';
import type { Id, Metric } from '../types.js';
import { checkIds, checkInteger } from '../validate.js';
import { guarded, overloaded } from './call.js';
import { type AnyPoint, payloadsOf, pointName, qdrantIds, scoresOf, vectorsOf } from './from-qdrant.js';
import { Known } from './known.js';
import { checkHeadQuery, type HeadOf, headBy, joinTails, type TailLayout } from './layout.js';
import { sourceOf } from './layouts.js';
import { packRows } from './pack.js';
import type { QdrantAnswer, QdrantDriver, QdrantQuery, QdrantRead } from './qdrant-driver.js';
import { grpcDriver, type QdrantGrpcClient } from './qdrant-grpc.js';
import { type QdrantRestClient, restDriver } from './qdrant-rest.js';
import { type Facts, readFacts } from './qdrant-schema.js';
import { wants, withNorm, withVectors } from './qdrant-select.js';
import { inOrder, joined } from './rows.js';
import {
  type FetchAnswer,
  type FetchRequest,
  type HeadAnswer,
  type HeadRequest,
  type PackedRows,
  type Restriction,
  rowsAtOnce,
  type ScanAnswer,
  type ScanRequest,
  type Source,
  type SourceInfo,
} from './source.js';

export { type FromQdrantOptions, fromQdrant } from './from-qdrant.js';
export type { HeadOf, TailLayout } from './layout.js';
export type { QdrantGrpcClient } from './qdrant-grpc.js';
export type { QdrantRestClient } from './qdrant-rest.js';

/** Where the vectors are. */
export interface QdrantLayout {
  /** The named vector that the server searches: the first dims of the full ones. '' is the un-named vector. */
  head: string;
  /** The named vector with all dims, or the layout that splits them. */
  full: string | TailLayout;
  /** The metric of the full vectors. @default the full vector's (tail layout: 'cosine') */
  metric?: Metric;
  /**
   * The head of a query, where the named vector holds something else than the first dims of the full vectors:
   * `fitted.applyQuery`, where it holds `fitted.apply(vectors)` (see fitHead() of funnelvec/train).
   *
   * @default the query's first dims
   */
  headOf?: HeadOf;
}

/** With `head` and `full`; or with `vectors`, several layouts by name, of which each request names one (`using`). */
export type QdrantSourceOptions = QdrantCommonOptions &
  ((QdrantLayout & { vectors?: undefined }) | { vectors: Record<string, QdrantLayout>; head?: undefined });

export interface QdrantCommonOptions {
  collection: string;
  /** A filter in the client's own form that every search obeys, beside the filter of the request. */
  nativeFilter?: unknown;
  /** Search parameters in the client's own form, e.g. `{ hnsw_ef: 256 }` (gRPC: `hnswEf: 256n`). */
  params?: unknown;
  /** Milliseconds for one call, where the request names none. */
  timeout?: number;
  /**
   * 'fast' reads vectors out of the answer's bytes, wherever this client allows it; 'client' always lets the client decode.
   * The candidates are the same.
   * @default 'fast'
   */
  decode?: 'fast' | 'client';
}

/**
 * Head searches on a Qdrant collection through a client that you made and keep.
 *
 * REST answers are asked for uncompressed, whatever the client does otherwise: a compressed one waits about 40 ms for a
 * delayed acknowledgement. The gRPC client compresses both ways unless it was made with `compression: false`, which is
 * quicker on a fast network; that is the client's to decide. Over REST, ids beyond 2^53 − 1 are refused: JSON rounds them.
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
  return sourceOf(
    options,
    (own: OwnOptions) => new QdrantSource(driver, own),
    (name) => nameOf(name),
  );
}

type OwnOptions = QdrantCommonOptions & QdrantLayout;

function nameOf(collection: string): string {
  return `Qdrant collection ${JSON.stringify(collection)}`;
}

type Wanted = Pick<HeadRequest, 'withPayload' | 'vectors'>;

/** What requests may set. */
const PARAMS = { exact: 'flag', hnsw_ef: 'count', indexed_only: 'flag' } as const;

class QdrantSource implements Source {
  readonly name: string;
  readonly recommends = true;
  private readonly known: Known<Facts>;
  /** As the client takes them. */
  private readonly filters = new WeakMap<FilterNode, object>();

  constructor(
    private readonly driver: QdrantDriver,
    private readonly options: OwnOptions,
  ) {
    this.name = nameOf(options.collection);
    this.known = new Known({
      where: this.name,
      read: (signal) => readFacts(this.driver, this.options, this.name, signal),
      keep: ({ empty }) => !empty,
      classify: (error) => this.driver.classify(error, this.name),
    });
  }

  async info(options: { timeout?: number; signal?: AbortSignal } = {}): Promise<SourceInfo> {
    // Every search asks: a deadline for what is known already would take longer than the answer.
    const { fresh } = this.known;
    if (fresh && options.timeout === undefined && options.signal === undefined) return { ...fresh.info };
    return this.guarded(options, async (signal) => ({ ...(await this.known.get(signal)).info }));
  }

  head(request: HeadRequest): Promise<HeadAnswer> {
    return this.guarded(request, async (signal) => {
      checkPayloadSelection(request.withPayload);
      checkInteger(request.candidates, 1, Number.MAX_SAFE_INTEGER, 'candidates');
      this.checkRequest(request);
      return this.informed(request, signal, (info) => this.search(request, info, signal));
    });
  }

  headBatch(requests: readonly HeadRequest[]): Promise<HeadAnswer[]> {
    const [first] = requests;
    if (first === undefined) return Promise.resolve([]);
    return this.guarded(first, async (signal) => {
      for (const { withPayload, candidates } of requests) {
        checkPayloadSelection(withPayload);
        checkInteger(candidates, 1, Number.MAX_SAFE_INTEGER, 'candidates');
      }
      for (const request of requests) this.checkRequest(request);
      // Answers of one batch carry the same vectors.
      const one = requests.every(({ vectors = true }) => vectors === (first.vectors ?? true));
      return this.informed(requests, signal, async (info) => {
        const began = performance.now();
        const asked = requests.map((request) => this.asked(request, info));
        const fast = this.options.decode !== 'client';
        const answers = one ? await this.driver.queryBatch(asked, signal, fast) : undefined;
        if (!answers) return Promise.all(requests.map((request) => this.search(request, info, signal)));
        return answers.map((answer, i) => {
          const start = performance.now();
          const part = this.answered(answer, asked[i]!, info, requests[i]!);
          return { headMs: (answer.at - began) / answers.length, decodeMs: performance.now() - start, ...part };
        });
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
    if (typeof value === 'string') return UUID.test(value) ? value : undefined;
    if (value < 0 || (typeof value === 'number' && !Number.isSafeInteger(value))) return undefined;
    if (this.driver.idKind === 'bigint') return BigInt(value);
    return value <= Number.MAX_SAFE_INTEGER ? Number(value) : undefined;
  }

  /** @throws FunnelError UNSUPPORTED, BAD_ARGUMENT */
  private checkRequest({ mode, params }: HeadRequest): void {
    checkParams(params, PARAMS, this.name);
    if (mode === 'exact') this.fullVector('UNSUPPORTED');
  }

  private fullVector(code: 'BAD_ARGUMENT' | 'UNSUPPORTED'): string {
    const { full } = this.options;
    if (typeof full === 'string') return full;
    throw new FunnelError(code, `${this.name} stores no full vector to search: its layout is head and tail`);
  }

  full(request: Omit<HeadRequest, 'candidates'> & { limit: number }): ReturnType<Source['full']> {
    return this.guarded(request, async (signal) => {
      const { collection, decode } = this.options;
      const full = this.fullVector('BAD_ARGUMENT');
      checkInteger(request.limit, 1, Number.MAX_SAFE_INTEGER, 'limit');
      return this.informed(request, signal, async () => {
        const began = performance.now();
        const { points, at } = await this.driver.query(
          {
            collection,
            vector: request.vector,
            recommend: undefined,
            using: full,
            limit: request.limit,
            filter: this.filter(request),
            params: this.options.params,
            exact: true,
            withPayload: false,
            lifts: [],
          },
          signal,
          decode !== 'client',
        );
        return { ids: this.ids(points), scores: Array.from(scoresOf(points) ?? []), ms: at - began };
      });
    });
  }

  fetch(request: FetchRequest): Promise<FetchAnswer> {
    return this.guarded(request, async (signal) => {
      checkPayloadSelection(request.withPayload);
      const ids = Array.from(request.ids);
      checkIds(ids);
      return this.informed(undefined, signal, async (info) => {
        const began = performance.now();
        const asked = this.reading(info, request);
        const step = rowsAtOnce(info.dim);
        const parts: PackedRows[] = [];
        for (let from = 0; from === 0 || from < ids.length; from += step) {
          signal.throwIfAborted();
          const part = ids.slice(from, from + step);
          const answer =
            part.length === 0
              ? { points: [], at: began }
              : await this.driver.retrieve({ ...asked, ids: part }, signal, this.options.decode !== 'client');
          const some = request.missing === 'leave out' ? withVectors(answer, asked) : answer;
          parts.push(inOrder(this.unpack(some, asked, info, request), part));
        }
        return { rows: joined(parts), ms: performance.now() - began };
      });
    });
  }

  scan(request: ScanRequest): Promise<ScanAnswer> {
    return this.guarded(request, async (signal) => {
      checkPayloadSelection(request.withPayload);
      const limit = checkInteger(request.limit, 1, Number.MAX_SAFE_INTEGER, 'limit');
      const from = request.after === undefined ? undefined : this.positionOf(request.after);
      return this.informed(undefined, signal, async (info) => {
        const began = performance.now();
        const asked = this.reading(info, request);
        const filter = this.filter({});
        const fast = this.options.decode !== 'client';
        const answer = await this.driver.scroll({ ...asked, from, limit, filter }, signal, fast);
        if (answer.next !== undefined) this.ids([{ id: answer.next }]); // a rounded one would skip points
        const next = answer.next === undefined ? undefined : String(answer.next);
        return { rows: this.unpack(answer, asked, info, request), next, ms: performance.now() - began };
      });
    });
  }

  /** Of a position: numbers are digits alone, and UUIDs have dashes. */
  private positionOf(position: string): Id {
    if (!/^\d+$/.test(position)) return position;
    return this.driver.idKind === 'bigint' ? BigInt(position) : Number(position);
  }

  private async search(request: HeadRequest, info: SourceInfo, signal: AbortSignal): Promise<HeadAnswer> {
    const asked = this.asked(request, info);
    const began = performance.now();
    const answer = await this.driver.query(asked, signal, this.options.decode !== 'client');
    const { at } = answer;
    const part = this.answered(answer, asked, info, request);
    return { headMs: at - began, decodeMs: performance.now() - at, ...part };
  }

  private asked(request: HeadRequest, info: SourceInfo): QdrantQuery {
    const { recommend, candidates, mode } = request;
    const exact = mode === 'exact';
    const searched = (vector: Float32Array) =>
      exact ? vector : headBy(this.options.headOf, vector, info.headDim, this.name);
    return {
      vector: searched(request.vector),
      recommend: recommend && {
        strategy: recommend.strategy,
        examples: {
          positive: recommend.examples.positive.map(searched),
          negative: recommend.examples.negative.map(searched),
        },
      },
      using: exact ? (this.options.full as string) : this.options.head,
      limit: candidates,
      filter: this.filter(request),
      params: this.driver.params(checkParams(request.params, PARAMS, this.name), this.options.params),
      exact,
      ...this.reading(info, request),
    };
  }

  private answered(
    answer: QdrantAnswer,
    asked: QdrantRead,
    info: SourceInfo,
    request: HeadRequest,
  ): Pick<HeadAnswer, 'candidates' | 'exact' | 'exactBelow'> {
    const { points } = answer;
    const { candidates } = request;
    if (points.length > candidates) {
      throw new FunnelError(
        'BAD_RESPONSE',
        `Expected at most ${candidates} points from ${this.name} but received ${points.length}`,
      );
    }
    const rows = this.unpack(answer, asked, info, request);
    return {
      candidates: { headScores: scoresOf(points), ...rows },
      exactBelow: answer.exactBelow ?? this.driver.exactBelow,
      ...(request.mode === 'exact' && { exact: 'server' as const }),
    };
  }

  /** What of points is to be read. */
  private reading(info: SourceInfo, { withPayload = false, vectors = true }: Wanted): QdrantRead {
    const { collection, head, full } = this.options;
    if (!vectors) return { collection, withPayload, lifts: [] };
    if (typeof full === 'string') return { collection, withPayload, lifts: [{ name: full, dim: info.dim }] };
    const lifts = [
      { name: head, dim: info.headDim },
      { name: full.tail, dim: info.dim - info.headDim },
    ];
    return { collection, withPayload: withNorm(withPayload, full.headNorm), lifts };
  }

  private unpack(
    { points, packed }: { points: readonly AnyPoint[]; packed?: Float32Array[] | undefined },
    { lifts }: QdrantRead,
    info: SourceInfo,
    { withPayload = false, vectors: wanted = true }: Wanted,
  ): PackedRows {
    const { full } = this.options;
    const tailed = typeof full === 'string' || !wanted ? undefined : full;
    const ids = this.ids(points);
    const nameRow = (row: number) => `row ${row} (${pointName(points[row])}) of ${this.name}`;
    const matrices =
      packed ??
      lifts.map(({ name, dim }) =>
        packRows(vectorsOf(points, points.length === 0 ? '' : name), dim, { name: nameRow }),
      );
    const payloads = payloadsOf(points);
    let vectors = wanted ? matrices[0]! : new Float32Array(0);
    if (tailed) {
      const norms = points.map((_, row) => (payloads?.[row] as Record<string, unknown> | undefined)?.[tailed.headNorm]);
      const nameNorm = (row: number) => `payload key ${JSON.stringify(tailed.headNorm)} of ${nameRow(row)}`;
      vectors = joinTails(vectors, info.headDim, norms, matrices[1]!, info.dim - info.headDim, nameNorm, nameRow);
      // The length travelled only for us.
      if (!wants(withPayload, tailed.headNorm)) {
        for (const payload of payloads ?? []) delete (payload as Record<string, unknown>)[tailed.headNorm];
      }
    }
    return {
      vectors,
      dim: info.dim,
      ids,
      payloads: withPayload === false ? undefined : points.map((_, row) => payloads?.[row] ?? {}),
    };
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

  /** Runs a call by what is known of the collection; if it fails, says whether that is no longer so. */
  private async informed<T>(
    query: Pick<HeadRequest, 'vector' | 'nativeFilter'> | readonly HeadRequest[] | undefined,
    signal: AbortSignal,
    search: (info: SourceInfo) => Promise<T>,
  ): Promise<T> {
    const { driver, options, name } = this;
    const queries = query === undefined ? [] : ([query].flat() as Pick<HeadRequest, 'vector' | 'nativeFilter'>[]);
    await driver.check?.(options.nativeFilter, options.params);
    for (const { nativeFilter } of queries) await driver.check?.(nativeFilter, undefined);
    const facts = await this.known.get(signal);
    for (const { vector } of queries) checkHeadQuery(vector, facts.info.dim, name);
    try {
      return await search(facts.info);
    } catch (error) {
      const told = error instanceof FunnelError ? error : driver.classify(error, name);
      const now = overloaded(told.cause) ? undefined : await this.known.afresh(facts, told, signal);
      for (const { vector } of now ? queries : []) checkHeadQuery(vector, now!.info.dim, name);
      throw told;
    }
  }

  private guarded<T>(
    { timeout = this.options.timeout, signal }: { timeout?: number; signal?: AbortSignal },
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    return guarded(this.name, { timeout, signal }, work, (error) => this.driver.classify(error, this.name));
  }
}

const UUID = /^[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}$/i;

function driverOf(client: QdrantRestClient | QdrantGrpcClient): QdrantDriver {
  const one = (client ?? {}) as Partial<QdrantRestClient & QdrantGrpcClient>;
  if (typeof one.getCollection === 'function' && typeof one.query === 'function')
    return restDriver(client as QdrantRestClient);
  if (typeof one.api === 'function') return grpcDriver(client as QdrantGrpcClient);
  throw expected(
    'BAD_ARGUMENT',
    'a QdrantClient of @qdrant/js-client-rest or @qdrant/js-client-grpc',
    'client',
    client,
  );
}

/** Qdrant as a source: `funnelvec/qdrant`. */
import { expected, FunnelError } from '../errors.js';
import type { Id, IdKind, Metric } from '../types.js';
import { checkIds, checkInteger, checkPayload } from '../validate.js';
import { guarded, overloaded } from './call.js';
import { type AnyPoint, payloadsOf, pointName, qdrantIds, scoresOf, vectorsOf } from './from-qdrant.js';
import { Known } from './known.js';
import { checkHeadQuery, checkLayout, checkMetric, joinTails, type TailLayout } from './layout.js';
import { packRows } from './pack.js';
import type { QdrantDriver, QdrantRead, QdrantVectors } from './qdrant-driver.js';
import { grpcDriver, type QdrantGrpcClient } from './qdrant-grpc.js';
import { type QdrantRestClient, restDriver } from './qdrant-rest.js';
import { inOrder, joined } from './rows.js';
import {
  type FetchAnswer,
  type FetchRequest,
  type HeadAnswer,
  type HeadRequest,
  type PackedRows,
  type PayloadSelection,
  rowsAtOnce,
  type ScanAnswer,
  type ScanRequest,
  type Source,
  type SourceInfo,
} from './source.js';

export { type FromQdrantOptions, fromQdrant } from './from-qdrant.js';
export type { TailLayout } from './layout.js';
export type { QdrantGrpcClient } from './qdrant-grpc.js';
export type { QdrantRestClient } from './qdrant-rest.js';

export interface QdrantSourceOptions {
  collection: string;
  /** The named vector that the server searches: the first dims of the full ones. '' is the un-named vector. */
  head: string;
  /** The named vector with all dims, or the layout that splits them. */
  full: string | TailLayout;
  /** A filter in the client's own form that every search obeys, beside the filter of the request. */
  nativeFilter?: unknown;
  /** Search parameters in the client's own form, e.g. `{ hnsw_ef: 256 }` (gRPC: `hnswEf: 256n`). */
  params?: unknown;
  /** Milliseconds for one call, where the request names none. */
  timeout?: number;
  /** The metric of the full vectors. @default the full vector's (tail layout: 'cosine') */
  metric?: Metric;
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
  checkLayout(options);
  checkMetric(options.metric);
  return new QdrantSource(driver, options);
}

const METRICS: Record<string, Metric | undefined> = { Cosine: 'cosine', Dot: 'dot', Euclid: 'euclid' };

type Wanted = Pick<HeadRequest, 'withPayload' | 'vectors'>;

interface Facts {
  info: SourceInfo;
  /** The kind of id is then a guess. */
  empty: boolean;
}

class QdrantSource implements Source {
  readonly name: string;
  private readonly known: Known<Facts>;

  constructor(
    private readonly driver: QdrantDriver,
    private readonly options: QdrantSourceOptions,
  ) {
    this.name = `Qdrant collection ${JSON.stringify(options.collection)}`;
    this.known = new Known({
      where: this.name,
      read: (signal) => this.read(signal),
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
      checkPayload(request.withPayload);
      checkInteger(request.candidates, 1, Number.MAX_SAFE_INTEGER, 'candidates');
      return this.informed(request, signal, (info) => this.search(request, info, signal));
    });
  }

  full(request: Omit<HeadRequest, 'candidates'> & { limit: number }): ReturnType<Source['full']> {
    return this.guarded(request, async (signal) => {
      const { full, collection, decode } = this.options;
      if (typeof full !== 'string') {
        throw new FunnelError(
          'BAD_ARGUMENT',
          `${this.name} stores no full vector to search: its layout is head and tail`,
        );
      }
      checkInteger(request.limit, 1, Number.MAX_SAFE_INTEGER, 'limit');
      return this.informed(request, signal, async () => {
        const began = performance.now();
        const { points, at } = await this.driver.query(
          {
            collection,
            vector: request.vector,
            using: full,
            limit: request.limit,
            filter: this.filter(request.nativeFilter),
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
      checkPayload(request.withPayload);
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
              ? { points: [] }
              : await this.driver.retrieve({ ...asked, ids: part }, signal, this.options.decode !== 'client');
          parts.push(inOrder(this.unpack(answer, asked, info, request), part));
        }
        return { rows: joined(parts), ms: performance.now() - began };
      });
    });
  }

  scan(request: ScanRequest): Promise<ScanAnswer> {
    return this.guarded(request, async (signal) => {
      checkPayload(request.withPayload);
      const limit = checkInteger(request.limit, 1, Number.MAX_SAFE_INTEGER, 'limit');
      const from = request.after === undefined ? undefined : this.idOf(request.after);
      return this.informed(undefined, signal, async (info) => {
        const began = performance.now();
        const asked = this.reading(info, request);
        const filter = this.filter(undefined);
        const fast = this.options.decode !== 'client';
        const answer = await this.driver.scroll({ ...asked, from, limit, filter }, signal, fast);
        if (answer.next !== undefined) this.ids([{ id: answer.next }]); // a rounded one would skip points
        const next = answer.next === undefined ? undefined : String(answer.next);
        return { rows: this.unpack(answer, asked, info, request), next, ms: performance.now() - began };
      });
    });
  }

  /** Of a position: numbers are digits alone, and UUIDs have dashes. */
  private idOf(position: string): Id {
    if (!/^\d+$/.test(position)) return position;
    return this.driver.idKind === 'bigint' ? BigInt(position) : Number(position);
  }

  private async search(request: HeadRequest, info: SourceInfo, signal: AbortSignal): Promise<HeadAnswer> {
    const { candidates } = request;
    const asked = this.reading(info, request);
    const began = performance.now();
    const answer = await this.driver.query(
      {
        ...asked,
        vector: request.vector.subarray(0, info.headDim),
        using: this.options.head,
        limit: candidates,
        filter: this.filter(request.nativeFilter),
        params: this.options.params,
        exact: false,
      },
      signal,
      this.options.decode !== 'client',
    );
    const { points, at } = answer;
    if (points.length > candidates) {
      throw new FunnelError(
        'BAD_RESPONSE',
        `Expected at most ${candidates} points from ${this.name} but received ${points.length}`,
      );
    }
    const rows = this.unpack(answer, asked, info, request);
    return {
      candidates: { ...rows, headScores: scoresOf(points) },
      headMs: at - began,
      decodeMs: performance.now() - at,
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
      if (Array.isArray(withPayload) && !withPayload.includes(tailed.headNorm)) {
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

  private filter(requested: unknown): unknown {
    const { nativeFilter } = this.options;
    if (nativeFilter === undefined || nativeFilter === null) return requested ?? undefined;
    return requested === undefined || requested === null ? nativeFilter : this.driver.both(nativeFilter, requested);
  }

  /** Runs a call by what is known of the collection; if it fails, says whether that is no longer so. */
  private async informed<T>(
    query: Pick<HeadRequest, 'vector' | 'nativeFilter'> | undefined,
    signal: AbortSignal,
    search: (info: SourceInfo) => Promise<T>,
  ): Promise<T> {
    const { driver, options, name } = this;
    await driver.check?.(options.nativeFilter, options.params);
    await driver.check?.(query?.nativeFilter, undefined);
    const facts = await this.known.get(signal);
    if (query) checkHeadQuery(query.vector, facts.info.dim, name);
    try {
      return await search(facts.info);
    } catch (error) {
      const told = error instanceof FunnelError ? error : driver.classify(error, name);
      const now = overloaded(told.cause) ? undefined : await this.known.afresh(facts, told, signal);
      if (now && query) checkHeadQuery(query.vector, now.info.dim, name);
      throw told;
    }
  }

  private guarded<T>(
    { timeout = this.options.timeout, signal }: { timeout?: number; signal?: AbortSignal },
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    return guarded(this.name, { timeout, signal }, work, (error) => this.driver.classify(error, this.name));
  }

  private async read(signal: AbortSignal): Promise<Facts> {
    const { collection, head, full, metric } = this.options;
    const vectors = await this.driver.vectors(collection, signal);
    const headVector = this.find(vectors, head);
    const restVector = this.find(vectors, typeof full === 'string' ? full : full.tail);
    const { dim: headDim } = headVector;
    const dim = typeof full === 'string' ? restVector.dim : headDim + restVector.dim;
    if (headDim > dim) {
      throw new FunnelError('BAD_DIMS', `Expected a head of at most ${dim} dims in ${this.name} but it has ${headDim}`);
    }
    if (typeof full !== 'string' && restVector.distance === 'Cosine') {
      throw new FunnelError(
        'BAD_ARGUMENT',
        `Expected a tail vector that the server leaves alone but ${JSON.stringify(full.tail)} in ${this.name} is a Cosine vector: ` +
          'Qdrant normalises those, so the lengths that join head and tail are lost. Store the tail under Dot or Euclid',
      );
    }
    const stored = typeof full === 'string' ? METRICS[restVector.distance]! : 'cosine';
    if (metric !== undefined && metric !== stored && typeof full === 'string' && stored === 'cosine') {
      throw new FunnelError(
        'BAD_ARGUMENT',
        `Expected metric 'cosine' for ${this.name} but received '${metric}': Qdrant has normalised the vectors of ${JSON.stringify(full)}`,
      );
    }
    const point = await this.driver.somePoint(collection, signal);
    const idKind: IdKind = point && typeof qdrantIds([point])[0] === 'string' ? 'string' : this.driver.idKind;
    return { info: { headDim, dim, metric: metric ?? stored, idKind }, empty: point === undefined };
  }

  private find(vectors: QdrantVectors, name: string) {
    const vector = vectors.get(name);
    const label = name === '' ? 'the un-named vector' : `vector ${JSON.stringify(name)}`;
    if (!vector) {
      const names = [...vectors.keys()].map((one) => (one === '' ? 'one un-named vector' : JSON.stringify(one)));
      throw new FunnelError(
        'NO_FIELD',
        `Expected ${label} in ${this.name} but it has ${names.join(', ') || 'no dense vector'}`,
      );
    }
    if (vector.multi)
      throw new FunnelError('BAD_ARGUMENT', `Expected a dense vector but ${label} in ${this.name} is a multivector`);
    if (!METRICS[vector.distance]) {
      throw new FunnelError(
        'BAD_ARGUMENT',
        `Expected a vector under Cosine, Dot or Euclid but ${label} in ${this.name} is under ${vector.distance}`,
      );
    }
    return vector;
  }
}

function withNorm(selection: PayloadSelection, key: string): PayloadSelection {
  if (selection === true) return true;
  return selection === false ? [key] : [...new Set([...(selection as readonly string[]), key])];
}

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

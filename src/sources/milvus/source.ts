/** A collection of Milvus as a source. */

import { expected, FunnelError } from '../../core/errors.js';
import type { Id } from '../../core/types.js';
import { checkInteger, checkKeys } from '../../core/validate.js';
import { mapLimited, SEARCHES_AT_ONCE } from '../../query/limited.js';
import { checkParams, readParams } from '../../query/params.js';
import { type GivenNames, headBy } from '../../query/source/layout.js';
import { LAYOUT_KEYS, sourceOf } from '../../query/source/layouts.js';
import { checkFetchRequest, checkHeadRequest, checkScanRequest } from '../../query/source/requests.js';
import type {
  FetchRequest,
  HeadAnswer,
  HeadRequest,
  ScanAnswer,
  ScanRequest,
  ServerScales,
  Source,
  SourceInfo,
} from '../../query/source/source.js';
import { CollectionSource, checkCommon } from '../collection.js';
import { checkRetries, type MakeNode, Nodes } from '../nodes.js';
import { checkVectorsFrom, readsByIds, withRows } from './by-id.js';
import { MilvusCalls } from './calls.js';
import type { MilvusClientLike } from './client.js';
import { asking, type MilvusClients, milvusMakers, serverVersionOf } from './clients.js';
import { milvusError } from './errors.js';
import { checkExpression } from './expression.js';
import { MilvusFilters } from './filters.js';
import { milvusIds, milvusScores } from './from-milvus.js';
import { UNROUNDED } from './integers.js';
import { MILVUS_OPTIONS, type MilvusCommonOptions, type MilvusLayout, type MilvusSourceOptions } from './options.js';
import { readingOf, splitByVectors, unpack } from './reading.js';
import { distances, firstRows } from './rows.js';
import { behindKey, type MilvusFacts, readMilvusFacts, withKeys } from './schema.js';
import { checkedMilvusScope, MILVUS_PARAMS, MILVUS_SCOPE, type MilvusScope, splitMilvusParams } from './scope.js';

/**
 * Head searches on a Milvus collection through a MilvusClient that you made and keep.
 *
 * Int64 ids are decimal strings, as the SDK hands them out. Integers of payloads, those in JSON too, are numbers within
 * ±(2^53 − 1) and bigints beyond. Under L2 Milvus answers the square of the distance; here it is the
 * distance, and the metric is called 'euclid'.
 *
 * Dims, metric and fields are read once and believed for a minute, or until a search is refused. The SDK cannot end a request
 * before its own deadline: one that is given up goes on unheeded until then.
 *
 * @example
 * const client = new MilvusClient({ address: '127.0.0.1:19530' });
 * const source = milvusSource(client, { collection: 'films', head: 'head_embedding', full: 'embedding' });
 * const one = milvusSource(client, { collection: 'langchain_col' }); // its one vector field
 *
 * @throws FunnelError BAD_ARGUMENT
 */
export function milvusSource(client: MilvusClients, options: MilvusSourceOptions): Source {
  const makers = milvusMakers(client, options?.addresses);
  checkKeys(options, MILVUS_OPTIONS, 'the options of milvusSource()');
  checkRetries(options.retries, RETRIES);
  checkCommon(options);
  checkExpression(options?.nativeFilter);
  const scalars: unknown = options?.scalars;
  if (scalars !== undefined && typeof scalars !== 'boolean' && scalars !== 'ask') {
    throw expected('BAD_ARGUMENT', "a boolean or 'ask'", 'scalars', scalars);
  }
  const missing: unknown = options?.missingVectors;
  if (missing !== undefined && missing !== 'error' && missing !== 'skip') {
    throw expected('BAD_ARGUMENT', "'error' or 'skip'", 'missingVectors', missing);
  }
  checkVectorsFrom(options?.vectorsFrom);
  const keys = LAYOUT_KEYS.filter((key) => key !== 'prefixes'); // no stage runs there
  return sourceOf(options, (own: OwnOptions) => new MilvusSource(makers, own), nameOf, keys);
}

type OwnOptions = MilvusCommonOptions & GivenNames & Pick<MilvusLayout, 'metric' | 'headOf'>;

function nameOf(collection: string): string {
  return `Milvus collection ${JSON.stringify(String(collection))}`; // a bigint, refused later, is no JSON
}

/** The SDK tries again of its own accord (`maxRetries`, 3). */
const RETRIES = 0;

/** Milvus's own limit on `limit`; Milvus Lite does not enforce it. */
const MAX_LIMIT = 16_384;

const NO_STAGES =
  'Milvus has no search within the hits of another: its hybrid search fuses lists of whole searches, and none of its rerankers ' +
  'scores the hits of one vector field by another';

class MilvusSource extends CollectionSource<MilvusFacts, OwnOptions> implements Source {
  private readonly nodes: Nodes<MilvusClientLike>;
  readonly filtersScans = true;
  private readonly calls: MilvusCalls;
  private readonly reach: MilvusScope;
  private readonly filters: MilvusFilters;

  constructor(makers: readonly MakeNode<MilvusClientLike>[], options: OwnOptions) {
    super(nameOf(options.collection), options);
    this.reach = checkedMilvusScope(options);
    this.nodes = new Nodes(makers, {
      name: this.name,
      retries: checkRetries(options.retries, RETRIES),
      classify: (error, ms) => milvusError(error, this.name, ms),
    });
    this.calls = new MilvusCalls(this.nodes, options, this.name, this.reach);
    this.filters = new MilvusFilters(this.nodes, this.calls, options, this.name);
  }

  protected async read(signal: AbortSignal): Promise<MilvusFacts> {
    const { vectorsFrom = 'auto' } = this.options;
    const facts = await readMilvusFacts(asking(this.nodes, this.name, signal), this.options, this.name);
    return { ...facts, byIds: await readsByIds(vectorsFrom, () => serverVersionOf(this.nodes, signal)) };
  }

  protected lasts(): boolean {
    return true;
  }

  protected infoOf({ headDim, dim, metric, idKind }: MilvusFacts): SourceInfo {
    return { headDim, dim, metric, idKind, mostCandidates: MAX_LIMIT };
  }

  protected checkFilters(queries: readonly Pick<HeadRequest, 'nativeFilter'>[]): void {
    for (const { nativeFilter } of queries) checkExpression(nativeFilter);
  }

  head(request: HeadRequest): Promise<HeadAnswer> {
    return this.guarded(request, async (signal) => {
      this.checkRequest(request);
      return this.informed([request], signal, async (facts) => (await this.searchHeads([request], facts, signal))[0]!);
    });
  }

  /** Requests that differ in their vectors alone are one search. */
  headBatch(requests: readonly HeadRequest[]): Promise<HeadAnswer[]> {
    const [first] = requests;
    if (first === undefined) return Promise.resolve([]);
    return this.guarded(first, async (signal) => {
      for (const request of requests) this.checkRequest(request);
      return this.informed(requests, signal, async (facts) => {
        const alike = new Map<string, number[]>();
        const filters = new Map<unknown, number>();
        requests.forEach((request, i) => {
          const { candidates, mode, params, nativeFilter, withPayload, vectors, filter } = request;
          if (!filters.has(filter)) filters.set(filter, filters.size);
          const key = JSON.stringify([
            candidates,
            mode,
            params,
            nativeFilter,
            withPayload,
            vectors,
            filters.get(filter),
          ]);
          alike.set(key, [...(alike.get(key) ?? []), i]);
        });
        const answers = new Array<HeadAnswer>(requests.length);
        const parts = [...alike.values()].flatMap((places) => chunks(places, SEARCHES));
        await mapLimited(parts, SEARCHES_AT_ONCE, async (places) => {
          const some = await this.searchHeads(
            places.map((i) => requests[i]!),
            facts,
            signal,
          );
          places.forEach((i, p) => {
            answers[i] = some[p]!;
          });
        });
        return answers;
      });
    });
  }

  async serverScales(options: { timeout?: number; signal?: AbortSignal } = {}): Promise<ServerScales> {
    const { metric } = await this.info(options);
    return { scales: [], metric, why: NO_STAGES };
  }

  count({ filter, nativeFilter, params, ...options }: Parameters<NonNullable<Source['count']>>[0]): Promise<number> {
    return this.guarded(options, async (signal) => {
      const scope = this.scopeOf(params);
      return this.informed([], signal, async (facts) => {
        const call = { ...options, signal };
        const restricted = await this.filters.expression({ filter, nativeFilter }, facts, call);
        return this.filters.named(filter, facts, call, () => this.calls.count(restricted, { ...call, scope }, facts));
      });
    });
  }

  async idOf(value: string | number | bigint, options: Parameters<NonNullable<Source['idOf']>>[1] = {}) {
    const { text } = await this.guarded(options, (signal) => this.known.get(signal));
    if (text) return typeof value === 'string' ? value : undefined;
    return typeof value === 'string' ? undefined : String(value);
  }

  /** @throws FunnelError UNSUPPORTED, BAD_ARGUMENT */
  private checkRequest(request: HeadRequest): void {
    checkHeadRequest(request, this.name, { params: MILVUS_PARAMS, most: MAX_LIMIT });
    this.paramsOf(request.params);
    if (request.mode === 'exact') this.checkFull('UNSUPPORTED');
  }

  /** @throws FunnelError UNSUPPORTED, BAD_ARGUMENT */
  private paramsOf(params: HeadRequest['params']): ReturnType<typeof splitMilvusParams> {
    return splitMilvusParams(checkParams(params, MILVUS_PARAMS, this.name), this.reach, this.name);
  }

  /** The scope of a call that is no search. @throws FunnelError UNSUPPORTED, BAD_ARGUMENT */
  private scopeOf(params: HeadRequest['params']): MilvusScope {
    return splitMilvusParams(checkParams(params, MILVUS_SCOPE, this.name), this.reach, this.name).scope;
  }

  full(request: Omit<HeadRequest, 'candidates'> & { limit: number }): ReturnType<Source['full']> {
    return this.guarded(request, async (signal) => {
      this.checkFull('BAD_ARGUMENT');
      checkInteger(request.limit, 1, MAX_LIMIT, 'limit');
      const { search, scope } = this.paramsOf(request.params);
      return this.informed([request], signal, async (facts) => {
        const { idField, squared } = facts;
        const filter = await this.filters.expression(request, facts, { ...request, signal });
        const asked = { ...request, filter, params: search, scope, signal };
        const { parts, at, began, factors } = await this.filters.named(
          request.filter,
          facts,
          { ...request, signal },
          () => this.calls.search(facts.searched.full, [request.vector], request.limit, asked, [idField], [], facts),
        );
        const { rows } = parts[0]!;
        const scores = distances(milvusScores(rows, [idField]), squared.full, factors[0]!);
        return { ids: milvusIds(rows, idField), scores: Array.from(scores ?? []), ms: at - began };
      });
    });
  }

  protected idsOf(request: FetchRequest): Id[] {
    this.scopeOf(request.params);
    return checkFetchRequest(request);
  }

  protected async rowsOf(ids: readonly Id[], request: FetchRequest, facts: MilvusFacts, signal: AbortSignal) {
    const asked = readingOf(facts, request, this.name);
    const { timeout } = request;
    const call = { signal, scope: this.scopeOf(request.params), ...(timeout !== undefined && { timeout }) };
    const none = { rows: [], lifted: undefined };
    const all = ids.length === 0 ? none : await this.calls.query(withKeys(ids, facts), asked, call, facts, {});
    const { rows, lacking } = splitByVectors(all, asked, this.skips(request.missing), facts.idField);
    return { rows: unpack(rows, all.lifted, asked, facts, request, this.name), lacking };
  }

  /**
   * By key: the rows behind the last one. The two parameters are those of the SDKs' own iterators, for which servers answer
   * in the order of the keys.
   */
  scan(request: ScanRequest): Promise<ScanAnswer> {
    return this.guarded(request, async (signal) => {
      const limit = checkScanRequest(request, { most: MAX_LIMIT });
      const { after, timeout } = request;
      const scope = this.scopeOf(request.params);
      const call = { signal, scope, ...(timeout !== undefined && { timeout }) };
      return this.informed([], signal, async (facts) => {
        const asked = readingOf(facts, request, this.name);
        const began = performance.now();
        const behind = after === undefined ? undefined : behindKey(after, facts);
        const params = { limit, iterator: 'True', reduce_stop_for_best: 'True' };
        const restriction = { ...(request.filter && { filter: request.filter }), nativeFilter: behind };
        const filter = await this.filters.expression(restriction, facts, call);
        const answer = await this.calls.query(filter, asked, call, facts, params);
        // A collection with a partition key answers up to so many rows of each partition, all in the order of their keys.
        const page = firstRows(answer, limit);
        const { rows, lifted } = page;
        const last = this.checkOrder(milvusIds(rows, facts.idField).map(String), after, facts);
        const { rows: whole, lacking } = splitByVectors(page, asked, this.skips(), facts.idField);
        const unpacked = unpack(whole, lifted, asked, facts, request, this.name);
        // A page may be short though more follow; only an empty one is the end.
        const next = rows.length === 0 ? undefined : last;
        return { rows: unpacked, next, ms: performance.now() - began, ...(lacking && { lacking }) };
      });
    });
  }

  private skips(missing?: FetchRequest['missing']): boolean {
    return missing === undefined ? this.options.missingVectors === 'skip' : missing === 'leave out';
  }

  /** The last key. Where keys are not in order, going on behind the last would skip rows. */
  private checkOrder(keys: readonly string[], after: string | undefined, { text }: MilvusFacts): string | undefined {
    let last = after;
    for (const key of keys) {
      const ascends =
        last === undefined ||
        (text ? Buffer.compare(Buffer.from(last), Buffer.from(key)) < 0 : BigInt(last) < BigInt(key));
      if (!ascends) {
        throw new FunnelError(
          'BAD_RESPONSE',
          `Expected rows in the order of their keys from ${this.name} but ${JSON.stringify(key)} came behind ${JSON.stringify(last)}`,
        );
      }
      last = key;
    }
    return last;
  }

  /** Requests that differ in their vectors alone. */
  private async searchHeads(
    requests: readonly HeadRequest[],
    facts: MilvusFacts,
    signal: AbortSignal,
  ): Promise<HeadAnswer[]> {
    const { vectors = true, withPayload, params, timeout } = requests[0]!;
    if (!vectors || !facts.byIds) return this.searched(requests, facts, signal);
    const idsOnly = requests.map((request) => ({ ...request, vectors: false, withPayload: false }));
    const found = await this.searched(idsOnly, facts, signal);
    const asked = { withPayload, timeout, ...readParams(params) };
    return withRows(found, (ids) => this.rowsInParts(ids, { ...asked, ids }, facts, signal));
  }

  private async searched(
    requests: readonly HeadRequest[],
    facts: MilvusFacts,
    signal: AbortSignal,
  ): Promise<HeadAnswer[]> {
    const request = requests[0]!;
    const { candidates, mode } = request;
    const exact = mode === 'exact';
    const asked = readingOf(facts, request, this.name);
    const { headDim } = facts;
    const vectors = requests.map(({ vector }) =>
      exact ? vector : headBy(this.options.headOf, vector, headDim, this.name),
    );
    const field = exact ? facts.searched.full : facts.searched.head;
    const { search: params, scope } = this.paramsOf(request.params);
    const filter = await this.filters.expression(request, facts, { ...request, signal });
    const restricted = { filter, params, scope, signal, timeout: request.timeout };
    const { outputs, names } = asked;
    const { parts, began, at, factors, rounded } = await this.filters.named(
      request.filter,
      facts,
      { ...request, signal },
      () => this.calls.search(field, vectors, candidates, restricted, outputs, names, facts),
    );
    return parts.map(({ rows: all, lifted }, p) => {
      const start = parts.length === 1 ? at : performance.now();
      if (all.length > candidates) {
        throw new FunnelError(
          'BAD_RESPONSE',
          `Expected at most ${candidates} rows from ${this.name} but received ${all.length}`,
        );
      }
      const { rows, lacking } = splitByVectors({ rows: all, lifted }, asked, this.skips(), facts.idField);
      const unpacked = unpack(rows, lifted, asked, facts, request, this.name);
      const squared = exact ? facts.squared.full : facts.squared.head;
      const headScores = distances(milvusScores(rows, outputs), squared, factors[p]!);
      return {
        candidates: { headScores, ...unpacked },
        headMs: (at - began) / parts.length,
        decodeMs: performance.now() - start,
        exactBelow: UNROUNDED,
        ...(lacking && { lacking }),
        ...(exact && { exact: facts.scans && !rounded ? ('server' as const) : ('index' as const) }),
      };
    });
  }

  protected classify(error: unknown): FunnelError {
    return milvusError(error, this.name);
  }
}

/** Queries of one search: as many vectors of 768 dims are 3 MB. */
const SEARCHES = 1000;

function chunks<T>(list: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, i) => list.slice(i * size, (i + 1) * size));
}

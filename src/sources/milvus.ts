/** Milvus as a source: `funnelvec/milvus`. */

import { expected, FunnelError } from '../errors.js';
import type { FilterNode } from '../query/filter/ast.js';
import { type MilvusField, type MilvusFields, toMilvusFilter } from '../query/filter/milvus.js';
import { parsePath } from '../query/filter/path.js';
import { checkParams } from '../query/params.js';
import { checkPayloadSelection, payloadSelection } from '../query/payload.js';
import type { Id, Metric } from '../types.js';
import { checkIds, checkInteger } from '../validate.js';
import { guarded, messageOf, overloaded, reachReason, socketCode } from './call.js';
import { absent, fromBfloat16, type MilvusRow, milvusIds, milvusRows, milvusScores, refusal } from './from-milvus.js';
import { Known } from './known.js';
import { checkHeadQuery, joinTails, type TailLayout } from './layout.js';
import { sourceOf } from './layouts.js';
import { checkExpression } from './milvus-expression.js';
import { type LiftedField, liftFields, statusOf } from './milvus-lift.js';
import { setOwn } from './own.js';
import { type PackableRow, packRows } from './pack.js';
import { inOrder, joined } from './rows.js';
import {
  type FetchAnswer,
  type FetchRequest,
  type HeadAnswer,
  type HeadRequest,
  type PackedRows,
  type PayloadSelection,
  type Restriction,
  rowsAtOnce,
  type ScanAnswer,
  type ScanRequest,
  type SearchParams,
  type Source,
  type SourceInfo,
} from './source.js';

export { type FromMilvusOptions, fromMilvus } from './from-milvus.js';
export type { TailLayout } from './layout.js';

/** What is used of the SDK's MilvusClient, so that the types of this package need no SDK installed. */
export interface MilvusClientLike {
  // biome-ignore lint/suspicious/noExplicitAny: the SDK's own types differ from version to version
  describeCollection(request: any): Promise<any>;
  // biome-ignore lint/suspicious/noExplicitAny: the SDK's own types differ from version to version
  describeIndex(request: any): Promise<any>;
  // biome-ignore lint/suspicious/noExplicitAny: the SDK's own types differ from version to version
  search(request: any): Promise<any>;
  // biome-ignore lint/suspicious/noExplicitAny: the SDK's own types differ from version to version
  query?(request: any): Promise<any>;
}

/** Where the vectors are. */
export interface MilvusLayout {
  /** The vector field that the server searches: the first dims of the full vectors. */
  head: string;
  /** The vector field with all dims, or the layout that splits them. */
  full: string | TailLayout;
  /** The metric of the full vectors. @default that of the full field's index, or else of the head's (tail layout: 'cosine') */
  metric?: Metric;
}

/** With `head` and `full`; or with `vectors`, several layouts by name, of which each request names one (`using`). */
export type MilvusSourceOptions = MilvusCommonOptions &
  ((MilvusLayout & { vectors?: undefined }) | { vectors: Record<string, MilvusLayout>; head?: undefined });

export interface MilvusCommonOptions {
  collection: string;
  /** The primary key's field. @default the collection's primary key */
  idField?: string;
  /** An expression that every search obeys, beside that of the request. */
  nativeFilter?: string;
  /** Search parameters of the index, e.g. `{ ef: 256 }`. */
  params?: Record<string, unknown>;
  /** A value of the SDK's ConsistencyLevelEnum. @default the collection's own */
  consistency?: number;
  /** Milliseconds for one call, where the request names none. @default the client's, for a search */
  timeout?: number;
  /**
   * A promise of yours: keys of JSON fields and dynamic keys hold no arrays or objects where filters look. Without it only
   * `match` can be said of them, since Milvus compares an array as one value.
   *
   * @default false
   */
  scalars?: boolean;
  /**
   * 'fast' reads vectors out of the answer's bytes, wherever this SDK allows it; 'client' always lets the SDK decode. The
   * candidates are the same.
   * @default 'fast'
   */
  decode?: 'fast' | 'client';
}

/**
 * Head searches on a Milvus collection through a MilvusClient that you made and keep.
 *
 * Int64 ids are decimal strings, as the SDK hands them out. Under L2 Milvus answers the square of the distance; here it is the
 * distance, and the metric is called 'euclid'.
 *
 * Dims, metric and fields are read once and believed for a minute, or until a search is refused. The SDK cannot end a request
 * before its own deadline: one that is given up goes on unheeded until then.
 *
 * @example
 * const client = new MilvusClient({ address: '127.0.0.1:19530' });
 * const source = milvusSource(client, { collection: 'films', head: 'head_embedding', full: 'embedding' });
 *
 * @throws FunnelError BAD_ARGUMENT
 */
export function milvusSource(client: MilvusClientLike, options: MilvusSourceOptions): Source {
  if (typeof client?.search !== 'function' || typeof client.describeCollection !== 'function') {
    throw expected('BAD_ARGUMENT', 'a MilvusClient of @zilliz/milvus2-sdk-node', 'client', client);
  }
  checkExpression(options?.nativeFilter);
  return sourceOf(options, (own: OwnOptions) => new MilvusSource(client, own), nameOf);
}

type OwnOptions = MilvusCommonOptions & MilvusLayout;

function nameOf(collection: string): string {
  return `Milvus collection ${JSON.stringify(collection)}`;
}

/** Milvus's own limit on `limit`; Milvus Lite does not enforce it. */
const MAX_LIMIT = 16_384;

const METRICS: Record<string, Metric | undefined> = { COSINE: 'cosine', IP: 'dot', L2: 'euclid' };

/** Vector types by the SDK's numbers. */
const TYPES: Record<number, LiftedField['kind'] | undefined> = { 101: 'float32', 102: 'float16', 103: 'bfloat16' };
const FLOAT16 = 102;
const VARCHAR = 21;
/** Binary, float, half, sparse, int8 vectors and arrays of them. */
const isVector = (type: number) => type >= 100 && type < 200;

/** Where rows keep the fields that the schema does not name. */
const DYNAMIC = '$meta';

interface Facts extends SourceInfo {
  idField: string;
  /** Whether ids are text, not numbers. */
  text: boolean;
  /** Fields that are no vectors, without the primary key. */
  scalars: string[];
  vectorFields: string[];
  dynamic: boolean;
  /** Whether the server answers squares of distances. */
  squared: { head: boolean; full: boolean };
  float16: boolean;
  /** Whether a search of the full field looks at every row. */
  scans: boolean;
  /** What filters go by. */
  fields: MilvusFields;
}

type Wanted = Pick<HeadRequest, 'withPayload' | 'vectors'>;

/** What requests may set: parameters of the indexes that have them. */
const PARAMS = { ef: 'count', nprobe: 'count', search_list: 'count', reorder_k: 'count' } as const;

/** What of rows is asked for. */
interface Reading {
  fields: { name: string; dim: number }[];
  /** Of the vectors. */
  names: string[];
  payloadFields: string[];
  outputs: string[];
  /** Of the fields, where that is not all of them. */
  select: ((payload: unknown) => unknown) | undefined;
}

class MilvusSource implements Source {
  readonly name: string;
  private readonly known: Known<Facts>;
  /** As expressions, with what they were made by. */
  private readonly filters = new WeakMap<FilterNode, { text: string; fields: MilvusFields }>();

  constructor(
    private readonly client: MilvusClientLike,
    private readonly options: OwnOptions,
  ) {
    this.name = nameOf(options.collection);
    this.known = new Known({
      where: this.name,
      read: () => this.read(),
      keep: () => true,
      classify: (error) => this.classify(error),
    });
  }

  async info(options: { timeout?: number; signal?: AbortSignal } = {}): Promise<SourceInfo> {
    // Every search asks: a deadline for what is known already would take longer than the answer.
    const { fresh } = this.known;
    const known = fresh && options.timeout === undefined && options.signal === undefined;
    const facts = known ? fresh : await this.guarded(options, (signal) => this.known.get(signal));
    const { headDim, dim, metric, idKind } = facts;
    return { headDim, dim, metric, idKind };
  }

  head(request: HeadRequest): Promise<HeadAnswer> {
    return this.guarded(request, async (signal) => {
      this.checkRequest(request);
      return this.informed(request, signal, async (facts) => (await this.searchHeads([request], facts))[0]!);
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
        await Promise.all(
          parts.map(async (places) => {
            const some = await this.searchHeads(
              places.map((i) => requests[i]!),
              facts,
            );
            places.forEach((i, p) => {
              answers[i] = some[p]!;
            });
          }),
        );
        return answers;
      });
    });
  }

  count({ filter, nativeFilter, ...options }: Parameters<NonNullable<Source['count']>>[0]): Promise<number> {
    return this.guarded(options, (signal) =>
      this.informed(undefined, signal, async (facts) => {
        const asked = { fields: [], names: [], payloadFields: [], outputs: ['count(*)'], select: undefined };
        const [row] = await this.query(this.filter({ filter, nativeFilter }, facts), asked, options, facts, {});
        return Number(row?.['count(*)'] ?? 0);
      }),
    );
  }

  async idOf(value: string | number | bigint, options: Parameters<NonNullable<Source['idOf']>>[1] = {}) {
    const { text } = await this.guarded(options, (signal) => this.known.get(signal));
    if (text) return typeof value === 'string' ? value : undefined;
    return typeof value === 'string' ? undefined : String(value);
  }

  /** @throws FunnelError UNSUPPORTED, BAD_ARGUMENT */
  private checkRequest({ withPayload, candidates, params, mode }: HeadRequest): void {
    checkPayloadSelection(withPayload);
    checkInteger(candidates, 1, MAX_LIMIT, 'candidates');
    checkParams(params, PARAMS, this.name);
    if (mode === 'exact' && typeof this.options.full !== 'string') throw this.noFull('UNSUPPORTED');
  }

  private noFull(code: 'BAD_ARGUMENT' | 'UNSUPPORTED'): FunnelError {
    return new FunnelError(code, `${this.name} stores no full vector to search: its layout is head and tail`);
  }

  full(request: Omit<HeadRequest, 'candidates'> & { limit: number }): ReturnType<Source['full']> {
    return this.guarded(request, async (signal) => {
      const { full } = this.options;
      if (typeof full !== 'string') throw this.noFull('BAD_ARGUMENT');
      checkInteger(request.limit, 1, MAX_LIMIT, 'limit');
      return this.informed(request, signal, async (facts) => {
        const { idField, squared } = facts;
        const filter = this.filter(request, facts);
        const asked = { ...request, filter, params: undefined };
        const { parts, at, began } = await this.search(full, [request.vector], request.limit, asked, [idField], []);
        const { rows } = parts[0]!;
        const scores = distances(milvusScores(rows, [idField]), squared.full);
        return { ids: milvusIds(rows, idField), scores: Array.from(scores ?? []), ms: at - began };
      });
    });
  }

  fetch(request: FetchRequest): Promise<FetchAnswer> {
    return this.guarded(request, async (signal) => {
      checkPayloadSelection(request.withPayload);
      const ids = Array.from(request.ids);
      checkIds(ids);
      return this.informed(undefined, signal, async (facts) => {
        const asked = this.reading(facts, request);
        const began = performance.now();
        const step = rowsAtOnce(facts.dim);
        const parts: PackedRows[] = [];
        for (let from = 0; from === 0 || from < ids.length; from += step) {
          signal.throwIfAborted();
          const part = ids.slice(from, from + step);
          const expression = `${facts.idField} in [${part.map((id) => keyLiteral(id, facts)).join(',')}]`;
          const rows = part.length === 0 ? [] : await this.query(expression, asked, request, facts, {});
          parts.push(inOrder(this.unpack(rows, undefined, asked, facts, request), part));
        }
        return { rows: joined(parts), ms: performance.now() - began };
      });
    });
  }

  /**
   * By key: the rows behind the last one. The two parameters are those of the SDKs' own iterators, for which servers answer
   * in the order of the keys.
   */
  scan(request: ScanRequest): Promise<ScanAnswer> {
    return this.guarded(request, async (signal) => {
      checkPayloadSelection(request.withPayload);
      const limit = checkInteger(request.limit, 1, MAX_LIMIT, 'limit');
      const { after } = request;
      return this.informed(undefined, signal, async (facts) => {
        const asked = this.reading(facts, request);
        const began = performance.now();
        const behind = after === undefined ? undefined : `${facts.idField} > ${keyLiteral(after, facts)}`;
        const params = { limit, iterator: 'True', reduce_stop_for_best: 'True' };
        const rows = await this.query(this.filter({ nativeFilter: behind }, facts), asked, request, facts, params);
        const unpacked = this.unpack(rows, undefined, asked, facts, request);
        const last = this.checkOrder(unpacked.ids.map(String), after, facts);
        // A page may be short though more follow; only an empty one is the end.
        return { rows: unpacked, next: rows.length === 0 ? undefined : last, ms: performance.now() - began };
      });
    });
  }

  /** The last key. Where keys are not in order, going on behind the last would skip rows. */
  private checkOrder(keys: readonly string[], after: string | undefined, { text }: Facts): string | undefined {
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

  private async query(
    filter: string | undefined,
    { outputs }: Reading,
    { timeout = this.options.timeout }: Pick<HeadRequest, 'timeout'>,
    { float16 }: Facts,
    params: object,
  ): Promise<readonly MilvusRow[]> {
    if (typeof this.client.query !== 'function') {
      throw expected('BAD_ARGUMENT', 'a MilvusClient with query()', 'client', this.client);
    }
    const answer = await this.client.query({
      collection_name: this.options.collection,
      filter: filter ?? '',
      output_fields: outputs,
      consistency_level: this.options.consistency,
      params,
      timeout,
      transformers: float16 ? { [FLOAT16]: (bytes: Uint8Array) => bytes } : undefined,
    });
    const no = refusal(answer?.status);
    if (no) throw this.refused((answer.status as { code?: number }).code || no.code, no.reason, answer);
    return milvusRows(answer);
  }

  /** What of rows is to be read. */
  private reading(facts: Facts, { withPayload = false, vectors = true }: Wanted): Reading {
    const { head, full } = this.options;
    const { headDim, dim, idField } = facts;
    const tailed = typeof full === 'string' ? undefined : full;
    const payloadFields = this.payloadFields(withPayload, facts);
    const fields = !vectors
      ? []
      : tailed
        ? [
            { name: head, dim: headDim },
            { name: tailed.tail, dim: dim - headDim },
          ]
        : [{ name: full as string, dim }];
    const names = fields.map((field) => field.name);
    const norm = tailed && vectors ? [tailed.headNorm] : [];
    const select = typeof withPayload === 'boolean' ? undefined : payloadSelection(withPayload);
    return {
      fields,
      names,
      payloadFields,
      select,
      outputs: [...new Set([idField, ...names, ...norm, ...payloadFields])],
    };
  }

  private unpack(
    rows: readonly MilvusRow[],
    lifted: Map<string, LiftedField> | undefined,
    { fields, payloadFields, select }: Reading,
    { headDim, dim, idField, float16 }: Facts,
    { withPayload = false, vectors: wanted = true }: Wanted,
  ): PackedRows {
    const { full } = this.options;
    const nameRow = (row: number) => `row ${row} (id ${String(rows[row]?.[idField])}) of ${this.name}`;
    const ids = milvusIds(rows, idField);
    const matrices = fields.map((field) => packField(field, rows, lifted?.get(field.name), float16, nameRow));
    let vectors = matrices[0] ?? new Float32Array(0);
    if (wanted && typeof full !== 'string') {
      const { headNorm } = full;
      const norms = rows.map((row) => row[headNorm]);
      const nameNorm = (row: number) => `field ${JSON.stringify(headNorm)} of ${nameRow(row)}`;
      const [heads, tails] = matrices as Float32Array[];
      vectors = joinTails(heads!, headDim, norms, tails!, dim - headDim, nameNorm, nameRow);
    }
    const read = (row: MilvusRow) => payloadOf(row, payloadFields);
    const payloads = withPayload === false ? undefined : rows.map((row) => (select ? select(read(row)) : read(row)));
    return { vectors, dim, ids, payloads };
  }

  /** Requests that differ in their vectors alone. */
  private async searchHeads(requests: readonly HeadRequest[], facts: Facts): Promise<HeadAnswer[]> {
    const request = requests[0]!;
    const { candidates, mode } = request;
    const exact = mode === 'exact';
    const asked = this.reading(facts, request);
    const { headDim, dim } = facts;
    const vectors = requests.map(({ vector }) => vector.subarray(0, exact ? dim : headDim));
    const field = exact ? (this.options.full as string) : this.options.head;
    const params = checkParams(request.params, PARAMS, this.name);
    const restricted = { ...request, filter: this.filter(request, facts), params };
    const { outputs, names } = asked;
    const answer = await this.search(field, vectors, candidates, restricted, outputs, names, facts.float16);
    const { parts, began, at } = answer;
    return parts.map(({ rows, lifted }) => {
      const start = parts.length === 1 ? at : performance.now();
      if (rows.length > candidates) {
        throw new FunnelError(
          'BAD_RESPONSE',
          `Expected at most ${candidates} rows from ${this.name} but received ${rows.length}`,
        );
      }
      const unpacked = this.unpack(rows, lifted, asked, facts, request);
      const squared = exact ? facts.squared.full : facts.squared.head;
      const headScores = distances(milvusScores(rows, outputs), squared);
      return {
        candidates: { ...unpacked, headScores },
        headMs: (at - began) / parts.length,
        decodeMs: performance.now() - start,
        ...(exact && { exact: facts.scans ? ('server' as const) : ('index' as const) }),
      };
    });
  }

  private async search(
    field: string,
    vectors: readonly Float32Array[],
    limit: number,
    asked: { filter: string | undefined; params: SearchParams | undefined; timeout?: number | undefined },
    outputs: readonly string[],
    lifts: readonly string[],
    float16 = false,
  ): Promise<{ parts: Part[]; began: number; at: number }> {
    const { collection, consistency, decode } = this.options;
    const data = vectors.map((vector) => Array.from(vector));
    const request = {
      collection_name: collection,
      anns_field: field,
      data: data.length === 1 ? data[0] : data,
      limit,
      filter: asked.filter,
      output_fields: outputs,
      params: asked.params === undefined ? this.options.params : { ...this.options.params, ...asked.params },
      consistency_level: consistency,
      timeout: asked.timeout ?? this.options.timeout,
      // Bits, not numbers made of them.
      transformers: float16 ? { [FLOAT16]: (bytes: Uint8Array) => bytes } : undefined,
    };
    const tap = decode === 'client' || lifts.length === 0 ? undefined : tapped(this.client, lifts);
    const began = performance.now();
    let answer: { status?: unknown; results?: unknown };
    try {
      answer = await (tap?.client ?? this.client).search(request);
    } catch (error) {
      const status = tap?.status();
      if (status && status.code !== 0) throw this.refused(status.code, status.reason, error);
      throw error;
    }
    const at = tap?.at() ?? performance.now();
    const no = refusal(answer?.status);
    if (no) throw this.refused((answer.status as { code?: number }).code || no.code, no.reason, answer);
    const lifted = tap?.fields();
    if (vectors.length === 1) return { parts: [{ rows: milvusRows(answer), lifted }], began, at };
    return { parts: partsOf(answer, vectors.length, lifted, this.name), began, at };
  }

  private filter({ filter, nativeFilter }: Restriction, facts: Facts): string | undefined {
    const { nativeFilter: standing } = this.options;
    checkExpression(nativeFilter);
    const parts = [standing, nativeFilter, filter && this.compiled(filter, facts)].filter(Boolean);
    return parts.length < 2 ? (parts[0] as string | undefined) : parts.map((part) => `(${part})`).join(' and ');
  }

  private compiled(filter: FilterNode, { fields }: Facts): string {
    const made = this.filters.get(filter);
    if (made?.fields === fields) return made.text;
    const text = toMilvusFilter(filter, fields);
    this.filters.set(filter, { text, fields });
    return text;
  }

  private payloadFields(selection: PayloadSelection, facts: Facts): string[] {
    if (selection === false) return [];
    if (selection === true || 'exclude' in (selection as object)) {
      return facts.dynamic ? [...facts.scalars, DYNAMIC] : facts.scalars;
    }
    const { include } = (Array.isArray(selection) ? { include: selection } : selection) as {
      include: readonly string[];
    };
    const roots = new Set(include.map((path) => parsePath(path, 'withPayload').steps[0]!.key));
    for (const field of roots) {
      if (facts.vectorFields.includes(field)) {
        throw new FunnelError(
          'BAD_ARGUMENT',
          `Expected payload fields but ${JSON.stringify(field)} is a vector of ${this.name}`,
        );
      }
      if (!facts.dynamic && !facts.scalars.includes(field) && field !== facts.idField) {
        throw this.noField('field', field, [facts.idField, ...facts.scalars]);
      }
    }
    return [...roots];
  }

  private noField(what: string, field: string, has: readonly string[]): FunnelError {
    const names = has.map((name) => JSON.stringify(name)).join(', ');
    return new FunnelError(
      'NO_FIELD',
      `Expected ${what} ${JSON.stringify(field)} in ${this.name} but it has ${names || 'none'}`,
    );
  }

  private refused(code: string | number, reason: string, cause: unknown): FunnelError {
    if (code === 100 || code === 'CollectionNotExists') {
      return new FunnelError('NO_COLLECTION', `${this.name} does not exist (${reason})`, { cause });
    }
    if (code === 101 || /not loaded|not been loaded/i.test(reason)) {
      return new FunnelError('NOT_LOADED', `${this.name} is not loaded: call loadCollection first (${reason})`, {
        cause,
      });
    }
    return new FunnelError('REFUSED', `${this.name} refused the request (${code}: ${reason})`, { cause });
  }

  private classify(error: unknown): FunnelError {
    const { code } = (error ?? {}) as { code?: unknown };
    const reason = messageOf(error);
    // gRPC status codes: UNAVAILABLE, DEADLINE_EXCEEDED.
    if (code === 14 || socketCode(error)) {
      return new FunnelError('UNREACHABLE', `Cannot reach ${this.name} (${reachReason(error)})`, { cause: error });
    }
    if (code === 4)
      return new FunnelError('TIMEOUT', `${this.name} gave no answer in time (${reason})`, { cause: error });
    if (typeof code === 'number') return this.refused(`gRPC ${code}`, reason, error);
    // The SDK throws a TypeError of its own where the server's answer has no results.
    return new FunnelError(
      'BAD_RESPONSE',
      `Expected a readable answer from ${this.name} but the SDK failed: ${reason}`,
      {
        cause: error,
      },
    );
  }

  /** Runs a call by what is known of the collection; if it fails, says whether that is no longer so. */
  private async informed<T>(
    query: Pick<HeadRequest, 'vector' | 'nativeFilter'> | readonly HeadRequest[] | undefined,
    signal: AbortSignal,
    search: (facts: Facts) => Promise<T>,
  ): Promise<T> {
    const queries = query === undefined ? [] : ([query].flat() as Pick<HeadRequest, 'vector' | 'nativeFilter'>[]);
    for (const { nativeFilter } of queries) checkExpression(nativeFilter);
    const facts = await this.known.get(signal);
    for (const { vector } of queries) checkHeadQuery(vector, facts.dim, this.name);
    try {
      return await search(facts);
    } catch (error) {
      const told = error instanceof FunnelError ? error : this.classify(error);
      const now = overloaded(told.cause) ? undefined : await this.known.afresh(facts, told, signal);
      for (const { vector } of now ? queries : []) checkHeadQuery(vector, now!.dim, this.name);
      throw told;
    }
  }

  private guarded<T>(
    { timeout = this.options.timeout, signal }: { timeout?: number; signal?: AbortSignal },
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    return guarded(this.name, { timeout, signal }, work, (error) => this.classify(error));
  }

  private async read(): Promise<Facts> {
    const { collection, head, full, metric } = this.options;
    const answer = await this.client.describeCollection({ collection_name: collection });
    const no = refusal(answer?.status);
    if (no) throw this.refused(answer.status.code || no.code, no.reason, answer);
    const fields: SchemaField[] | undefined = answer?.schema?.fields;
    if (!Array.isArray(fields)) throw expected('BAD_RESPONSE', 'a schema with fields', this.name, answer?.schema);

    const vectorFields = fields.filter((field) => isVector(Number(field.dataType)));
    const scalars = fields.filter(
      (field) => !vectorFields.includes(field) && !field.is_primary_key && field.name !== DYNAMIC,
    );
    const primary = fields.find((field) => field.is_primary_key);
    const idField = this.options.idField ?? primary?.name ?? 'id';
    if (!fields.some((field) => field.name === idField)) {
      const names = fields.map((field) => field.name);
      throw this.noField('id field', idField, names);
    }
    const find = (name: string) => {
      const field = vectorFields.find((one) => one.name === name);
      if (!field) {
        const names = vectorFields.map((one) => one.name);
        throw this.noField('vector field', name, names);
      }
      const kind = TYPES[Number(field.dataType)];
      if (!kind) {
        throw new FunnelError(
          'BAD_ARGUMENT',
          `Expected a FloatVector, Float16Vector or BFloat16Vector but ${JSON.stringify(name)} in ${this.name} is a ${field.data_type}`,
        );
      }
      return { dim: Number(field.dim), kind };
    };
    const headField = find(head);
    const restField = find(typeof full === 'string' ? full : full.tail);
    if (typeof full !== 'string') {
      const numbers = scalars.map((field) => field.name);
      if (!numbers.includes(full.headNorm)) throw this.noField('field', full.headNorm, numbers);
      if (headField.kind === 'float16' || restField.kind === 'float16') {
        throw new FunnelError(
          'BAD_ARGUMENT',
          `Expected FloatVector fields for the tail layout of ${this.name}, not Float16Vector`,
        );
      }
    }
    const { dim: headDim } = headField;
    const dim = typeof full === 'string' ? restField.dim : headDim + restField.dim;
    if (headDim > dim) {
      throw new FunnelError('BAD_DIMS', `Expected a head of at most ${dim} dims in ${this.name} but it has ${headDim}`);
    }

    const indexed = await this.indexes();
    const headMetric = indexed.get(head)?.metric;
    const fullIndex = typeof full === 'string' ? indexed.get(full) : undefined;
    const fullMetric = fullIndex?.metric;
    const text = Number(fields.find((field) => field.name === idField)!.dataType) === VARCHAR;
    const stored = fullMetric ?? headMetric;
    if (!metric && !(stored && METRICS[stored])) {
      throw new FunnelError(
        'BAD_ARGUMENT',
        stored
          ? `Expected an index under COSINE, IP or L2 but ${this.name} has one under ${stored}`
          : `Expected an index on ${JSON.stringify(head)} in ${this.name} but it has none: create one, or name the metric`,
      );
    }
    return {
      headDim,
      dim,
      metric: metric ?? (typeof full === 'string' ? METRICS[stored!]! : 'cosine'),
      // As the SDK hands them out.
      idKind: 'string',
      idField,
      text,
      scalars: scalars.map((field) => field.name),
      vectorFields: vectorFields.map((field) => field.name),
      dynamic: Boolean(answer.schema.enable_dynamic_field),
      squared: { head: headMetric === 'L2', full: fullMetric === 'L2' },
      float16: typeof full === 'string' && restField.kind === 'float16',
      scans: fullIndex === undefined || fullIndex.type === 'FLAT',
      fields: {
        primaryKey: { name: idField, text },
        fields: new Map(
          fields
            .filter((field) => !vectorFields.includes(field) && field.name !== DYNAMIC)
            .map((field) => [field.name, filterField(field)]),
        ),
        dynamic: Boolean(answer.schema.enable_dynamic_field),
        ...(this.options.scalars && { scalars: true }),
      },
    };
  }

  /** What is known of the indexes, by field. */
  private async indexes(): Promise<Map<string, { metric: string | undefined; type: string | undefined }>> {
    type Index = { field_name: string; params?: { key: string; value: string }[] };
    const answer = await this.client.describeIndex({ collection_name: this.options.collection });
    const indexes = new Map<string, { metric: string | undefined; type: string | undefined }>();
    const no = refusal(answer?.status);
    const code = answer?.status?.code || no?.code;
    // No index at all is an error status too, and for the caller to judge.
    if (no && code !== 700 && no.code !== 'IndexNotExist' && !/no index|index (is )?(not|doesn't)/i.test(no.reason)) {
      throw this.refused(code, no.reason, answer);
    }
    for (const { field_name, params } of (answer?.index_descriptions ?? []) as Index[]) {
      const param = (name: string) => params?.find(({ key }) => key === name)?.value?.toUpperCase();
      indexes.set(field_name, { metric: param('metric_type'), type: param('index_type') });
    }
    return indexes;
  }
}

/** A key as an expression has it. */
function keyLiteral(id: Id, { text }: Facts): string {
  const plain = String(id);
  if (text) return `"${plain.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n').replace(/\r/g, '\\r')}"`;
  if (!/^-?\d+$/.test(plain)) throw expected('BAD_ID', 'an integer, as the keys of the collection are,', 'an id', id);
  return plain;
}

/** The rows of one query of a search. */
interface Part {
  rows: readonly MilvusRow[];
  lifted: Map<string, LiftedField> | undefined;
}

/** Queries of one search: as many vectors of 768 dims are 3 MB. */
const SEARCHES = 1000;

function chunks<T>(list: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, i) => list.slice(i * size, (i + 1) * size));
}

/** An answer for several queries: an array of rows each; a flat empty one where none has hits. */
function partsOf(
  { results }: { results?: unknown },
  count: number,
  lifted: Map<string, LiftedField> | undefined,
  source: string,
): Part[] {
  const lists = Array.isArray(results) && results.length === 0 ? Array.from({ length: count }, () => []) : results;
  if (!Array.isArray(lists) || lists.length !== count || !lists.every(Array.isArray)) {
    throw expected('BAD_RESPONSE', `the rows of ${count} queries`, `the answer of ${source}`, results);
  }
  let from = 0;
  return lists.map((rows: readonly MilvusRow[]) => {
    const to = from + rows.length;
    const own = new Map<string, LiftedField>();
    for (const [name, field] of lifted ?? []) {
      const width = field.dim * (field.kind === 'float32' ? 4 : 2);
      own.set(name, { ...field, bytes: field.bytes.subarray(from * width, to * width) });
    }
    from = to;
    return { rows, lifted: lifted && own };
  });
}

interface SchemaField {
  name: string;
  data_type?: string;
  dataType?: number;
  element_type?: string;
  nullable?: boolean;
  dim?: string | number;
  is_primary_key?: boolean;
}

function filterField({ data_type = '', element_type, nullable }: SchemaField): MilvusField {
  return {
    type: data_type,
    ...(data_type === 'Array' && element_type !== undefined && { element: element_type }),
    ...(nullable && { nullable: true }),
  };
}

function packField(
  { name, dim }: { name: string; dim: number },
  rows: readonly MilvusRow[],
  lifted: LiftedField | undefined,
  float16: boolean,
  nameRow: (row: number) => string,
): Float32Array | Uint16Array {
  if (lifted) {
    const { bytes, kind } = lifted;
    if (lifted.dim !== dim)
      throw new FunnelError('BAD_DIMS', `Expected ${dim} dims in ${JSON.stringify(name)} but received ${lifted.dim}`);
    const width = kind === 'float32' ? 4 : 2;
    if (bytes.length !== rows.length * dim * width) {
      throw new FunnelError(
        'BAD_RESPONSE',
        `Expected ${rows.length} vectors in ${JSON.stringify(name)} but received ${bytes.length / (dim * width)}`,
      );
    }
    if (kind === 'bfloat16') return fromBfloat16(bytes);
    // A copy, because floats on the wire lie at any address, and the message need not be kept for them.
    const own = new Uint8Array(bytes.length);
    own.set(bytes);
    return kind === 'float32' ? new Float32Array(own.buffer) : new Uint16Array(own.buffer);
  }
  const vectors = rows.map((row, i) => {
    const vector = row[name];
    if (vector === undefined || vector === null) throw absent(name, nameRow(i), row);
    return vector as PackableRow;
  });
  if (!float16) return packRows(vectors, dim, { name: nameRow });
  const bits = new Uint16Array(rows.length * dim);
  vectors.forEach((vector, i) => {
    const bytes = vector as unknown as Uint8Array;
    if (bytes.length !== dim * 2) throw expected('BAD_DIMS', `${dim * 2} bytes`, nameRow(i), bytes);
    new Uint8Array(bits.buffer, i * dim * 2, dim * 2).set(bytes);
  });
  return bits;
}

function payloadOf(row: MilvusRow, fields: readonly string[]): MilvusRow {
  const payload: MilvusRow = {};
  for (const field of fields) {
    if (field !== DYNAMIC) {
      if (row[field] !== undefined) setOwn(payload, field, row[field]);
      continue;
    }
    const dynamic = (row[DYNAMIC] ?? {}) as MilvusRow;
    for (const key of Object.keys(dynamic)) setOwn(payload, key, dynamic[key]);
  }
  return payload;
}

function distances(scores: Float64Array | undefined, squared: boolean): Float64Array | undefined {
  return squared ? scores?.map((score) => Math.sqrt(Math.max(0, score))) : scores;
}

/*
 * The SDK's search() as it is, with one part exchanged: what reads the bytes of the answer. Client, pool and channel are
 * derived objects that inherit everything from the caller's, which stay untouched; request building, retries, failover and
 * telemetry are the SDK's. Where a part is not there any more, the SDK's own reader is used.
 */

interface Channel {
  makeUnaryRequest?(
    path: string,
    serialize: unknown,
    deserialize: (bytes: Buffer) => unknown,
    ...rest: unknown[]
  ): unknown;
  Search?: { path?: string; requestSerialize?: unknown; responseDeserialize?: (bytes: Buffer) => unknown };
}

interface Pool {
  acquire(...args: unknown[]): Promise<Channel>;
  release(channel: Channel, ...args: unknown[]): Promise<unknown>;
}

interface Tap {
  client: MilvusClientLike;
  /** The vectors, once lifted out of a success. */
  fields(): Map<string, LiftedField> | undefined;
  status(): { code: number; reason: string } | undefined;
  /** When the answer was here. */
  at(): number | undefined;
}

function tapped(client: MilvusClientLike, names: readonly string[]): Tap | undefined {
  const pool = (client as { channelPool?: Pool }).channelPool;
  if (typeof pool?.acquire !== 'function' || typeof pool.release !== 'function') return undefined;
  let fields: Map<string, LiftedField> | undefined;
  let status: { code: number; reason: string } | undefined;
  let at: number | undefined;
  const originals = new WeakMap<Channel, Channel>();

  const derive = (channel: Channel): Channel => {
    const { path, requestSerialize, responseDeserialize } = channel.Search ?? {};
    if (!path || !requestSerialize || !responseDeserialize || typeof channel.makeUnaryRequest !== 'function')
      return channel;
    const read = (bytes: Buffer): unknown => {
      at = performance.now();
      status = statusOf(bytes);
      const lifted = status && status.code === 0 ? liftFields(bytes, names) : undefined;
      fields = lifted?.fields;
      return responseDeserialize(lifted?.rest ?? bytes);
    };
    const search = (...rest: unknown[]) => {
      // The SDK tries again: what an earlier attempt was answered is past.
      fields = status = at = undefined;
      return channel.makeUnaryRequest!(path, requestSerialize, read, ...rest);
    };
    const derived = Object.create(channel, { Search: { value: search } }) as Channel;
    originals.set(derived, channel);
    return derived;
  };

  const derivedPool = Object.create(pool, {
    acquire: { value: async (...args: unknown[]) => derive(await pool.acquire(...args)) },
    release: {
      value: (channel: Channel, ...args: unknown[]) => pool.release(originals.get(channel) ?? channel, ...args),
    },
  });
  return {
    client: Object.create(client, { channelPool: { value: derivedPool, writable: true } }),
    fields: () => fields,
    status: () => status,
    at: () => at,
  };
}

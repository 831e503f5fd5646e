/** Milvus as a source: `funnelvec/milvus`. */
import { expected, FunnelError } from '../errors.js';
import type { Id, Metric } from '../types.js';
import { checkIds, checkInteger, checkPayload } from '../validate.js';
import { guarded, messageOf, overloaded, reachReason, socketCode } from './call.js';
import { absent, fromBfloat16, type MilvusRow, milvusIds, milvusRows, milvusScores, refusal } from './from-milvus.js';
import { Known } from './known.js';
import { checkHeadQuery, checkLayout, checkMetric, joinTails, type TailLayout } from './layout.js';
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
  rowsAtOnce,
  type ScanAnswer,
  type ScanRequest,
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

export interface MilvusSourceOptions {
  collection: string;
  /** The vector field that the server searches: the first dims of the full vectors. */
  head: string;
  /** The vector field with all dims, or the layout that splits them. */
  full: string | TailLayout;
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
  /** The metric of the full vectors. @default that of the full field's index, or else of the head's (tail layout: 'cosine') */
  metric?: Metric;
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
  checkLayout(options);
  checkMetric(options.metric);
  checkExpression(options.nativeFilter);
  return new MilvusSource(client, options);
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
}

type Wanted = Pick<HeadRequest, 'withPayload' | 'vectors'>;

/** What of rows is asked for. */
interface Reading {
  fields: { name: string; dim: number }[];
  /** Of the vectors. */
  names: string[];
  payloadFields: string[];
  outputs: string[];
}

class MilvusSource implements Source {
  readonly name: string;
  private readonly known: Known<Facts>;

  constructor(
    private readonly client: MilvusClientLike,
    private readonly options: MilvusSourceOptions,
  ) {
    this.name = `Milvus collection ${JSON.stringify(options.collection)}`;
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
      checkPayload(request.withPayload);
      checkInteger(request.candidates, 1, MAX_LIMIT, 'candidates');
      return this.informed(request, signal, (facts) => this.searchHead(request, facts));
    });
  }

  full(request: Omit<HeadRequest, 'candidates'> & { limit: number }): ReturnType<Source['full']> {
    return this.guarded(request, async (signal) => {
      const { full } = this.options;
      if (typeof full !== 'string') {
        throw new FunnelError(
          'BAD_ARGUMENT',
          `${this.name} stores no full vector to search: its layout is head and tail`,
        );
      }
      checkInteger(request.limit, 1, MAX_LIMIT, 'limit');
      return this.informed(request, signal, async (facts) => {
        const { idField, squared } = facts;
        const { rows, at, began } = await this.search(full, request.vector, request.limit, request, [idField], []);
        const scores = distances(milvusScores(rows, [idField]), squared.full);
        return { ids: milvusIds(rows, idField), scores: Array.from(scores ?? []), ms: at - began };
      });
    });
  }

  fetch(request: FetchRequest): Promise<FetchAnswer> {
    return this.guarded(request, async (signal) => {
      checkPayload(request.withPayload);
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
      checkPayload(request.withPayload);
      const limit = checkInteger(request.limit, 1, MAX_LIMIT, 'limit');
      const { after } = request;
      return this.informed(undefined, signal, async (facts) => {
        const asked = this.reading(facts, request);
        const began = performance.now();
        const behind = after === undefined ? undefined : `${facts.idField} > ${keyLiteral(after, facts)}`;
        const params = { limit, iterator: 'True', reduce_stop_for_best: 'True' };
        const rows = await this.query(this.filter(behind), asked, request, facts, params);
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
    return { fields, names, payloadFields, outputs: [...new Set([idField, ...names, ...norm, ...payloadFields])] };
  }

  private unpack(
    rows: readonly MilvusRow[],
    lifted: Map<string, LiftedField> | undefined,
    { fields, payloadFields }: Reading,
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
    const payloads = withPayload === false ? undefined : rows.map((row) => payloadOf(row, payloadFields));
    return { vectors, dim, ids, payloads };
  }

  private async searchHead(request: HeadRequest, facts: Facts): Promise<HeadAnswer> {
    const { candidates } = request;
    const asked = this.reading(facts, request);
    const vector = request.vector.subarray(0, facts.headDim);
    const { rows, lifted, at, began } = await this.search(
      this.options.head,
      vector,
      candidates,
      request,
      asked.outputs,
      asked.names,
      facts.float16,
    );
    if (rows.length > candidates) {
      throw new FunnelError(
        'BAD_RESPONSE',
        `Expected at most ${candidates} rows from ${this.name} but received ${rows.length}`,
      );
    }
    const unpacked = this.unpack(rows, lifted, asked, facts, request);
    const headScores = distances(milvusScores(rows, asked.outputs), facts.squared.head);
    return { candidates: { ...unpacked, headScores }, headMs: at - began, decodeMs: performance.now() - at };
  }

  private async search(
    field: string,
    vector: Float32Array,
    limit: number,
    { nativeFilter, timeout = this.options.timeout }: Pick<HeadRequest, 'nativeFilter' | 'timeout'>,
    outputs: readonly string[],
    lifts: readonly string[],
    float16 = false,
  ): Promise<{ rows: readonly MilvusRow[]; lifted?: Map<string, LiftedField>; began: number; at: number }> {
    const { collection, params, consistency, decode } = this.options;
    const request = {
      collection_name: collection,
      anns_field: field,
      data: Array.from(vector),
      limit,
      filter: this.filter(nativeFilter),
      output_fields: outputs,
      params,
      consistency_level: consistency,
      timeout,
      // Bits, not numbers made of them.
      transformers: float16 ? { [FLOAT16]: (bytes: Uint8Array) => bytes } : undefined,
    };
    const tap = decode === 'client' || lifts.length === 0 ? undefined : tapped(this.client, lifts);
    const began = performance.now();
    let answer: { status?: unknown };
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
    return { rows: milvusRows(answer), lifted: tap?.fields(), began, at };
  }

  private filter(requested: unknown): string | undefined {
    const { nativeFilter } = this.options;
    checkExpression(requested);
    if (!nativeFilter) return requested || undefined;
    return requested ? `(${nativeFilter}) and (${requested})` : nativeFilter;
  }

  private payloadFields(selection: PayloadSelection, facts: Facts): string[] {
    if (selection === false) return [];
    if (selection === true) return facts.dynamic ? [...facts.scalars, DYNAMIC] : facts.scalars;
    for (const field of selection as readonly string[]) {
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
    return [...(selection as readonly string[])];
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
    query: Pick<HeadRequest, 'vector' | 'nativeFilter'> | undefined,
    signal: AbortSignal,
    search: (facts: Facts) => Promise<T>,
  ): Promise<T> {
    checkExpression(query?.nativeFilter);
    const facts = await this.known.get(signal);
    if (query) checkHeadQuery(query.vector, facts.dim, this.name);
    try {
      return await search(facts);
    } catch (error) {
      const told = error instanceof FunnelError ? error : this.classify(error);
      const now = overloaded(told.cause) ? undefined : await this.known.afresh(facts, told, signal);
      if (now && query) checkHeadQuery(query.vector, now.dim, this.name);
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

    const indexed = await this.metrics();
    const headMetric = indexed.get(head);
    const fullMetric = typeof full === 'string' ? indexed.get(full) : undefined;
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
      text: Number(fields.find((field) => field.name === idField)!.dataType) === VARCHAR,
      scalars: scalars.map((field) => field.name),
      vectorFields: vectorFields.map((field) => field.name),
      dynamic: Boolean(answer.schema.enable_dynamic_field),
      squared: { head: headMetric === 'L2', full: fullMetric === 'L2' },
      float16: typeof full === 'string' && restField.kind === 'float16',
    };
  }

  /** Metric types by field, from the indexes. */
  private async metrics(): Promise<Map<string, string>> {
    type Index = { field_name: string; params?: { key: string; value: string }[] };
    const answer = await this.client.describeIndex({ collection_name: this.options.collection });
    const metrics = new Map<string, string>();
    const no = refusal(answer?.status);
    const code = answer?.status?.code || no?.code;
    // No index at all is an error status too, and for the caller to judge.
    if (no && code !== 700 && no.code !== 'IndexNotExist' && !/no index|index (is )?(not|doesn't)/i.test(no.reason)) {
      throw this.refused(code, no.reason, answer);
    }
    for (const { field_name, params } of (answer?.index_descriptions ?? []) as Index[]) {
      const metric = params?.find((param) => param.key === 'metric_type')?.value;
      if (metric) metrics.set(field_name, metric.toUpperCase());
    }
    return metrics;
  }
}

/** A key as an expression has it. */
function keyLiteral(id: Id, { text }: Facts): string {
  const plain = String(id);
  if (text) return `"${plain.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n').replace(/\r/g, '\\r')}"`;
  if (!/^-?\d+$/.test(plain)) throw expected('BAD_ID', 'an integer, as the keys of the collection are,', 'an id', id);
  return plain;
}

interface SchemaField {
  name: string;
  data_type?: string;
  dataType?: number;
  dim?: string | number;
  is_primary_key?: boolean;
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

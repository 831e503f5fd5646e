/** Searches and queries as the SDK sends them. Refusals among the answers are errors, and integers in JSON what the database has. */
import { expected } from '../../core/errors.js';
import type { HeadRequest, SearchParams } from '../../query/source/source.js';
import type { Nodes } from '../nodes.js';
import type { MilvusClientLike, MilvusRow } from './client.js';
import { refused } from './errors.js';
import { milvusIds, milvusRows, refusal } from './from-milvus.js';
import { checkUnrounded, restoreJson } from './integers.js';
import type { MilvusCommonOptions } from './options.js';
import { Partitions } from './partitions.js';
import type { Reading } from './reading.js';
import { type QueryRows, rowsByQuery } from './rows.js';
import { behindKey, FLOAT16, type MilvusFacts, type SearchedField } from './schema.js';
import { type MilvusScope, scoped } from './scope.js';
import { type Tap, tappedMilvus } from './tap.js';
import { storedQuery } from './vector-types.js';

/** The output that counts rows. */
export const COUNT_FIELD = 'count(*)';

/** A page of rows in the order of their keys, as the SDKs' own iterators ask for it. */
const PAGE = { limit: 10_000, iterator: 'True', reduce_stop_for_best: 'True' };

/** The parts of rows that a query reads: its outputs, and which of them are vectors. */
type Asked = Pick<Reading, 'outputs' | 'names'>;

/** The options of a call beside its question. */
export interface MilvusCall extends Pick<HeadRequest, 'timeout'> {
  signal: AbortSignal;
  /** @default the source's */
  scope?: MilvusScope;
}

interface MilvusSearch {
  filter: string | undefined;
  params: SearchParams | undefined;
  scope: MilvusScope;
  signal: AbortSignal;
  timeout?: number | undefined;
}

/** The rows of each query. */
export interface MilvusAnswer {
  parts: QueryRows[];
  began: number;
  at: number;
  /** The divisors of scores, for each query. */
  factors: readonly number[];
  /** Whether a query was rounded to int8. */
  rounded: boolean;
}

export class MilvusCalls {
  private readonly partitions: Partitions;

  constructor(
    private readonly nodes: Nodes<MilvusClientLike>,
    private readonly options: MilvusCommonOptions,
    /** The source's, for errors. */
    private readonly name: string,
    /** The default of calls that name none. */
    private readonly scope: MilvusScope,
  ) {
    this.partitions = new Partitions(options.collection, name);
  }

  /** How many rows pass. */
  async count(filter: string | undefined, call: MilvusCall, facts: MilvusFacts): Promise<number> {
    const { partitions } = call.scope ?? this.scope;
    const byIds =
      partitions !== undefined && (await this.nodes.run(call.signal, (client) => this.partitions.miscounts(client)));
    if (byIds) return this.countIds(filter, call, facts);
    const { rows } = await this.query(filter, { outputs: [COUNT_FIELD], names: [] }, call, facts, {});
    const count = rows[0]?.[COUNT_FIELD];
    // The SDK has integers of 64 bits as text.
    if (/^\d+$/.test(String(count))) return Number(count);
    throw expected('BAD_RESPONSE', 'a count', `the rows of ${this.name}`, rows[0]);
  }

  /** By their keys, page by page. */
  private async countIds(filter: string | undefined, call: MilvusCall, facts: MilvusFacts): Promise<number> {
    let count = 0;
    let behind: string | undefined;
    while (true) {
      call.signal.throwIfAborted();
      const page = [filter, behind].filter(Boolean).map((part) => `(${part})`);
      const asked = { outputs: [facts.idField], names: [] };
      const { rows } = await this.query(page.join(' and '), asked, call, facts, PAGE);
      if (rows.length === 0) return count;
      count += rows.length;
      behind = behindKey(milvusIds(rows, facts.idField).at(-1)!, facts);
    }
  }

  query(
    filter: string | undefined,
    asked: Asked,
    { signal, timeout = this.options.timeout, scope = this.scope }: MilvusCall,
    facts: MilvusFacts,
    params: object,
  ): Promise<QueryRows> {
    return this.nodes.run(signal, (client) => this.queryAt(client, filter, asked, { timeout, scope }, facts, params));
  }

  private async queryAt(
    client: MilvusClientLike,
    filter: string | undefined,
    { outputs, names }: Asked,
    { timeout, scope }: { timeout: number | undefined; scope: MilvusScope },
    facts: MilvusFacts,
    params: object,
  ): Promise<QueryRows> {
    const { float16 } = facts;
    await this.partitions.check(client, scope.partitions);
    if (typeof client.query !== 'function') {
      throw expected('BAD_ARGUMENT', 'a MilvusClient with query()', 'client', client);
    }
    const json = jsonOf(outputs, facts);
    const lifts = this.options.decode === 'client' ? [] : names;
    const tap = lifts.length + json.length === 0 ? undefined : tappedMilvus(client, 'Query', lifts);
    const answer = await (tap?.client ?? client).query!({
      collection_name: this.options.collection,
      filter: filter ?? '',
      output_fields: outputs,
      ...scoped(scope),
      params,
      timeout,
      transformers: float16 ? { [FLOAT16]: (bytes: Uint8Array) => bytes } : undefined,
    });
    const no = refusal(answer?.status);
    if (no) throw refused(this.name, (answer.status as { code?: number }).code || no.code, no.reason, answer);
    const rows = milvusRows(answer);
    this.exactJson(rows, json, tap);
    return { rows, lifted: tap?.fields() };
  }

  search(
    field: SearchedField,
    vectors: readonly Float32Array[],
    limit: number,
    asked: MilvusSearch,
    outputs: readonly string[],
    lifts: readonly string[],
    facts: MilvusFacts,
  ): Promise<MilvusAnswer> {
    return this.nodes.run(asked.signal, (client) =>
      this.searchAt(client, field, vectors, limit, asked, outputs, lifts, facts),
    );
  }

  private async searchAt(
    client: MilvusClientLike,
    field: SearchedField,
    vectors: readonly Float32Array[],
    limit: number,
    asked: MilvusSearch,
    outputs: readonly string[],
    lifts: readonly string[],
    facts: MilvusFacts,
  ): Promise<MilvusAnswer> {
    await this.partitions.check(client, asked.scope.partitions);
    const { collection, decode } = this.options;
    const { float16 } = facts;
    const queries = vectors.map((vector) => storedQuery(vector, field, this.name));
    const data = queries.map((query) => query.data);
    const request = {
      collection_name: collection,
      anns_field: field.name,
      data: data.length === 1 ? data[0] : data,
      limit,
      filter: asked.filter,
      output_fields: outputs,
      params: asked.params === undefined ? this.options.params : { ...this.options.params, ...asked.params },
      ...scoped(asked.scope),
      timeout: asked.timeout ?? this.options.timeout,
      // Bits, not numbers made of them.
      transformers: float16 ? { [FLOAT16]: (bytes: Uint8Array) => bytes } : undefined,
    };
    const json = jsonOf(outputs, facts);
    const lifted = decode === 'client' ? [] : lifts;
    const tap = lifted.length + json.length === 0 ? undefined : tappedMilvus(client, 'Search', lifted);
    const began = performance.now();
    let answer: { status?: unknown; results?: unknown };
    try {
      answer = await (tap?.client ?? client).search(request);
    } catch (error) {
      const status = tap?.status();
      if (status && status.code !== 0) throw refused(this.name, status.code, status.reason, error);
      throw error;
    }
    const at = tap?.at() ?? performance.now();
    const no = refusal(answer?.status);
    if (no) throw refused(this.name, (answer.status as { code?: number }).code || no.code, no.reason, answer);
    const fields = tap?.fields();
    const parts =
      vectors.length === 1
        ? [{ rows: milvusRows(answer), lifted: fields }]
        : rowsByQuery(answer, vectors.length, fields, this.name);
    if (json.length > 0)
      this.exactJson(parts.length === 1 ? parts[0]!.rows : parts.flatMap(({ rows }) => rows), json, tap);
    // Scores of a scaled query are larger by its factor, but for those of directions.
    const factors = queries.map(({ factor }) => (field.metric === 'IP' ? factor : 1));
    return { parts, began, at, factors, rounded: queries.some(({ rounded }) => rounded) };
  }

  /**
   * Sees that integers in JSON are what the database has.
   *
   * @param rows all of an answer
   * @param json what of them is JSON
   */
  private exactJson(rows: readonly MilvusRow[], json: readonly string[], tap: Tap | undefined): void {
    const exact = tap?.json();
    if (exact !== undefined) {
      restoreJson(rows, exact, json);
      return;
    }
    for (const field of json) {
      for (const [i, row] of rows.entries()) {
        checkUnrounded(row[field], () => `${JSON.stringify(field)} of row ${i} of ${this.name}`);
      }
    }
  }
}

/** The outputs that hold JSON: JSON fields, the dynamic one and keys of it. */
function jsonOf(outputs: readonly string[], { fields: { fields }, vectorFields }: MilvusFacts): string[] {
  return outputs.filter((name) => {
    const field = fields.get(name);
    return field === undefined ? !vectorFields.includes(name) && name !== COUNT_FIELD : field.type === 'JSON';
  });
}

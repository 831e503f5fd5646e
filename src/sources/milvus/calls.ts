/** Searches and queries as the SDK sends them. Refusals among the answers are errors, and integers in JSON what the database has. */
import { expected } from '../../core/errors.js';
import type { HeadRequest, SearchParams } from '../../query/source/source.js';
import type { MilvusClientLike, MilvusRow } from './client.js';
import { consistencyLevel } from './consistency.js';
import { milvusRows, refusal } from './from-milvus.js';
import { checkUnrounded, restoreJson } from './integers.js';
import type { MilvusCommonOptions } from './options.js';
import type { Reading } from './reading.js';
import { type QueryRows, rowsByQuery } from './rows.js';
import { FLOAT16, type MilvusFacts, refused, type SearchedField } from './schema.js';
import { type Tap, tappedMilvus } from './tap.js';
import { storedQuery } from './vector-types.js';

/** The output that counts rows. */
export const COUNT_FIELD = 'count(*)';

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
  constructor(
    private readonly client: MilvusClientLike,
    private readonly options: MilvusCommonOptions,
    /** The source's, for errors. */
    private readonly name: string,
  ) {}

  async query(
    filter: string | undefined,
    { outputs }: Pick<Reading, 'outputs'>,
    { timeout = this.options.timeout }: Pick<HeadRequest, 'timeout'>,
    facts: MilvusFacts,
    params: object,
  ): Promise<readonly MilvusRow[]> {
    const { float16 } = facts;
    if (typeof this.client.query !== 'function') {
      throw expected('BAD_ARGUMENT', 'a MilvusClient with query()', 'client', this.client);
    }
    const json = jsonOf(outputs, facts);
    const tap = json.length === 0 ? undefined : tappedMilvus(this.client, 'Query');
    const answer = await (tap?.client ?? this.client).query!({
      collection_name: this.options.collection,
      filter: filter ?? '',
      output_fields: outputs,
      consistency_level: consistencyLevel(this.options.consistency),
      params,
      timeout,
      transformers: float16 ? { [FLOAT16]: (bytes: Uint8Array) => bytes } : undefined,
    });
    const no = refusal(answer?.status);
    if (no) throw refused(this.name, (answer.status as { code?: number }).code || no.code, no.reason, answer);
    const rows = milvusRows(answer);
    this.exactJson(rows, json, tap);
    return rows;
  }

  async search(
    field: SearchedField,
    vectors: readonly Float32Array[],
    limit: number,
    asked: { filter: string | undefined; params: SearchParams | undefined; timeout?: number | undefined },
    outputs: readonly string[],
    lifts: readonly string[],
    facts: MilvusFacts,
  ): Promise<MilvusAnswer> {
    const { collection, consistency, decode } = this.options;
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
      consistency_level: consistencyLevel(consistency),
      timeout: asked.timeout ?? this.options.timeout,
      // Bits, not numbers made of them.
      transformers: float16 ? { [FLOAT16]: (bytes: Uint8Array) => bytes } : undefined,
    };
    const json = jsonOf(outputs, facts);
    const lifted = decode === 'client' ? [] : lifts;
    const tap = lifted.length + json.length === 0 ? undefined : tappedMilvus(this.client, 'Search', lifted);
    const began = performance.now();
    let answer: { status?: unknown; results?: unknown };
    try {
      answer = await (tap?.client ?? this.client).search(request);
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

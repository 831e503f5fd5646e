/** Mastra's contract of a vector store, checked; where the vectors are is a backend's. */
import { randomUUID } from 'node:crypto';
import {
  type CreateIndexParams,
  type DeleteIndexParams,
  type DeleteVectorParams,
  type DeleteVectorsParams,
  type DescribeIndexParams,
  type IndexStats,
  MastraVector,
  type QueryResult,
  type QueryVectorParams,
  type UpdateVectorParams,
  type UpsertVectorParams,
} from '@mastra/core/vector';
import { expected, FunnelError } from '../../core/errors.js';
import { nameOfMetric } from '../../core/metrics.js';
import { checkInteger, checkKeys } from '../../core/validate.js';
import type { FilterNode } from '../../query/filter/ast.js';
import { isBlank, packedVector } from '../langchain/vectors.js';
import { plainValue } from '../plain.js';
import type { FoundRow, IndexShape, SearchManner, StoredRow, VectorBackend } from './backend.js';
import { calledByMastra, mastraError, type Operation } from './errors.js';
import { mastraFilter } from './filter.js';
import { checkIndexName } from './names.js';
import { WriteTurns } from './turns.js';

/** A query of Mastra's, with more that can be said here: `databaseConfig` of its query tool passes some of it on. */
export interface MastraQuery extends QueryVectorParams, SearchManner {
  /** Only rows of at least this score. @default every row */
  minScore?: number;
}

/** The params of createIndex(). */
export interface MastraIndexParams extends CreateIndexParams {
  /** Keys of metadata that filters will ask for, as Mastra's Memory names them; over Milvus they need none. */
  metadataIndexes?: string[];
}

/** Our metrics by Mastra's names. */
const METRICS = { cosine: 'cosine', euclidean: 'euclid', dotproduct: 'dot' } as const;
const QUERY_KEYS = [
  'indexName',
  'queryVector',
  'topK',
  'filter',
  'includeVector',
  'sparseVector',
  'minScore',
  'mode',
  'candidates',
];
const UPSERT_KEYS = ['indexName', 'vectors', 'metadata', 'ids', 'sparseVectors', 'deleteFilter'];

/** The methods that FunnelVector and MilvusVector share. Every method throws a MastraError whose cause is a FunnelError. */
export abstract class BackedVector extends MastraVector {
  readonly #backend: VectorBackend;
  readonly #usual: SearchManner;
  readonly #turns = new WriteTurns();

  /** @internal */
  protected constructor(id: string, backend: VectorBackend, usual: SearchManner) {
    super({ id });
    this.#backend = backend;
    this.#usual = usual;
  }

  /** Makes an index, which stays as it is where there is one of these dims. */
  override async createIndex(params: MastraIndexParams): Promise<void> {
    return this.#called('CREATE_INDEX', params, async (name) => {
      checkKeys(
        params,
        ['indexName', 'dimension', 'metric', 'metadataIndexes', 'indexConfig'],
        'the params of createIndex()',
      );
      const { dimension, metric, metadataIndexes = [] } = params;
      const { indexConfig } = params as { indexConfig?: unknown };
      if (!Number.isInteger(dimension) || dimension < 1 || dimension > 65_536) {
        throw expected('BAD_DIMS', '1 to 65536 dims', 'dimension', dimension);
      }
      if (metric !== undefined && !Object.hasOwn(METRICS, metric)) {
        throw expected('BAD_ARGUMENT', "'cosine', 'euclidean' or 'dotproduct'", 'metric', metric);
      }
      if (!Array.isArray(metadataIndexes) || metadataIndexes.some((key) => typeof key !== 'string' || key === '')) {
        throw expected('BAD_ARGUMENT', 'an array of keys', 'metadataIndexes', metadataIndexes);
      }
      if (indexConfig !== undefined) {
        this.logger?.warn(`funnelvec: indexConfig of ${name} is for PostgreSQL and has no effect here`);
      }
      await this.#turns.take(name, async () => {
        const there = await this.#backend.shapeOf(name);
        if (there === undefined)
          await this.#backend.create(name, { dim: dimension, metric: METRICS[metric ?? 'cosine'] });
        else this.#compare(name, there, params);
        if (metadataIndexes.length > 0 && !(await this.#backend.indexKeys(name, metadataIndexes))) {
          this.logger?.debug(`funnelvec: metadataIndexes of ${name} were not made`);
        }
      });
    });
  }

  #compare(name: string, { dim, metric }: IndexShape, asked: CreateIndexParams): void {
    if (dim !== asked.dimension) {
      const what = `${dim} dims, which ${JSON.stringify(name)} has: delete it to make another, or name another,`;
      throw calledByMastra('DIMENSION_MISMATCH', expected('BAD_DIMS', what, 'dimension', asked.dimension));
    }
    const own = nameOfMetric(METRICS, metric, 'Mastra');
    if (asked.metric !== undefined && asked.metric !== own) {
      this.logger?.warn(
        `funnelvec: ${name} is there with the metric ${own}, which stays; ${asked.metric} was asked for`,
      );
    }
  }

  /** The names of all indexes, in the order of their characters. */
  override async listIndexes(): Promise<string[]> {
    return this.#told('LIST_INDEXES', undefined, () => this.#backend.names());
  }

  /** Dims, rows and metric. @throws MastraError NO_INDEX */
  override async describeIndex(params: DescribeIndexParams): Promise<IndexStats> {
    return this.#called('DESCRIBE_INDEX', params, async (name) => {
      const { dim: dimension, metric } = await this.#shape(name);
      const count = await this.#backend.count(name);
      return { dimension, count, metric: nameOfMetric(METRICS, metric, 'Mastra') };
    });
  }

  /** Nothing where there is none. */
  override async deleteIndex(params: DeleteIndexParams): Promise<void> {
    return this.#called('DELETE_INDEX', params, (name) => this.#turns.take(name, () => this.#backend.drop(name)));
  }

  /**
   * Rows that are near a vector, best first; or without one those that pass a filter, by id, with a score of 0. Larger scores are
   * better: cosines, dot products, 1 / (1 + distance). A vector of zeros, which has no direction, finds nothing under cosine and dot.
   */
  override async query(params: MastraQuery): Promise<QueryResult[]> {
    return this.#called('QUERY', params, async (name) => {
      checkKeys(params, QUERY_KEYS, 'the params of query()');
      const { queryVector, topK = 10, filter: given, includeVector = false, minScore, sparseVector } = params;
      if (sparseVector !== undefined) throw noSparse('sparseVector');
      if (!Number.isInteger(topK) || topK < 1) {
        throw calledByMastra('INVALID_TOP_K', expected('BAD_ARGUMENT', 'an integer of at least 1', 'topK', topK));
      }
      if (typeof includeVector !== 'boolean')
        throw expected('BAD_ARGUMENT', 'a boolean', 'includeVector', includeVector);
      if (minScore !== undefined && (typeof minScore !== 'number' || Number.isNaN(minScore))) {
        throw expected('BAD_ARGUMENT', 'a number', 'minScore', minScore);
      }
      const manner = this.#manner(params);
      const filter = mastraFilter(given, 'filter', this.#backend.place);
      if (queryVector === undefined || queryVector === null) {
        if (filter === undefined) {
          const error = expected(
            'BAD_ARGUMENT',
            'queryVector, or a filter with conditions,',
            'query()',
            given ?? queryVector,
          );
          throw calledByMastra('MISSING_VECTOR', error);
        }
        await this.#shape(name);
        const rows = await this.#backend.matching(name, filter, includeVector, topK);
        return rows.map((row) => resultOf({ ...row, score: 0 }, 0, includeVector));
      }
      const { dim, metric } = await this.#shape(name);
      const vector = packedVector(queryVector, dim, 'queryVector');
      if (isBlank(vector, dim, metric)) return [];
      const asked = { vector, limit: topK, filter, withVector: includeVector, ...manner };
      const found = await this.#backend.search(name, asked);
      const results = found.map((row) =>
        resultOf(row, metric === 'euclid' ? 1 / (1 + row.score) : row.score, includeVector),
      );
      return minScore === undefined ? results : results.filter(({ score }) => score >= minScore);
    });
  }

  /**
   * Rows with these ids, or new ones, take the place of those that have them, metadata and all; with `deleteFilter` of all that
   * pass it, too. Over an index it is one commit. Of an id that comes twice the last row stays.
   *
   * @returns the ids
   */
  override async upsert(params: UpsertVectorParams): Promise<string[]> {
    return this.#called('UPSERT', params, async (name) => {
      checkKeys(params, UPSERT_KEYS, 'the params of upsert()');
      const { vectors, metadata, ids: given, sparseVectors, deleteFilter } = params;
      if (sparseVectors !== undefined) throw noSparse('sparseVectors');
      if (!Array.isArray(vectors) || vectors.length === 0) {
        throw calledByMastra(
          'EMPTY_VECTORS',
          expected('BAD_ARGUMENT', 'an array of at least one vector', 'vectors', vectors),
        );
      }
      const kept = metadata && Array.isArray(metadata) && metadata.length === 0 ? undefined : metadata;
      const objects = sameLength(kept, vectors.length, 'metadata', 'METADATA_LENGTH_MISMATCH');
      const texts = sameLength(given, vectors.length, 'ids', 'IDS_LENGTH_MISMATCH');
      const ids = vectors.map((_, i) => (texts === undefined ? randomUUID() : checkedId(texts[i], `ids[${i}]`)));
      const own = vectors.map((_, i) => metadataOf(objects?.[i], `metadata[${i}]`));
      const instead = this.#restricted(deleteFilter, 'deleteFilter');
      return this.#turns.take(name, async () => {
        const { dim } = await this.#shape(name);
        const rows = vectors.map((vector, i) => {
          return { id: ids[i]!, vector: packedVector(vector, dim, `vectors[${i}]`), metadata: own[i]! };
        });
        await this.#backend.put(name, rows, instead);
        return ids;
      });
    });
  }

  /** Another vector, or other metadata in place of all that there is, for one row or all that pass a filter. An id that no row has is none. */
  override async updateVector(params: UpdateVectorParams): Promise<void> {
    return this.#called('UPDATE_VECTOR', params, async (name) => {
      checkKeys(params, ['indexName', 'id', 'filter', 'update'], 'the params of updateVector()');
      const { id, filter, update } = params;
      const target = this.#target(id === undefined ? undefined : [id], filter, 'id');
      if (typeof update !== 'object' || update === null) throw expected('BAD_ARGUMENT', 'an object', 'update', update);
      checkKeys(update, ['vector', 'metadata'], 'update');
      const { vector, metadata } = update;
      if ((vector ?? metadata ?? undefined) === undefined) {
        throw calledByMastra('NO_PAYLOAD', expected('BAD_ARGUMENT', 'vector, metadata or both', 'update', update));
      }
      const own = metadata === undefined || metadata === null ? undefined : metadataOf(metadata, 'update.metadata');
      await this.#turns.take(name, async () => {
        const { dim } = await this.#shape(name);
        const packed = vector === undefined || vector === null ? undefined : packedVector(vector, dim, 'update.vector');
        await this.#rewrite(name, target, packed, own);
      });
    });
  }

  /** Rows keep what is not given: until stores can change metadata alone, they are read and written whole, in one commit. */
  async #rewrite(
    name: string,
    target: readonly string[] | FilterNode,
    vector: Float32Array | undefined,
    metadata: Record<string, unknown> | undefined,
  ): Promise<void> {
    const withVector = vector === undefined;
    const rows =
      'op' in target
        ? await this.#backend.matching(name, target, withVector)
        : await this.#backend.rowsOf(name, target, withVector);
    if (rows.length === 0) return;
    const now = rows.map(
      (row): StoredRow => ({ id: row.id, vector: vector ?? row.vector, metadata: metadata ?? row.metadata }),
    );
    await this.#backend.put(name, now);
  }

  /** Nothing where no row has the id. */
  override async deleteVector(params: DeleteVectorParams): Promise<void> {
    return this.#called('DELETE_VECTOR', params, async (name) => {
      checkKeys(params, ['indexName', 'id'], 'the params of deleteVector()');
      const id = checkedId(params.id, 'id');
      await this.#turns.take(name, () => this.#remove(name, [id]));
    });
  }

  /** By ids, of which those that no row has are ignored, or all that pass a filter. */
  override async deleteVectors(params: DeleteVectorsParams): Promise<void> {
    return this.#called('DELETE_VECTORS', params, async (name) => {
      checkKeys(params, ['indexName', 'ids', 'filter'], 'the params of deleteVectors()');
      const target = this.#target(params.ids, params.filter, 'ids');
      await this.#turns.take(name, () => this.#remove(name, target));
    });
  }

  async #remove(name: string, rows: readonly string[] | FilterNode): Promise<void> {
    await this.#shape(name);
    await this.#backend.remove(name, rows);
  }

  /** Waits for writes that were asked for before, and gives the indexes back. Calls behind it are refused. */
  async close(): Promise<void> {
    return this.#told('CLOSE', undefined, async () => {
      await this.#turns.ended();
      await this.#backend.close();
    });
  }

  /** close(), for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** A query that says one of the two says it for both. */
  #manner(params: SearchManner): SearchManner {
    const own = checkedManner(params);
    return own.mode === undefined && own.candidates === undefined ? this.#usual : own;
  }

  /** Ids or a filter that restricts, not both. */
  #target(ids: unknown, filter: unknown, what: 'id' | 'ids'): readonly string[] | FilterNode {
    const byIds = ids !== undefined && ids !== null;
    const byFilter = filter !== undefined && filter !== null;
    if (byIds === byFilter) {
      const error = new FunnelError(
        'BAD_ARGUMENT',
        `Expected ${what} or filter but received ${byIds ? 'both' : 'none'}`,
      );
      throw calledByMastra(byIds ? 'MUTUALLY_EXCLUSIVE' : 'NO_TARGET', error);
    }
    if (byFilter) return this.#restricted(filter, 'filter')!;
    if (!Array.isArray(ids)) throw expected('BAD_ARGUMENT', 'an array of ids', what, ids);
    if (ids.length === 0) throw calledByMastra('EMPTY_IDS', expected('BAD_ARGUMENT', 'at least one id', what, ids));
    return Array.from(ids, (id, i) => checkedId(id, what === 'id' ? 'id' : `ids[${i}]`));
  }

  /** Undefined where none was given. What everything passes is more likely a mistake than a wish. */
  #restricted(filter: unknown, where: string): FilterNode | undefined {
    const node = mastraFilter(filter, where, this.#backend.place);
    if (node !== undefined || filter === undefined || filter === null) return node;
    const error = expected('BAD_ARGUMENT', 'a filter with conditions (deleteIndex() deletes all)', where, filter);
    throw calledByMastra('EMPTY_FILTER', error);
  }

  /** @throws FunnelError NO_INDEX */
  async #shape(name: string): Promise<IndexShape> {
    const shape = await this.#backend.shapeOf(name);
    if (shape !== undefined) return shape;
    throw new FunnelError(
      'NO_INDEX',
      `Expected the name of an index for indexName but received ${JSON.stringify(name)}, which is none: make it by createIndex()`,
    );
  }

  async #called<T>(operation: Operation, params: unknown, run: (name: string) => Promise<T>): Promise<T> {
    const indexName = (params as { indexName?: unknown } | null | undefined)?.indexName;
    return this.#told(operation, indexName, async () => {
      if (typeof params !== 'object' || params === null) {
        throw expected('BAD_ARGUMENT', 'an object of params', 'the argument', params);
      }
      const name = checkIndexName(indexName);
      this.#backend.checkName(name);
      return run(name);
    });
  }

  async #told<T>(operation: Operation, indexName: unknown, run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      const told = mastraError(operation, indexName, error);
      this.logger?.trackException(told);
      throw told;
    }
  }
}

/** @throws FunnelError BAD_ARGUMENT */
export function checkedManner({ mode, candidates }: SearchManner): SearchManner {
  if (mode !== undefined && mode !== 'exact' && mode !== 'funnel') {
    throw expected('BAD_ARGUMENT', "'exact' or 'funnel'", 'mode', mode);
  }
  if (candidates !== undefined) checkInteger(candidates, 1, 0xffff_ffff, 'candidates');
  if (mode === 'exact' && candidates !== undefined) {
    throw new FunnelError('BAD_ARGUMENT', "Expected no candidates beside mode 'exact': there is nothing to trade");
  }
  return { ...(mode !== undefined && { mode }), ...(candidates !== undefined && { candidates }) };
}

function resultOf({ id, metadata, vector }: FoundRow, score: number, withVector: boolean): QueryResult {
  return { id, score, metadata, ...(withVector && { vector: Array.from(vector!) }) };
}

function checkedId(id: unknown, where: string): string {
  if (typeof id === 'string' && id !== '') return id;
  throw expected('BAD_ID', 'a text of at least one character', where, id);
}

function sameLength<T>(
  list: readonly T[] | null | undefined,
  length: number,
  where: string,
  status: string,
): readonly T[] | undefined {
  if (list === undefined || list === null) return undefined;
  if (Array.isArray(list) && list.length === length) return list;
  throw calledByMastra(status, expected('BAD_ARGUMENT', `an array of ${length}, one for each vector,`, where, list));
}

function metadataOf(given: unknown, where: string): Record<string, unknown> {
  if (given === undefined || given === null) return {};
  if (typeof given !== 'object' || Array.isArray(given)) throw expected('BAD_ARGUMENT', 'an object', where, given);
  const own = plainValue(given, where);
  if (typeof own === 'object' && own !== null && !Array.isArray(own)) return own as Record<string, unknown>;
  throw expected('BAD_ARGUMENT', 'an object', where, given);
}

function noSparse(where: string): FunnelError {
  return new FunnelError(
    'UNSUPPORTED',
    `Expected no ${where}: there are dense vectors alone here; fuse() joins lists of other searches`,
  );
}

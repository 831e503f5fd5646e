/** The indexes of a Mastra store as collections of Milvus: an id, a vector (and its first dims), metadata as JSON. */
import { expected, FunnelError } from '../../core/errors.js';
import { nameOfMetric } from '../../core/metrics.js';
import { isString } from '../../core/validate.js';
import { type Filter, FunnelSearch, funnelPlan, type Id, type Plan } from '../../index.js';
import type { FilterNode } from '../../query/filter/ast.js';
import { Conditions } from '../../query/filter/conditions.js';
import type { PackedRows, Source } from '../../query/source/source.js';
import { guarded } from '../../sources/index.js';
import { refusal } from '../../sources/milvus/from-milvus.js';
import { type MilvusClientLike, type MilvusSourceOptions, milvusSource } from '../../sources/milvus/index.js';
import { MILVUS_METRICS } from '../../sources/milvus/schema.js';
import { type MilvusWriteClient, milvusWriter, type PointWriter } from '../langchain/writers.js';
import type { AskedSearch, FoundRow, IndexShape, StoredRow, VectorBackend } from './backend.js';
import { collectionName, nameOfCollection } from './names.js';

/** The part of the client of @zilliz/milvus2-sdk-node that we use. */
export interface MilvusStoreClient extends MilvusClientLike, MilvusWriteClient {
  /** Tells whether there is a collection. */
  // biome-ignore lint/suspicious/noExplicitAny: the SDK's own types differ from version to version
  hasCollection(request: any): Promise<any>;
  /** The collections that there are. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  showCollections(request?: any): Promise<any>;
  /** Makes a collection. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  createCollection(request: any): Promise<any>;
  /** Makes the index over a vector field. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  createIndex(request: any): Promise<any>;
  /** Has a collection loaded. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  loadCollectionAsync(request: any): Promise<any>;
  /** Tells how much of a collection is loaded. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  getLoadingProgress(request: any): Promise<any>;
  /** Deletes a collection. */
  // biome-ignore lint/suspicious/noExplicitAny: as above
  dropCollection(request: any): Promise<any>;
}

const METHODS = [
  ...(['describeCollection', 'describeIndex', 'search', 'query', 'upsert', 'delete', 'hasCollection'] as const),
  ...(['showCollections', 'createCollection', 'createIndex', 'loadCollectionAsync', 'dropCollection'] as const),
  'getLoadingProgress' as const,
];
const ID = 'id';
const METADATA = 'metadata';
const VECTOR = 'vector';
const HEAD = 'head';
/** As the SDK numbers types. */
const TYPES = { text: 21, json: 23, floats: 101 };
/** Milliseconds that an empty collection may take to be loaded. */
const LONGEST_LOAD = 120_000;
/** Rows of one page, and ids of one delete. */
const AT_ONCE = 1000;

interface Collection {
  source: Source;
  search: FunnelSearch;
  writer: PointWriter;
}

export class MilvusBackend implements VectorBackend {
  readonly place = { root: [{ key: METADATA, each: false }], limited: 'Milvus' };
  readonly #collections = new Map<string, Promise<Collection>>();

  constructor(
    private readonly client: MilvusStoreClient,
    private readonly prefix: string,
    private readonly head: number | undefined,
  ) {
    const lacking = METHODS.find(
      (method) => typeof (client as Partial<MilvusStoreClient> | undefined)?.[method] !== 'function',
    );
    if (lacking !== undefined) throw expected('BAD_ARGUMENT', `a MilvusClient, with ${lacking}(),`, 'client', client);
  }

  checkName(name: string): void {
    if (collectionName(this.prefix, name).length <= 255) return;
    throw expected(
      'BAD_ARGUMENT',
      'a name of at most 255 characters, six for those other than letters, digits and _,',
      'indexName',
      name,
    );
  }

  async names(): Promise<string[]> {
    const { data } = await this.#asked('', () => this.client.showCollections({}));
    const texts = Array.isArray(data) ? data.map((one: { name?: unknown } | null | undefined) => one?.name) : undefined;
    if (texts === undefined || !texts.every(isString)) {
      throw expected('BAD_RESPONSE', 'names', 'the collections of Milvus', data);
    }
    const names = texts.map((text) => nameOfCollection(this.prefix, text));
    return names.filter((name) => name !== undefined).sort();
  }

  async shapeOf(name: string): Promise<IndexShape | undefined> {
    const collection_name = collectionName(this.prefix, name);
    if (!(await this.#isThere(name, collection_name))) {
      this.#collections.delete(name); // another process may have deleted it
      return undefined;
    }
    const { dim, metric } = await (await this.#collection(name)).source.info();
    return { dim, metric };
  }

  /** An answer of neither says nothing: by it an index would be made twice, or be taken for deleted. */
  async #isThere(name: string, collection_name: string): Promise<boolean> {
    const { value } = await this.#asked(name, () => this.client.hasCollection({ collection_name }));
    if (typeof value === 'boolean') return value;
    throw expected('BAD_RESPONSE', 'a boolean', `whether Milvus has ${collection_name}`, value);
  }

  async count(name: string): Promise<number> {
    return (await this.#collection(name)).source.count!({});
  }

  async create(name: string, { dim, metric }: IndexShape): Promise<void> {
    const collection_name = collectionName(this.prefix, name);
    const metric_type = nameOfMetric(MILVUS_METRICS, metric, 'Milvus');
    const vectors: [string, number][] = [[VECTOR, dim]];
    if (this.head !== undefined && this.head < dim) vectors.push([HEAD, this.head]);
    const fields = [
      { name: ID, data_type: TYPES.text, is_primary_key: true, max_length: 65_535 },
      { name: METADATA, data_type: TYPES.json },
      ...vectors.map(([field, size]) => ({ name: field, data_type: TYPES.floats, dim: size })),
    ];
    const made = { collection_name, fields, consistency_level: 'Strong' };
    await this.#asked(name, () => this.client.createCollection(made));
    try {
      for (const [field_name] of vectors) {
        const index = { collection_name, field_name, index_type: 'AUTOINDEX', metric_type };
        await this.#asked(name, () => this.client.createIndex(index));
      }
      await this.#load(name, collection_name);
    } catch (error) {
      // Half of an index would be taken for one.
      await this.client.dropCollection({ collection_name }).catch(() => {});
      throw error;
    }
  }

  /** As loadCollectionSync() does, which sleeps .4 s when all is loaded, too. */
  async #load(name: string, collection_name: string): Promise<void> {
    await this.#asked(name, () => this.client.loadCollectionAsync({ collection_name }));
    for (const end = performance.now() + LONGEST_LOAD; ; await new Promise((done) => setTimeout(done, 50))) {
      const { progress } = await this.#asked(name, () => this.client.getLoadingProgress({ collection_name }));
      // The SDK has integers of 64 bits as text.
      if (typeof progress !== 'number' && !/^\d+$/.test(String(progress))) {
        throw expected('BAD_RESPONSE', 'a percentage', `the progress of loading ${collection_name}`, progress);
      }
      if (Number(progress) >= 100) return;
      if (performance.now() > end) {
        throw new FunnelError(
          'TIMEOUT',
          `Expected ${collection_name} to be loaded within ${LONGEST_LOAD / 60_000} minutes`,
        );
      }
    }
  }

  async indexKeys(): Promise<boolean> {
    return false;
  }

  async drop(name: string): Promise<void> {
    const collection_name = collectionName(this.prefix, name);
    this.#collections.delete(name);
    if (await this.#isThere(name, collection_name))
      await this.#asked(name, () => this.client.dropCollection({ collection_name }));
  }

  /**
   * Milvus has no transactions: those that others replace are found first and deleted last, so that a failure on the way leaves
   * too much, never too little, and the same call again puts it right.
   */
  async put(name: string, rows: readonly StoredRow[], instead?: FilterNode): Promise<void> {
    for (const { id, metadata } of rows) checkJson(metadata, `the metadata of ${JSON.stringify(id)}`);
    const { writer } = await this.#collection(name);
    const before = instead === undefined ? [] : await this.matching(name, instead, false);
    const last = new Map(rows.map((row) => [row.id, row]));
    await writer.upsert(
      Array.from(last.values(), ({ id, vector, metadata }) => ({ id, vector, payload: { [METADATA]: metadata } })),
    );
    await this.#delete(
      writer,
      before.map(({ id }) => id).filter((id) => !last.has(id)),
    );
  }

  async search(name: string, asked: AskedSearch): Promise<FoundRow[]> {
    const { vector, limit, withVector, mode } = asked;
    const { search } = await this.#collection(name);
    const filter = asked.filter && (new Conditions(asked.filter) as unknown as Filter);
    const plan = await this.#planOf(search, asked);
    const common = { vector, limit, filter, withPayload: [METADATA], withVector };
    const { hits } = await search.query(mode === 'exact' ? { ...common, mode } : { ...common, plan });
    return hits.map(({ id, score, payload, vector: own }) => ({
      id: String(id),
      score,
      metadata: metadataOf(payload),
      ...(withVector && { vector: own! }),
    }));
  }

  async #planOf(search: FunnelSearch, { candidates, limit, mode }: AskedSearch): Promise<Plan | undefined> {
    if (candidates === undefined || mode === 'exact') return undefined;
    const { dim, headDim } = await search.source.info();
    return { ...funnelPlan(dim, { head: headDim }), candidates: Math.max(candidates, limit), limit };
  }

  async rowsOf(name: string, ids: readonly string[], withVector: boolean): Promise<StoredRow[]> {
    const { source } = await this.#collection(name);
    const found: StoredRow[] = [];
    for (let from = 0; from < ids.length; from += AT_ONCE) {
      const some = ids.slice(from, from + AT_ONCE);
      const { rows } = await source.fetch!({ ids: some, withPayload: [METADATA], vectors: withVector });
      found.push(...storedRows(rows, withVector));
    }
    return found;
  }

  async matching(
    name: string,
    filter: FilterNode,
    withVector: boolean,
    limit = Number.POSITIVE_INFINITY,
  ): Promise<StoredRow[]> {
    const { source } = await this.#collection(name);
    const found: StoredRow[] = [];
    let after: string | undefined;
    do {
      const few = Math.min(AT_ONCE, limit - found.length);
      const page = await source.scan!({
        filter,
        limit: few,
        withPayload: [METADATA],
        vectors: withVector,
        ...(after !== undefined && { after }),
      });
      found.push(...storedRows(page.rows, withVector));
      after = page.next;
    } while (after !== undefined && found.length < limit);
    return found.slice(0, limit);
  }

  async remove(name: string, rows: readonly string[] | FilterNode): Promise<void> {
    const { writer } = await this.#collection(name);
    const ids = 'op' in rows ? (await this.matching(name, rows, false)).map(({ id }) => id) : rows;
    await this.#delete(writer, ids);
  }

  async #delete(writer: PointWriter, ids: readonly Id[]): Promise<void> {
    for (let from = 0; from < ids.length; from += AT_ONCE) await writer.delete(ids.slice(from, from + AT_ONCE));
  }

  /** The client is the caller's. */
  async close(): Promise<void> {
    this.#collections.clear();
  }

  #collection(name: string): Promise<Collection> {
    const known = this.#collections.get(name);
    if (known !== undefined) return known;
    const opening = this.#opened(name);
    this.#collections.set(name, opening);
    opening.catch(() => this.#collections.delete(name));
    return opening;
  }

  /** @throws FunnelError NO_COLLECTION, NO_FIELD: it is none of ours */
  async #opened(name: string): Promise<Collection> {
    const collection = collectionName(this.prefix, name);
    const common = { collection, consistency: 'Strong', scalars: 'ask' } as const;
    const sourceOf = (own: Partial<MilvusSourceOptions>) =>
      milvusSource(this.client, { ...common, ...own } as MilvusSourceOptions);
    // One that another program made may have another head, or none.
    let where: { head: string; full: string } = { head: HEAD, full: VECTOR };
    let source = sourceOf(where);
    try {
      await source.info();
    } catch (error) {
      if (!(error instanceof FunnelError) || error.code !== 'NO_FIELD') throw error;
      where = { head: VECTOR, full: VECTOR };
      source = sourceOf(where);
      await source.info();
    }
    return {
      source,
      search: new FunnelSearch({ source }),
      writer: milvusWriter(this.client, { collection, ...where }),
    };
  }

  // biome-ignore lint/suspicious/noExplicitAny: an answer of the SDK's
  async #asked(name: string, call: () => Promise<any>): Promise<any> {
    const label = name === '' ? 'Milvus' : `Milvus collection ${JSON.stringify(collectionName(this.prefix, name))}`;
    const refused = (cause: unknown) =>
      new FunnelError('REFUSED', `${label} refused: ${(cause as Error | undefined)?.message ?? String(cause)}`, {
        cause,
      });
    const answer = await guarded(
      label,
      {},
      async () => {
        const given = await call();
        if (typeof given !== 'object' || given === null) {
          throw expected('BAD_RESPONSE', 'an object', `the answer of ${label}`, given);
        }
        const no = refusal(given?.status ?? given);
        if (no !== undefined) throw new Error(no.reason || String(no.code));
        return given;
      },
      refused,
    );
    return answer;
  }
}

function storedRows({ ids, payloads, vectors, dim }: PackedRows, withVector: boolean): StoredRow[] {
  return ids.map((id, i) => ({
    id: String(id),
    vector: withVector ? (vectors as Float32Array).slice(i * dim, (i + 1) * dim) : new Float32Array(0),
    metadata: metadataOf(payloads?.[i]),
  }));
}

function metadataOf(payload: unknown): Record<string, unknown> {
  return asNumbers((payload as Record<string, unknown> | undefined)?.[METADATA] ?? {}) as Record<string, unknown>;
}

/** Integers were numbers when they were written; the source hands out large ones as bigints. */
function asNumbers(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (typeof value !== 'object' || value === null) return value;
  const own = value as Record<string, unknown>;
  for (const key of Object.keys(own)) {
    const now = asNumbers(own[key]);
    if (now !== own[key])
      Object.defineProperty(own, key, { value: now, enumerable: true, writable: true, configurable: true });
  }
  return own;
}

/** @throws FunnelError BAD_ARGUMENT: a value that JSON would make another of */
function checkJson(value: unknown, where: string): void {
  if (typeof value === 'bigint' || (typeof value === 'number' && !Number.isFinite(value))) {
    throw expected('BAD_ARGUMENT', 'a value of JSON, which Milvus keeps metadata as,', where, value);
  }
  if (typeof value !== 'object' || value === null) return;
  for (const [key, one] of Object.entries(value)) checkJson(one, `${where}.${key}`);
}

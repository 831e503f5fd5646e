/** FunnelVectorStore: LangChain's VectorStore over a FunnelIndex, or over a FunnelSearch on any source. */
import { randomUUID } from 'node:crypto';
import type { Document, DocumentInterface } from '@langchain/core/documents';
import type { EmbeddingsInterface } from '@langchain/core/embeddings';
import { maximalMarginalRelevance } from '@langchain/core/utils/math';
import { type MaxMarginalRelevanceSearchOptions, VectorStore } from '@langchain/core/vectorstores';
import { isSignal } from '../../core/call.js';
import { expected, FunnelError } from '../../core/errors.js';
import { idAs } from '../../core/ids.js';
import { checkInteger, checkKeys } from '../../core/validate.js';
import type { TextEmbedder } from '../../embed/types.js';
import type { FunnelSearch, Id, Metric, Plan, SearchExplanation, SearchRequest } from '../../index.js';
import type { FunnelIndex } from '../../store/index.js';
import { embeddingsOf } from './embeddings.js';
import { type MetadataFilter, metadataFilter } from './filter.js';
import {
  checkExplain,
  checkSearchSettings,
  checkStoreConfig,
  checkThreshold,
  type FunnelAnswer,
  type FunnelStoreConfig,
  isIndex,
  SEARCH_OPTION_KEYS,
  type SearchOptions,
  type SearchSettings,
} from './options.js';
import { idsPassing } from './passing.js';
import { documentLayout, documentOf, documentPayload, type Layout } from './payload.js';
import { isBlank, packedVector } from './vectors.js';
import type { PointWriter, WrittenPoint } from './writers.js';

interface Hit {
  id: Id;
  score: number;
  payload?: unknown;
  vector?: Float32Array;
}

/** The answer of an index or of a search. */
interface Found {
  hits: readonly Hit[];
  stats: FunnelAnswer['stats'];
  explanation?: SearchExplanation;
}

const NOTHING: Found = { hits: [], stats: undefined };

/**
 * Scores are similarities, larger is better: cosines, dot products, 1 / (1 + distance) for euclid. A query of zeros, which has
 * no direction, finds nothing, but for euclid. Filters are Qdrant's, over the payload (`metadata.source`), or an object of equalities over
 * metadata (`{ source: 'a.pdf' }`).
 *
 * @example
 * const store = await FunnelVectorStore.fromDocuments(documents, embeddings, { index });
 * const documents = await store.asRetriever({ k: 4, filter: { source: 'a.pdf' } }).invoke('What is a funnel?');
 */
export class FunnelVectorStore extends VectorStore {
  /** The filters that it takes: a type alone, for LangChain's retrievers and chains. */
  declare FilterType: MetadataFilter;
  /** The index that is searched and written to; undefined over a FunnelSearch. */
  readonly index: FunnelIndex | undefined;
  /** The search that finds documents; undefined over an index. */
  readonly search: FunnelSearch | undefined;
  /** Where documents are written: the index itself, or the writer beside `search`. Undefined: the store is read-only. */
  readonly writer: PointWriter | undefined;
  readonly #layout: Layout;
  readonly #usual: SearchSettings;
  /** An index or mirror that is searched in this process, whose dims and metric need no request. */
  readonly #here: { readonly dim: number; readonly metric: Metric } | undefined;

  /**
   * @param embeddings of LangChain, or an embedder
   * @throws FunnelError BAD_ARGUMENT, UNSUPPORTED
   */
  constructor(embeddings: EmbeddingsInterface | TextEmbedder, given: FunnelStoreConfig) {
    const config = checkStoreConfig(given);
    super(embeddingsOf(embeddings), {});
    this.index = config.index;
    this.search = config.search;
    this.writer = config.writer ?? config.index;
    this.#here = config.index ?? (config.search?.search === 'mirror' ? config.search.mirror : undefined);
    this.#layout = documentLayout(config.contentKey, config.metadataKey);
    const { mode, candidates, plan } = config;
    checkSearchSettings(config, this.index);
    this.#usual = { ...(mode && { mode }), ...(candidates !== undefined && { candidates }), ...(plan && { plan }) };
  }

  static override async fromTexts(
    texts: string[],
    metadatas: object[] | object,
    embeddings: EmbeddingsInterface | TextEmbedder,
    config: FunnelStoreConfig,
  ): Promise<FunnelVectorStore> {
    if (!Array.isArray(texts)) throw expected('BAD_ARGUMENT', 'an array of texts', 'texts', texts);
    if (Array.isArray(metadatas) && metadatas.length !== texts.length) {
      const what = `an object, or an array of ${texts.length}, one for each text,`;
      throw expected('BAD_ARGUMENT', what, 'metadatas', metadatas);
    }
    const documents = texts.map((pageContent, i) => ({
      pageContent,
      metadata: (Array.isArray(metadatas) ? metadatas[i] : metadatas) ?? {},
    }));
    return FunnelVectorStore.fromDocuments(documents, embeddings, config);
  }

  static override async fromDocuments(
    documents: DocumentInterface[],
    embeddings: EmbeddingsInterface | TextEmbedder,
    config: FunnelStoreConfig,
  ): Promise<FunnelVectorStore> {
    const store = new FunnelVectorStore(embeddings, config);
    await store.addDocuments(documents);
    return store;
  }

  /** A store over a collection that is there already. @throws FunnelError where it is not: NO_COLLECTION, NO_FIELD, UNREACHABLE, CLOSED */
  static async fromExistingIndex(
    embeddings: EmbeddingsInterface | TextEmbedder,
    config: FunnelStoreConfig,
  ): Promise<FunnelVectorStore> {
    const store = new FunnelVectorStore(embeddings, config);
    await (store.search === undefined ? store.info() : store.search.source.info());
    return store;
  }

  override _vectorstoreType(): string {
    return 'funnelvec';
  }

  /** @internal Candidates of a search that says nothing of them, where somebody said how many. */
  get usualCandidates(): number | undefined {
    return this.#usual.candidates ?? (this.#usual.plan ?? this.search?.plan)?.candidates;
  }

  /** Dims and metric of what is searched. */
  async info(): Promise<{
    /** Dims of the full vectors. */
    dim: number;
    /** The metric of the full vectors. */
    metric: Metric;
  }> {
    if (this.index !== undefined) void this.index.count; // refuses where it was closed
    const { dim, metric } = this.#here ?? (await this.search!.source.info());
    return { dim, metric };
  }

  // Writing

  /**
   * Documents with their vectors. What has an id that is there takes its place. Over an index all of a call is written or
   * nothing; over a database a call that failed may be made again.
   *
   * @param options.ids before the documents' own; a document without either gets a UUID
   * @returns the ids
   * @throws FunnelError BAD_ARGUMENT (naming document and key), BAD_DIMS, NOT_FINITE, BAD_ID, UNSUPPORTED before any work
   */
  override async addVectors(
    vectors: number[][],
    documents: DocumentInterface[],
    options: { ids?: string[] } = {},
  ): Promise<string[]> {
    const { payloads, texts } = this.#checkDocuments(documents, options);
    if (!Array.isArray(vectors) || vectors.length !== documents.length) {
      throw expected('BAD_ARGUMENT', `${documents.length} vectors, one for each document,`, 'vectors', vectors);
    }
    return this.#write(vectors, payloads, texts);
  }

  /** As addVectors(), with vectors of `embeddings`. Everything is checked before any text is embedded. */
  override async addDocuments(documents: DocumentInterface[], options: { ids?: string[] } = {}): Promise<string[]> {
    return this.addEmbedded(documents, options, this.embeddings);
  }

  /** @internal addDocuments() with vectors of other embeddings. */
  async addEmbedded(
    documents: DocumentInterface[],
    options: { ids?: string[] } | undefined,
    embeddings: EmbeddingsInterface,
  ): Promise<string[]> {
    const { payloads, texts } = this.#checkDocuments(documents, options ?? {});
    if (documents.length === 0) return [];
    const contents = documents.map(({ pageContent }) => pageContent);
    const vectors = await embeddings.embedDocuments(contents);
    if (!Array.isArray(vectors) || vectors.length !== documents.length) {
      const what = `${documents.length} vectors, one for each document,`;
      throw expected('BAD_RESPONSE', what, 'the answer of the embeddings', vectors);
    }
    return this.#write(vectors, payloads, texts);
  }

  #checkDocuments(
    documents: DocumentInterface[],
    options: { ids?: string[] },
  ): { payloads: Record<string, unknown>[]; texts: (string | undefined)[] } {
    this.#writable();
    if (!Array.isArray(documents)) throw expected('BAD_ARGUMENT', 'an array of documents', 'documents', documents);
    checkKeys(options ?? {}, ['ids'], 'the options beside documents');
    const ids = options?.ids;
    if (ids !== undefined && (!Array.isArray(ids) || ids.length !== documents.length)) {
      throw expected('BAD_ARGUMENT', `${documents.length} ids, one for each document,`, 'ids', ids);
    }
    const payloads = Array.from(documents, (one, i) => documentPayload(one, `documents[${i}]`, this.#layout));
    const texts = documents.map((one, i) => {
      const own: unknown = ids?.[i];
      const id: unknown = own === undefined ? one.id : own;
      if (id === undefined || (typeof id === 'string' && id !== '')) return id;
      throw expected('BAD_ID', 'a text of at least one character', `the id of documents[${i}]`, id);
    });
    return { payloads, texts };
  }

  async #write(
    vectors: readonly (readonly number[])[],
    payloads: Record<string, unknown>[],
    texts: (string | undefined)[],
  ): Promise<string[]> {
    if (vectors.length === 0) return [];
    const { dim } = await this.info();
    const idOf = await this.#idOf();
    const points = new Map<Id, WrittenPoint>();
    const ids = texts.map((text, i) => {
      const id = idOf(text ?? randomUUID());
      if (id === undefined) {
        const what = text === undefined ? 'ids beside documents' : 'a whole number';
        throw expected('BAD_ID', `${what}, since the store has numbers for ids,`, `the id of documents[${i}]`, text);
      }
      const vector = packedVector(vectors[i]!, dim, `the vector of documents[${i}]`);
      points.set(id, { id, vector, payload: payloads[i]! }); // of an id that comes twice the last stays
      return String(id);
    });
    await this.#writable().upsert([...points.values()]);
    return ids;
  }

  /**
   * By ids, of which those that nothing has are ignored, or all documents that pass a filter.
   *
   * @throws FunnelError BAD_ARGUMENT (also for a filter that passes everything), UNSUPPORTED
   */
  override async delete(params: { ids?: string[]; filter?: MetadataFilter } = {}): Promise<void> {
    checkKeys(params ?? {}, ['ids', 'filter'], 'what delete() takes');
    const { ids, filter } = params ?? {};
    const writer = this.#writable();
    if ((ids === undefined) === (filter === undefined)) {
      const got = ids === undefined ? 'neither' : 'both';
      throw new FunnelError('BAD_ARGUMENT', `Expected ids or filter for delete() but received ${got}`);
    }
    if (ids !== undefined) {
      if (!Array.isArray(ids)) throw expected('BAD_ARGUMENT', 'an array of ids', 'ids', ids);
      const idOf = await this.#idOf();
      const known = Array.from(ids, (id: unknown, i) => {
        if (typeof id !== 'string') throw expected('BAD_ID', 'a text', `ids[${i}]`, id);
        try {
          return idOf(id);
        } catch {
          return undefined; // nothing has such an id
        }
      });
      await writer.delete(known.filter((id) => id !== undefined));
      return;
    }
    const checked = metadataFilter(filter, this.#layout);
    if (checked === undefined) {
      throw new FunnelError('BAD_ARGUMENT', 'Expected a filter with conditions for delete(), which would delete all');
    }
    if (this.index !== undefined) await this.index.delete({ filter: checked });
    else for await (const found of idsPassing(this.search!, checked)) await writer.delete(found);
  }

  #writable(): PointWriter {
    if (this.writer !== undefined) return this.writer;
    throw new FunnelError(
      'UNSUPPORTED',
      'Expected a writer beside the search of a FunnelVectorStore that documents are written to: qdrantWriter(), milvusWriter()',
    );
  }

  /** Ids of LangChain's as those of the store; undefined where it has none like it. */
  async #idOf(): Promise<(text: string) => Id | undefined> {
    const { writer } = this;
    if (writer?.idOf !== undefined) return (text) => writer.idOf!(text);
    // An empty index takes any kind; a source over it has to name one.
    const index = this.index ?? (isIndex(writer) ? writer : undefined);
    const kind = index === undefined ? (await this.search!.source.info()).idKind : (index.idKind ?? 'string');
    return (text) => idAs(kind, text);
  }

  // Reading

  /** @internal @throws FunnelError BAD_ARGUMENT, as a search by this filter would */
  checkFilter(filter: MetadataFilter | undefined): void {
    metadataFilter(filter, this.#layout);
  }

  override async similaritySearchVectorWithScore(
    query: number[],
    k: number,
    filter?: MetadataFilter,
  ): Promise<[Document, number][]> {
    return (await this.searchVector(query, { k, filter })).documents;
  }

  /**
   * Relevant documents that differ from one another: `fetchK` are found, of which `k` are chosen one by one by lambda × the
   * cosine to the query − (1 − lambda) × the largest cosine to one chosen before. Lambda 1 is relevance alone.
   */
  override async maxMarginalRelevanceSearch(
    query: string,
    options: MaxMarginalRelevanceSearchOptions<MetadataFilter>,
  ): Promise<Document[]> {
    checkKeys(options, ['k', 'fetchK', 'lambda', 'filter'], 'the options of maxMarginalRelevanceSearch()');
    const { k = 4, fetchK = 20, lambda = 0.5, filter } = options;
    checkInteger(k, 0, Number.MAX_SAFE_INTEGER, 'k');
    checkInteger(fetchK, 1, Number.MAX_SAFE_INTEGER, 'fetchK');
    if (!(typeof lambda === 'number' && lambda >= 0 && lambda <= 1)) {
      throw expected('BAD_ARGUMENT', 'a number in 0..1', 'lambda', lambda);
    }
    const vector = await this.embeddings.embedQuery(query);
    const { hits } = (await this.#found(vector, { k: k === 0 ? 0 : Math.max(k, fetchK), filter }, true)).answer;
    const rows = hits.map((hit) => Array.from(hit.vector!));
    const chosen = maximalMarginalRelevance(vector, rows, lambda, k);
    return chosen.map((i) => documentOf(hits[i]!.id, hits[i]!.payload, this.#layout));
  }

  /** The best documents for a vector, with how they were found. @throws FunnelError */
  async searchVector(query: readonly number[] | Float32Array, options: SearchOptions = {}): Promise<FunnelAnswer> {
    checkKeys(options, SEARCH_OPTION_KEYS, 'the options of a search');
    const { scoreThreshold } = options;
    checkThreshold(scoreThreshold);
    const { answer, metric } = await this.#found(query, options, false);
    const documents: [Document, number][] = [];
    for (const { id, score, payload } of answer.hits) {
      const similarity = metric === 'euclid' ? 1 / (1 + score) : score;
      if (scoreThreshold !== undefined && similarity < scoreThreshold) break; // best first
      documents.push([documentOf(id, payload, this.#layout), similarity]);
    }
    const { stats, explanation } = answer;
    return explanation === undefined ? { documents, stats } : { documents, stats, explanation };
  }

  /** Written without copies of objects: those would take as long as all the rest here. */
  async #found(
    vector: readonly number[] | Float32Array,
    options: SearchOptions,
    withVector: boolean,
  ): Promise<{ answer: Found; metric: Metric }> {
    const { k = 4, explain, signal } = options;
    checkInteger(k, 0, Number.MAX_SAFE_INTEGER, 'k');
    checkExplain(explain);
    if (signal !== undefined && signal !== null && !isSignal(signal)) {
      throw expected('BAD_ARGUMENT', 'an AbortSignal', 'signal', signal);
    }
    checkSearchSettings(options, this.index);
    const filter = metadataFilter(options.filter, this.#layout);
    // Each turn of the event loop is a part of what a search takes.
    const { dim, metric } = this.#here ?? (await this.search!.source.info());
    if (k === 0 || isBlank(vector, dim, metric)) return { answer: NOTHING, metric };
    const usual = this.#usual;
    const mode = options.mode ?? usual.mode;
    const candidates =
      mode === 'exact' ? undefined : (options.candidates ?? options.plan?.candidates ?? usual.candidates);
    const few = candidates === undefined ? undefined : Math.max(candidates, k);
    if (this.index !== undefined) {
      if (signal?.aborted) throw new FunnelError('ABORTED', 'The search was aborted', { cause: signal.reason });
      const params = few === undefined ? undefined : { candidates: few };
      const query = { vector, limit: k, withPayload: true, withVector, mode, filter, params };
      return { answer: await this.index.query(query), metric };
    }
    const plan = mode === 'exact' ? undefined : await this.#planOf(options.plan ?? usual.plan, few, k);
    const request = { vector, limit: k, withPayload: true, withVector, mode, filter, plan, explain, signal };
    return { answer: await this.search!.query(request as SearchRequest), metric };
  }

  /**
   * With one scale where nobody says any: the database can rank by that itself, and so can the index of a mirror. Of a plan
   * with more, all candidates' vectors would have to be sent.
   */
  async #planOf(plan: Plan | undefined, candidates: number | undefined, k: number): Promise<Plan | undefined> {
    if (candidates === undefined) {
      const own = plan ?? this.search!.plan;
      const { candidates: pool } = own ?? {};
      return pool !== undefined && pool < k ? { ...own!, candidates: k } : plan;
    }
    const own = plan ?? this.search!.plan;
    if (own !== undefined) return { ...own, candidates };
    const { dim } = this.#here ?? (await this.search!.source.info());
    return { scales: [dim], keep: 1, candidates, limit: k };
  }
}

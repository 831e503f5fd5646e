/** FunnelRetriever: what MatryoshkaRetriever takes, in as many stages as are wanted. */
import type { CallbackManagerForRetrieverRun } from '@langchain/core/callbacks/manager';
import type { DocumentInterface } from '@langchain/core/documents';
import type { EmbeddingsInterface } from '@langchain/core/embeddings';
import type { BaseRetrieverInput } from '@langchain/core/retrievers';
import { type VectorStoreInterface, VectorStoreRetriever } from '@langchain/core/vectorstores';
import { expected, FunnelError } from '../../core/errors.js';
import { nameOfMetric } from '../../core/metrics.js';
import { checkInteger, checkKeys, isNumbers } from '../../core/validate.js';
import type { TextEmbedder } from '../../embed/types.js';
import { funnel, type Metric, type Plan } from '../../index.js';
import { embeddingsOf } from './embeddings.js';
import type { MetadataFilter } from './filter.js';
import {
  checkExplain,
  checkSearchSettings,
  checkThreshold,
  type FunnelAnswer,
  SEARCH_KEYS,
  type SearchOptions,
  type SearchSettings,
} from './options.js';
import { checkDocument } from './payload.js';
import { FunnelVectorStore } from './vector-store.js';

export type { FunnelAnswer };

/** Our metrics by LangChain's names. */
const METRICS = { cosine: 'cosine', innerProduct: 'dot', euclidean: 'euclid' } as const satisfies Record<
  string,
  Metric
>;

const LANGCHAIN_KEYS = ['callbacks', 'tags', 'metadata', 'verbose'];
const RESULT_KEYS = ['smallK', 'largeK', 'k', 'filter', 'scoreThreshold', 'explain', 'searchType'];
const FIELD_KEYS = [
  ...['vectorStore', 'largeEmbeddingKey', 'largeEmbeddingModel'],
  ...[...SEARCH_KEYS, ...RESULT_KEYS, ...LANGCHAIN_KEYS],
];

/** Fields of a FunnelRetriever: those of MatryoshkaRetriever, and how to search. */
export interface FunnelRetrieverFields<Store extends VectorStoreInterface = FunnelVectorStore>
  extends BaseRetrieverInput,
    SearchSettings {
  /**
   * A FunnelVectorStore; or any other that MatryoshkaRetriever was used over, with the large vectors as JSON in metadata: what it
   * finds is then ranked by these.
   */
  vectorStore: Store;
  /** Documents that the first stage finds. @default those of the plan or of the store, or 50; at least `largeK` */
  smallK?: number;
  /** Documents that are returned, at most `smallK` but in mode 'exact'. @default `k`, or 8 */
  largeK?: number;
  /** `largeK` by the name that other retrievers have; both together are refused. @default 8 */
  k?: number;
  /** Conditions that documents must pass, as the store takes them: MetadataFilter for a FunnelVectorStore. @default none */
  filter?: Store['FilterType'];
  /** For another store: the key of metadata that has the large vector. @default 'lc_large_embedding' */
  largeEmbeddingKey?: string;
  /** The embedder of queries and documents, over all dims. @default the store's embeddings */
  largeEmbeddingModel?: EmbeddingsInterface | TextEmbedder;
  /** Over a FunnelVectorStore: its metric. @default that; 'cosine' over another store */
  searchType?: keyof typeof METRICS;
  /** Only documents of at least this similarity. */
  scoreThreshold?: number;
  /** Has search() also tell what each stage dropped. @default false */
  explain?: boolean;
}

/**
 * A retriever that finds candidates by few dims and ranks them on ever more of them.
 *
 * @example
 * const retriever = new FunnelRetriever({ vectorStore: store, smallK: 100, largeK: 8, filter: { source: 'a.pdf' } });
 */
export class FunnelRetriever<
  Store extends VectorStoreInterface = FunnelVectorStore,
> extends VectorStoreRetriever<Store> {
  /** The class's name in what LangChain serialises. */
  static override lc_name(): string {
    return 'FunnelRetriever';
  }

  /** The class's place there: `['funnelvec', 'retrievers']`. */
  override get lc_namespace(): string[] {
    return ['funnelvec', 'retrievers'];
  }

  /** Documents that the first stage finds; mode 'exact' has no such stage. */
  readonly smallK: number;
  /** Documents that are returned, at most `smallK` but in mode 'exact'. */
  readonly largeK: number;
  /** The key of metadata that has the large vector in another store. Documents may not bring it along. */
  readonly largeEmbeddingKey: string;
  /** The embeddings of queries and documents over all dims. An embedder that was given is a FunnelEmbeddings here. */
  readonly largeEmbeddingModel: EmbeddingsInterface;
  readonly #metric: Metric | undefined;
  readonly #options: Omit<SearchOptions, 'k' | 'filter'>;
  readonly #plan: Plan | undefined;

  /** @throws FunnelError BAD_ARGUMENT, UNSUPPORTED */
  constructor(fields: FunnelRetrieverFields<Store>) {
    if (typeof fields?.vectorStore?.similaritySearch !== 'function') {
      throw expected('BAD_ARGUMENT', 'a vector store', 'vectorStore', fields?.vectorStore);
    }
    checkKeys(fields, FIELD_KEYS, 'the fields of FunnelRetriever');
    const { smallK, largeK, k, candidates, largeEmbeddingKey, largeEmbeddingModel, searchType, ...rest } = fields;
    const { explain, mode, plan, scoreThreshold, ...input } = rest;
    for (const [key, value] of Object.entries({ smallK, largeK, k, candidates, largeEmbeddingModel })) {
      if (value === null) throw expected('BAD_ARGUMENT', 'a value, or no such field,', key, value);
    }
    if (smallK !== undefined && candidates !== undefined) throw both('smallK', 'candidates');
    if (largeK !== undefined && k !== undefined) throw both('largeK', 'k');
    if (mode === 'exact' && (smallK ?? candidates ?? plan) !== undefined) {
      const what = plan !== undefined ? 'plan' : smallK !== undefined ? 'smallK' : 'candidates';
      throw new FunnelError('BAD_ARGUMENT', `Expected no ${what} beside mode 'exact', which looks at every document`);
    }
    const { vectorStore } = fields;
    checkSearchSettings({ mode, plan } as SearchSettings, undefined);
    checkThreshold(scoreThreshold);
    checkExplain(explain);
    if (largeEmbeddingKey !== undefined && (typeof largeEmbeddingKey !== 'string' || largeEmbeddingKey === '')) {
      throw expected('BAD_ARGUMENT', 'a key', 'largeEmbeddingKey', largeEmbeddingKey);
    }
    if (vectorStore instanceof FunnelVectorStore) vectorStore.checkFilter(fields.filter as MetadataFilter | undefined);
    if (searchType !== undefined && !Object.hasOwn(METRICS, searchType)) {
      throw expected('BAD_ARGUMENT', `one of ${Object.keys(METRICS).join(', ')}`, 'searchType', searchType);
    }
    const usual = vectorStore instanceof FunnelVectorStore ? vectorStore.usualCandidates : undefined;
    const count = checkInteger(largeK ?? k ?? 8, 0, Number.MAX_SAFE_INTEGER, largeK === undefined ? 'k' : 'largeK');
    super({ ...input, k: count } as ConstructorParameters<typeof VectorStoreRetriever<Store>>[0]);
    this.largeK = count;
    this.smallK = checkInteger(
      smallK ?? candidates ?? Math.max(plan?.candidates ?? usual ?? 50, count),
      1,
      0xffff_ffff,
      candidates === undefined ? 'smallK' : 'candidates',
    );
    this.largeEmbeddingKey = largeEmbeddingKey ?? 'lc_large_embedding';
    this.largeEmbeddingModel = embeddingsOf(largeEmbeddingModel ?? fields.vectorStore.embeddings);
    this.#metric = searchType && METRICS[searchType];
    this.#plan = plan;
    this.#options = { mode, plan, explain, scoreThreshold };
    if (fields.vectorStore instanceof FunnelVectorStore) {
      if (plan !== undefined && fields.vectorStore.index !== undefined) {
        throw new FunnelError(
          'UNSUPPORTED',
          'Expected no plan over a FunnelIndex, which has stages of its own: say candidates',
        );
      }
      return;
    }
    for (const [key, value] of Object.entries({ mode, explain, scoreThreshold })) {
      if (value === undefined) continue;
      throw new FunnelError(
        'UNSUPPORTED',
        `Expected a FunnelVectorStore beside ${key}: another store has no use for it`,
      );
    }
    if (largeEmbeddingModel === undefined) {
      throw expected(
        'BAD_ARGUMENT',
        'what embeds over all dims, beside another store,',
        'largeEmbeddingModel',
        undefined,
      );
    }
  }

  override async _getRelevantDocuments(
    query: string,
    runManager?: CallbackManagerForRetrieverRun,
  ): Promise<DocumentInterface[]> {
    if (!(this.vectorStore instanceof FunnelVectorStore)) return this.#rescored(query, runManager);
    return (await this.search(query)).documents.map(([document]) => document);
  }

  /** The documents with similarities, and how they were found. @throws FunnelError UNSUPPORTED over another store */
  async search(query: string): Promise<FunnelAnswer> {
    const store: VectorStoreInterface = this.vectorStore;
    if (!(store instanceof FunnelVectorStore)) {
      throw new FunnelError('UNSUPPORTED', 'Expected a FunnelVectorStore for search(): another store tells nothing');
    }
    if (this.#metric !== undefined) {
      const { metric } = await store.info();
      if (metric !== this.#metric) {
        const what = `the searchType of the store, whose metric is ${metric},`;
        throw expected('BAD_ARGUMENT', what, 'searchType', nameOfMetric(METRICS, this.#metric, 'LangChain'));
      }
    }
    const vector = await this.largeEmbeddingModel.embedQuery(query);
    const { mode, plan, explain, scoreThreshold } = this.#options;
    const filter = this.filter as MetadataFilter | undefined;
    if (mode === 'exact') return store.searchVector(vector, { mode, k: this.largeK, filter, explain, scoreThreshold });
    const k = Math.min(this.largeK, this.smallK);
    return store.searchVector(vector, { mode, plan, candidates: this.smallK, k, filter, explain, scoreThreshold });
  }

  /** Documents with vectors of the large model. */
  override async addDocuments(
    documents: DocumentInterface[],
    options?: Record<string, unknown>,
    // biome-ignore lint/suspicious/noConfusingVoidType: the type of the method that it overrides
  ): Promise<string[] | void> {
    const key = this.largeEmbeddingKey;
    if (!Array.isArray(documents)) throw expected('BAD_ARGUMENT', 'an array of documents', 'documents', documents);
    const holder = documents.findIndex((one) => Object.hasOwn(one?.metadata ?? {}, key));
    if (holder >= 0) {
      throw new FunnelError(
        'BAD_ARGUMENT',
        `Expected no ${key} in documents[${holder}].metadata: it is the retriever's own key`,
      );
    }
    const store: VectorStoreInterface = this.vectorStore;
    if (store instanceof FunnelVectorStore) return store.addEmbedded(documents, options, this.largeEmbeddingModel);
    if (documents.length === 0) return [];
    for (const [i, one] of documents.entries()) checkDocument(one, `documents[${i}]`);
    const vectors = await this.largeEmbeddingModel.embedDocuments(documents.map(({ pageContent }) => pageContent));
    if (!Array.isArray(vectors) || vectors.length !== documents.length || !vectors.every(isNumbers)) {
      const what = `${documents.length} vectors, one for each document,`;
      throw expected('BAD_RESPONSE', what, 'the answer of the embeddings', vectors);
    }
    const whole = documents.map((one, i) => ({
      ...one,
      metadata: { ...one.metadata, [key]: JSON.stringify(Array.from(vectors[i]!)) },
    }));
    return store.addDocuments(whole, options);
  }

  /** Hits of another store, scored by the vectors in its metadata. */
  async #rescored(query: string, runManager?: CallbackManagerForRetrieverRun): Promise<DocumentInterface[]> {
    const child = runManager?.getChild('vectorstore');
    const [vector, found] = await Promise.all([
      this.largeEmbeddingModel.embedQuery(query),
      this.vectorStore.similaritySearch(query, this.smallK, this.filter, child),
    ]);
    if (!isNumbers(vector)) throw expected('BAD_RESPONSE', 'an array of numbers', 'the embedded query', vector);
    if (found.length === 0 || this.largeK === 0) return [];
    const rows = found.map((document, i) => ({ id: i, vector: vectorOf(document, this.largeEmbeddingKey, i) }));
    const plan = {
      scales: [vector.length],
      keep: 1,
      ...this.#plan,
      limit: this.largeK,
      metric: this.#metric ?? 'cosine',
    };
    return funnel(rows, vector, plan).map(({ index }) => found[index]!);
  }
}

function vectorOf({ metadata }: DocumentInterface, key: string, i: number): number[] {
  const text: unknown = metadata?.[key];
  try {
    if (typeof text === 'string') return JSON.parse(text) as number[];
  } catch {}
  throw expected('BAD_RESPONSE', `JSON of a vector in metadata.${key}`, `document ${i} that was found`, text);
}

function both(a: string, b: string): FunnelError {
  return new FunnelError('BAD_ARGUMENT', `Expected ${a} or ${b} but received both: they say the same`);
}

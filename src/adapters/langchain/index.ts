/** funnelvec/langchain: a vector store and a retriever of LangChain over an index or a search. */

export { embedderOf } from '../../embed/given.js';
export type { GivenModel, GivenOptions } from '../../embed/given-models.js';
export { FunnelEmbeddings } from './embeddings.js';
export type { MetadataFilter } from './filter.js';
export type { FunnelStoreConfig, SearchOptions, SearchSettings } from './options.js';
export { type FunnelAnswer, FunnelRetriever, type FunnelRetrieverFields } from './retriever.js';
export { FunnelVectorStore } from './vector-store.js';
export {
  type MilvusWriteClient,
  milvusWriter,
  type PointWriter,
  type QdrantWriteClient,
  qdrantWriter,
  type WriterOptions,
  type WrittenPoint,
} from './writers.js';

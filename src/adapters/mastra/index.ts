/** funnelvec/mastra: vector stores of Mastra over embedded indexes and over Milvus. */

export type { SearchManner } from './backend.js';
export type { EmbeddedOptions } from './embedded.js';
export type { MilvusStoreClient } from './milvus.js';
export { FunnelVector, type FunnelVectorConfig, MilvusVector, type MilvusVectorConfig } from './stores.js';
export { BackedVector, type MastraIndexParams, type MastraQuery } from './vector.js';

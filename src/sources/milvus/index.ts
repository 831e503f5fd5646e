/** `funnelvec/milvus`: a collection of Milvus as a source, and answers of its SDK as candidates. */
export type { HeadOf, TailLayout } from '../../query/source/layout.js';
export type { MilvusClientLike } from './client.js';
export type { MilvusClients } from './clients.js';
export type { MilvusConsistency } from './consistency.js';
export { type FromMilvusOptions, fromMilvus } from './from-milvus.js';
export type {
  MilvusCommonOptions,
  MilvusHeads,
  MilvusLayout,
  MilvusOneVector,
  MilvusSourceOptions,
} from './options.js';
export { milvusSource } from './source.js';

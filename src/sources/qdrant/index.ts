/** `funnelvec/qdrant`: a collection of Qdrant as a source, and answers of its clients as candidates. */
export type { HeadOf, TailLayout } from '../../query/source/layout.js';
export type { QdrantClientLike, QdrantClients } from './clients.js';
export { type FromQdrantOptions, fromQdrant } from './from-qdrant.js';
export type { QdrantGrpcClient } from './grpc-client.js';
export type {
  QdrantCommonOptions,
  QdrantHeads,
  QdrantLayout,
  QdrantOneVector,
  QdrantSourceOptions,
} from './options.js';
export type { QdrantRestClient } from './rest.js';
export { qdrantSource } from './source.js';

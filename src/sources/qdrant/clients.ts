/** Which driver a client takes. */
import { expected } from '../../core/errors.js';
import type { QdrantDriver } from './driver.js';
import { grpcDriver } from './grpc.js';
import type { QdrantGrpcClient } from './grpc-client.js';
import { type QdrantRestClient, restDriver } from './rest.js';

export function driverOf(client: QdrantRestClient | QdrantGrpcClient): QdrantDriver {
  const one = (client ?? {}) as Partial<QdrantRestClient & QdrantGrpcClient>;
  if (typeof one.getCollection === 'function' && typeof one.query === 'function')
    return restDriver(client as QdrantRestClient);
  if (typeof one.api === 'function') return grpcDriver(client as QdrantGrpcClient);
  throw expected(
    'BAD_ARGUMENT',
    'a QdrantClient of @qdrant/js-client-rest or @qdrant/js-client-grpc',
    'client',
    client,
  );
}

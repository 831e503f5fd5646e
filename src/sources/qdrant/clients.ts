/** Which driver a client takes, and one driver over the clients of several addresses. */
import { expected } from '../../core/errors.js';
import { type MakeNode, makersOf, Nodes } from '../nodes.js';
import { isOfNode, type QdrantDriver } from './driver.js';
import { grpcDriver } from './grpc.js';
import type { QdrantGrpcClient } from './grpc-client.js';
import { type QdrantRestClient, restDriver } from './rest.js';

/** A client of either kind. */
export type QdrantClientLike = QdrantRestClient | QdrantGrpcClient;

/** One client of the cluster, several of one kind, or what makes one of an address (see `addresses`). */
export type QdrantClients = QdrantClientLike | readonly QdrantClientLike[] | ((address: string) => QdrantClientLike);

/** Members that ask the server nothing. */
const LOCAL: ReadonlySet<string> = new Set(['check', 'both', 'compile', 'params', 'classify']);

/**
 * The driver of the clients: calls of the server go to the first address that is well.
 *
 * @throws FunnelError BAD_ARGUMENT
 */
export function driverOf(given: QdrantClients, addresses: unknown, name: string, retries: number): QdrantDriver {
  const [first, ...others] = makersOf(given, addresses);
  const one = driverFor(first!());
  const makeOther = (make: MakeNode<QdrantClientLike>) => () => {
    const client = make();
    const driver = driverFor(client);
    if (driver.idKind === one.idKind) return driver;
    throw expected('BAD_ARGUMENT', 'clients of one kind, REST or gRPC', 'client', client);
  };
  // Those of a function wait until they are needed.
  const rest = others.map(makeOther).map((make) => (typeof given === 'function' ? make : madeNow(make)));
  const classify = (error: unknown, ms: number) => one.classify(error, name, ms);
  const nodes = new Nodes<QdrantDriver>([() => one, ...rest], { name, retries, classify, isOfNode });
  type Member = (...args: unknown[]) => Promise<unknown>;
  const asking = Object.entries(one).filter(([key, member]) => typeof member === 'function' && !LOCAL.has(key));
  const over = asking.map(([key]): [string, Member] => [
    key,
    (...args) => {
      const at = args.findIndex((arg) => arg instanceof AbortSignal);
      return nodes.run(args[at] as AbortSignal, (driver, signal) => {
        const member = driver[key as keyof QdrantDriver] as unknown as Member;
        return member.apply(driver, args.with(at, signal));
      });
    },
  ]);
  return { ...one, ...Object.fromEntries(over) };
}

function madeNow<T>(make: () => T): () => T {
  const made = make();
  return () => made;
}

function driverFor(client: QdrantClientLike): QdrantDriver {
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

/** The clients of a source: one for each address of a cluster. */
import { expected, FunnelError } from '../../core/errors.js';
import { type MakeNode, makersOf, type Nodes } from '../nodes.js';
import type { MilvusClientLike } from './client.js';
import { busy } from './errors.js';

/** One client, several of one cluster, or what makes one of an address (see `addresses`). */
export type MilvusClients = MilvusClientLike | readonly MilvusClientLike[] | ((address: string) => MilvusClientLike);

/** Returns the functions that make the clients; each looks like one. @throws FunnelError BAD_ARGUMENT */
export function milvusMakers(given: MilvusClients, addresses: unknown): MakeNode<MilvusClientLike>[] {
  const makers = makersOf(given, addresses).map((make) => () => checked(make()));
  if (typeof given !== 'function') for (const make of makers) make();
  return makers;
}

function checked(client: MilvusClientLike): MilvusClientLike {
  if (typeof client?.search !== 'function' || typeof client.describeCollection !== 'function') {
    throw expected('BAD_ARGUMENT', 'a MilvusClient of @zilliz/milvus2-sdk-node', 'client', client);
  }
  // The SDK connects when it is made; an address that is down would end the process, though its calls will tell.
  const { connectPromise } = client as { connectPromise?: unknown };
  if (connectPromise instanceof Promise) connectPromise.catch(() => {});
  return client;
}

/** The calls that read the collection itself, of the first address that is well. */
export function asking(
  nodes: Nodes<MilvusClientLike>,
  name: string,
  signal: AbortSignal,
): Pick<MilvusClientLike, 'describeCollection' | 'describeIndex'> {
  const one = (call: 'describeCollection' | 'describeIndex') => (request: { collection_name: string }) =>
    nodes.run(signal, async (client) => {
      const answer = await client[call](request).catch(async (error: unknown) => {
        throw (await absent(client, request, name, error)) ?? error;
      });
      const trouble = busy(answer?.status, name, answer);
      if (trouble) throw trouble;
      return answer;
    });
  return { describeCollection: one('describeCollection'), describeIndex: one('describeIndex') };
}

/**
 * The error of a collection that is not there, where the SDK fails over the answer: Milvus Lite 2.5.1 describes such a one by an
 * empty message of success.
 */
async function absent(
  client: MilvusClientLike,
  { collection_name }: { collection_name: string },
  name: string,
  cause: unknown,
): Promise<FunnelError | undefined> {
  if (!(cause instanceof TypeError) || typeof client.showCollections !== 'function') return undefined;
  const { data } = ((await client.showCollections().catch(() => undefined)) ?? {}) as { data?: { name?: unknown }[] };
  if (!Array.isArray(data) || data.some((one) => one?.name === collection_name)) return undefined;
  return new FunnelError('NO_COLLECTION', `${name} does not exist (the server lists ${data.length} others)`, { cause });
}

/** The server's version in its words; undefined where it tells none. */
export async function milvusVersion(nodes: Nodes<MilvusClientLike>, signal: AbortSignal): Promise<string | undefined> {
  try {
    const { version } = ((await nodes.run(signal, async (client) => client.getVersion?.())) ?? {}) as {
      version?: unknown;
    };
    return typeof version === 'string' && version !== '' ? version : undefined;
  } catch {
    signal.throwIfAborted();
    return undefined; // a server without that call
  }
}

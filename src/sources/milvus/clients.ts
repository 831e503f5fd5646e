/** The clients of a source: one for each address of a cluster. */
import { expected } from '../../core/errors.js';
import { type MakeNode, makersOf, type Nodes } from '../nodes.js';
import type { MilvusClientLike } from './client.js';
import { busy } from './errors.js';

/** One client, several of one cluster, or what makes one of an address (see `addresses`). */
export type MilvusClients = MilvusClientLike | readonly MilvusClientLike[] | ((address: string) => MilvusClientLike);

/** What makes the clients; each looks like one. @throws FunnelError BAD_ARGUMENT */
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
  const one = (call: 'describeCollection' | 'describeIndex') => (request: unknown) =>
    nodes.run(signal, async (client) => {
      const answer = await client[call](request);
      const trouble = busy(answer?.status, name, answer);
      if (trouble) throw trouble;
      return answer;
    });
  return { describeCollection: one('describeCollection'), describeIndex: one('describeIndex') };
}

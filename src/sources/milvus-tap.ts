import type { MilvusClientLike } from './milvus-client.js';
import { type LiftedField, liftFields, statusOf } from './milvus-lift.js';

/*
 * The SDK's search() as it is, with one part exchanged: what reads the bytes of the answer. Client, pool and channel are
 * derived objects that inherit everything from the caller's, which stay untouched; request building, retries, failover and
 * telemetry are the SDK's. Where a part is not there any more, the SDK's own reader is used.
 */

interface Channel {
  makeUnaryRequest?(
    path: string,
    serialize: unknown,
    deserialize: (bytes: Buffer) => unknown,
    ...rest: unknown[]
  ): unknown;
  Search?: { path?: string; requestSerialize?: unknown; responseDeserialize?: (bytes: Buffer) => unknown };
}

interface Pool {
  acquire(...args: unknown[]): Promise<Channel>;
  release(channel: Channel, ...args: unknown[]): Promise<unknown>;
}

export interface Tap {
  client: MilvusClientLike;
  /** The vectors, once lifted out of a success. */
  fields(): Map<string, LiftedField> | undefined;
  status(): { code: number; reason: string } | undefined;
  /** When the answer was here. */
  at(): number | undefined;
}

export function tapped(client: MilvusClientLike, names: readonly string[]): Tap | undefined {
  const pool = (client as { channelPool?: Pool }).channelPool;
  if (typeof pool?.acquire !== 'function' || typeof pool.release !== 'function') return undefined;
  let fields: Map<string, LiftedField> | undefined;
  let status: { code: number; reason: string } | undefined;
  let at: number | undefined;
  const originals = new WeakMap<Channel, Channel>();

  const derive = (channel: Channel): Channel => {
    const { path, requestSerialize, responseDeserialize } = channel.Search ?? {};
    if (!path || !requestSerialize || !responseDeserialize || typeof channel.makeUnaryRequest !== 'function')
      return channel;
    const read = (bytes: Buffer): unknown => {
      at = performance.now();
      status = statusOf(bytes);
      const lifted = status && status.code === 0 ? liftFields(bytes, names) : undefined;
      fields = lifted?.fields;
      return responseDeserialize(lifted?.rest ?? bytes);
    };
    const search = (...rest: unknown[]) => {
      // The SDK tries again: what an earlier attempt was answered is past.
      fields = status = at = undefined;
      return channel.makeUnaryRequest!(path, requestSerialize, read, ...rest);
    };
    const derived = Object.create(channel, { Search: { value: search } }) as Channel;
    originals.set(derived, channel);
    return derived;
  };

  const derivedPool = Object.create(pool, {
    acquire: { value: async (...args: unknown[]) => derive(await pool.acquire(...args)) },
    release: {
      value: (channel: Channel, ...args: unknown[]) => pool.release(originals.get(channel) ?? channel, ...args),
    },
  });
  return {
    client: Object.create(client, { channelPool: { value: derivedPool, writable: true } }),
    fields: () => fields,
    status: () => status,
    at: () => at,
  };
}

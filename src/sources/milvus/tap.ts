import type { MilvusClientLike } from './client.js';
import { type ExactJson, exactJson } from './integers.js';
import { type LiftedField, liftFields, statusOf } from './lift.js';

/*
 * The SDK's search() and query() as they are, with one part exchanged: what reads the bytes of the answer. Client, pool and
 * channel are derived objects that inherit everything from the caller's, which stay untouched; request building, retries,
 * failover and telemetry are the SDK's. Where a part is not there any more, the SDK's own reader is used.
 */

interface Method {
  path?: string;
  requestSerialize?: unknown;
  responseDeserialize?: (bytes: Buffer) => unknown;
}

interface Channel {
  makeUnaryRequest?(
    path: string,
    serialize: unknown,
    deserialize: (bytes: Buffer) => unknown,
    ...rest: unknown[]
  ): unknown;
  Search?: Method;
  Query?: Method;
}

interface Pool {
  acquire(...args: unknown[]): Promise<Channel>;
  release(channel: Channel, ...args: unknown[]): Promise<unknown>;
}

export interface Tap {
  client: MilvusClientLike;
  /** The vectors, once lifted out of a success. */
  fields(): Map<string, LiftedField> | undefined;
  /** JSON values that the SDK rounds; undefined where its answer did not come by here. */
  json(): ExactJson | undefined;
  status(): { code: number; reason: string } | undefined;
  /** When the answer was here. */
  at(): number | undefined;
}

/** @param names of the vector fields to lift out of the answer; the SDK decodes the others */
export function tappedMilvus(
  client: MilvusClientLike,
  method: 'Search' | 'Query',
  names: readonly string[] = [],
): Tap | undefined {
  const pool = (client as { channelPool?: Pool }).channelPool;
  if (typeof pool?.acquire !== 'function' || typeof pool.release !== 'function') return undefined;
  let fields: Map<string, LiftedField> | undefined;
  let json: ExactJson | undefined;
  let status: { code: number; reason: string } | undefined;
  let at: number | undefined;
  const originals = new WeakMap<Channel, Channel>();

  const derive = (channel: Channel): Channel => {
    const { path, requestSerialize, responseDeserialize } = channel[method] ?? {};
    if (!path || !requestSerialize || !responseDeserialize || typeof channel.makeUnaryRequest !== 'function')
      return channel;
    const read = (bytes: Buffer): unknown => {
      at = performance.now();
      status = statusOf(bytes);
      const lifted = names.length > 0 && status?.code === 0 ? liftFields(bytes, names, method) : undefined;
      fields = lifted?.fields;
      const answer = responseDeserialize(lifted?.rest ?? bytes);
      json = exactJson(answer);
      return answer;
    };
    const call = (...rest: unknown[]) => {
      // The SDK tries again: what an earlier attempt was answered is past.
      fields = json = status = at = undefined;
      return channel.makeUnaryRequest!(path, requestSerialize, read, ...rest);
    };
    const derived = Object.create(channel, { [method]: { value: call } }) as Channel;
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
    json: () => json,
    status: () => status,
    at: () => at,
  };
}

/** A Milvus Lite server with collections of a test's own making. */
import { ConsistencyLevelEnum, DataType, MilvusClient } from '@zilliz/milvus2-sdk-node';
import { type MilvusSourceOptions, milvusSource } from 'funnelvec/milvus';
import type { Source } from '#dist/query/source/source.js';
import { startMilvus } from './servers.js';

type Field = Record<string, unknown> & { name: string; data_type: DataType };

interface Made {
  fields: Field[];
  dynamic?: boolean;
  /** By field; FLAT and COSINE where nothing else is said. */
  index?: Record<string, object>;
  /** Integers as text that begins with INTEGER are written to JSON as they are. */
  data: Record<string, unknown>[];
}

/** Marks text that is to be an integer in JSON: the SDK writes what JSON.stringify makes, which has no large ones. */
export const INTEGER = '!';

export interface Collections {
  client: MilvusClient;
  make(collection: string, made: Made): Promise<void>;
  open(collection: string, options?: Partial<MilvusSourceOptions>): Source;
  stop(): Promise<void>;
}

export function succeeded({ error_code, reason }: { error_code?: string | number; reason?: string }): void {
  if (error_code !== 'Success') throw new Error(reason);
}

export async function startCollections(): Promise<Collections> {
  const server = await startMilvus();
  const client = new MilvusClient({ address: server.address });
  await client.connectPromise;
  const writer = exactWriter(client);
  const made = new Set<string>();
  return {
    client,
    async make(collection_name, { fields, dynamic = false, index = {}, data }) {
      made.add(collection_name);
      succeeded(await client.createCollection({ collection_name, fields, enable_dynamic_field: dynamic }));
      for (const { name, data_type } of fields) {
        if (data_type !== DataType.FloatVector) continue;
        const more = index[name] ?? { index_type: 'FLAT', metric_type: 'COSINE' };
        succeeded(await client.createIndex({ collection_name, field_name: name, ...more } as never));
      }
      if (data.length > 0) succeeded((await writer.insert({ collection_name, data: data as never })).status);
      succeeded(await client.loadCollectionSync({ collection_name }));
    },
    open(collection, options) {
      const consistency = ConsistencyLevelEnum.Strong;
      const where = options?.vectors ? {} : { head: 'head', full: 'full' };
      return milvusSource(client, { collection, consistency, ...where, ...options } as MilvusSourceOptions);
    },
    async stop() {
      for (const collection_name of made) await client.dropCollection({ collection_name });
      await client.closeConnection();
      await server.stop();
    },
  };
}

interface Channel {
  Insert: { path: string; requestSerialize(value: unknown): Buffer; responseDeserialize: unknown };
  makeUnaryRequest(path: string, serialize: (value: unknown) => Buffer, ...rest: unknown[]): unknown;
}

/** A client whose inserts write marked text as integers, of the same length in bytes. */
function exactWriter(client: MilvusClient): MilvusClient {
  const { channelPool: pool } = client as unknown as {
    channelPool: { acquire(): Promise<Channel>; release(channel: Channel): Promise<void> };
  };
  const originals = new Map<Channel, Channel>();
  const acquire = async () => {
    const channel = await pool.acquire();
    const { path, requestSerialize, responseDeserialize } = channel.Insert;
    const serialize = (value: unknown) => {
      const text = requestSerialize(value).toString('latin1');
      const marked = new RegExp(`"${INTEGER}(-?\\d+)"`, 'g');
      return Buffer.from(text.replace(marked, ' $1  '), 'latin1');
    };
    const Insert = (...rest: unknown[]) => channel.makeUnaryRequest(path, serialize, responseDeserialize, ...rest);
    const derived = Object.create(channel, { Insert: { value: Insert } }) as Channel;
    originals.set(derived, channel);
    return derived;
  };
  const release = (channel: Channel) => pool.release(originals.get(channel) ?? channel);
  const derivedPool = Object.create(pool, { acquire: { value: acquire }, release: { value: release } });
  return Object.create(client, { channelPool: { value: derivedPool, writable: true } });
}

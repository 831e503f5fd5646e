/// <reference path="../../../src/adapters/mastra/mastra-core.d.ts" />
/** The stores of the suites of funnelvec/mastra, which run on Node.js 22, with the real @mastra/core: see ../mastra.test.ts. */
import assert from 'node:assert/strict';
import { MastraError } from '@mastra/core/error';
import { FunnelVector, MilvusVector } from 'funnelvec/mastra';

/** Loose, as programs in JavaScript are. */
// biome-ignore lint/suspicious/noExplicitAny: params of every kind, wrong ones too
export type Store = Record<keyof FunnelVector & string, (params?: any) => Promise<any>> & { id: string };

export interface Backend {
  name: string;
  /** Whether all of Mongo's filters can be said. */
  full: boolean;
  open(): Promise<{ store: Store; end(): Promise<void> }>;
}

export const EMBEDDED: Backend = {
  name: 'embedded',
  full: true,
  async open() {
    const store = new FunnelVector({ id: 'films', path: ':memory:', mode: 'exact' });
    return { store: store as unknown as Store, end: () => store.close() };
  },
};

/** Where the parent has started a server. */
export const MILVUS: Backend | undefined = process.env['MILVUS_ADDRESS'] === undefined ? undefined : milvus();

function milvus(): Backend {
  return {
    name: 'Milvus',
    full: false,
    async open() {
      const { MilvusClient } = await import('@zilliz/milvus2-sdk-node');
      const client = new MilvusClient({ address: process.env['MILVUS_ADDRESS']! });
      await client.connectPromise;
      const prefix = `m${process.pid}_${Math.random().toString(36).slice(2, 8)}_`;
      const store = new MilvusVector({ id: 'films', client, prefix }) as unknown as Store;
      const end = async () => {
        for (const indexName of await store.listIndexes()) await store.deleteIndex({ indexName });
        await store.close();
        await client.closeConnection();
      };
      return { store, end };
    },
  };
}

export const BACKENDS = MILVUS === undefined ? [EMBEDDED] : [EMBEDDED, MILVUS];

/** For assert.rejects: Mastra's error class, with this end of its id, and a FunnelError as cause. */
export function mastra(end: string, message?: RegExp): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof MastraError, `${error}`);
    assert.equal((error.cause as Error | undefined)?.name, 'FunnelError', String(error));
    assert.match(error.id, new RegExp(`^MASTRA_VECTOR_FUNNELVEC_.*${end}$`));
    if (message) assert.match(error.message, message);
    return true;
  };
}

export const idsOf = (rows: { id: string }[]) => rows.map(({ id }) => id);

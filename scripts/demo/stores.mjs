// A database with the glosses in it: started and filled, or found as the last run left it.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startMilvus, startQdrant } from '../../test/servers/servers.mjs';
import { root } from '../setup/steps.mjs';
import { claimDir } from './kept-dir.mjs';

/** Raise it when what is stored changes. */
const FORMAT = 1;
const BATCH = 1000;
/** Time to load what an earlier run left; what this run filled may take longer, on a busy server. */
const RELOAD_MS = 15_000;
const LOAD_MS = 120_000;

/**
 * @param {'milvus' | 'qdrant'} name
 * @returns an open store: { label, kind, note, source, reused, close() }
 */
export async function openStore(name, { glosses, head, log, onFill }) {
  const backend = name === 'milvus' ? milvus : qdrant;
  const content = contentOf(glosses, head);
  const own = !process.env[backend.variable];
  const kept = own ? claimDir(path.join(root, '.cache', `demo-${name}-${glosses.texts.length}-${content}`)) : undefined;
  // On a server of yours the collection is new, and is dropped at the end.
  const collection = own ? 'funnelvec_demo' : `funnelvec_demo_${content}_${process.pid}`;

  let reused = kept?.complete ?? false;
  try {
    if (reused) {
      try {
        return await open();
      } catch (error) {
        log(`the data of the last run cannot be used (${error.message}): filling anew`);
        kept.wipe();
        reused = false;
      }
    }
    return await open();
  } catch (error) {
    kept?.release();
    throw error;
  }

  async function open() {
    const server = await backend.start({ log, dataDir: kept?.data });
    let store;
    const undo = async () => {
      try {
        if (!own) await store?.drop();
        await store?.disconnect();
      } finally {
        await server.stop();
      }
    };
    // Servers that run here end with this process; one that does not would keep our collection.
    const onSignal = () => undo().finally(() => process.exit(130));
    if (!own) process.once('SIGINT', onSignal);
    try {
      store = await backend.connect(server, { collection, dim: glosses.dim, head });
      if (reused) await store.load(RELOAD_MS);
      else await fill(store, glosses, head, onFill);
      await check(store, glosses);
      return {
        ...backend.describe(server),
        source: store.source,
        reused,
        async close() {
          process.removeListener('SIGINT', onSignal);
          await undo();
          kept?.seal();
          kept?.release();
        },
      };
    } catch (error) {
      await undo().catch(() => {}); // the first error is the one to tell
      throw error;
    }
  }
}

async function fill(store, { rows, texts, words, dim }, head, onFill) {
  await store.create();
  const count = texts.length;
  onFill(0, count);
  for (let from = 0; from < count; from += BATCH) {
    const to = Math.min(count, from + BATCH);
    const batch = [];
    for (let id = from; id < to; id++) {
      const full = Array.from(rows.subarray(id * dim, (id + 1) * dim));
      batch.push({ id, word: words[id], gloss: texts[id], head: full.slice(0, head), full });
    }
    await store.insert(batch);
    onFill(to, count);
  }
  await store.ready();
}

/** All rows are there, and both vectors of one of them are found. */
async function check(store, { rows, texts, dim }) {
  const wanted = texts.length;
  const count = await store.count();
  if (count !== wanted) throw new Error(`it has ${count} rows instead of ${wanted}`);
  const vector = rows.slice(0, dim);
  const { candidates } = await store.source.head({ vector, candidates: 1 });
  const full = await store.source.full({ vector, limit: 1 });
  for (const score of [candidates.headScores?.[0], full.scores[0]]) {
    if (!(score > 0.999)) throw new Error(`its first row is not found again (score ${score})`);
  }
}

function contentOf({ rows, texts }, head) {
  const versions = readFileSync(path.join(root, 'test', 'servers', 'requirements.txt'));
  const hash = createHash('sha256')
    .update(JSON.stringify([FORMAT, head, texts.length]))
    .update(versions);
  return hash.update(rows).digest('hex').slice(0, 12);
}

const milvus = {
  variable: 'MILVUS_ADDRESS',
  start: startMilvus,
  describe: ({ kind, real }) =>
    real
      ? { kind, label: 'Milvus, FLAT index, cosine', note: `the server at ${process.env.MILVUS_ADDRESS}` }
      : { kind, label: 'Milvus Lite, FLAT index, cosine', note: 'started for this run' },
  async connect({ address }, { collection, dim, head }) {
    const { DataType, MilvusClient } = await import('@zilliz/milvus2-sdk-node');
    const { milvusSource } = await import('funnelvec/milvus');
    const client = new MilvusClient({ address });
    await reach(`Milvus at ${address}`, client.connectPromise);
    const collection_name = collection;
    const load = async (limitMs) => {
      // Milvus Lite searches several times faster in what it has loaded from disk.
      await client.releaseCollection({ collection_name });
      accepted(await client.loadCollectionAsync({ collection_name }));
      // The client's own wait has no end, and what is damaged never gets loaded.
      for (const end = performance.now() + limitMs; ; await sleep(100)) {
        const { status, progress } = await client.getLoadingProgress({ collection_name });
        accepted(status);
        if (Number(progress) >= 100) return;
        if (performance.now() > end) throw new Error(`Milvus has not loaded the collection in ${limitMs / 1000} s`);
      }
    };
    return {
      source: milvusSource(client, { collection, head: 'head', full: 'full' }),
      load,
      async create() {
        const fields = [
          { name: 'id', data_type: DataType.Int64, is_primary_key: true, autoID: false },
          { name: 'word', data_type: DataType.VarChar, max_length: 2048 },
          { name: 'gloss', data_type: DataType.VarChar, max_length: 4096 },
          { name: 'head', data_type: DataType.FloatVector, dim: head },
          { name: 'full', data_type: DataType.FloatVector, dim },
        ];
        accepted(await client.createCollection({ collection_name, fields }));
      },
      async insert(data) {
        accepted((await client.insert({ collection_name, data })).status);
      },
      async ready() {
        await client.flushSync({ collection_names: [collection_name] });
        for (const field_name of ['head', 'full']) {
          accepted(
            await client.createIndex({ collection_name, field_name, index_type: 'FLAT', metric_type: 'COSINE' }),
          );
        }
        await load(LOAD_MS);
      },
      count: async () => Number((await client.count({ collection_name })).data),
      drop: () => client.dropCollection({ collection_name }),
      disconnect: () => client.closeConnection(),
    };
  },
};

async function reach(name, answer) {
  try {
    await answer;
  } catch (error) {
    throw new Error(`Cannot reach ${name}`, { cause: error.cause ?? error });
  }
}

/** The SDK answers most refusals as a status instead of throwing. */
function accepted(status) {
  if (status.code === 0 || status.error_code === 'Success') return;
  throw new Error(`Milvus refused: ${status.reason || status.error_code}`);
}

const qdrant = {
  variable: 'QDRANT_URL',
  start: startQdrant,
  describe: ({ real, url }) =>
    real
      ? { kind: 'qdrant', label: 'Qdrant, exact search, cosine', note: `the server at ${url}` }
      : {
          kind: 'qdrant-front',
          label: 'Qdrant, exact search, cosine',
          note: 'not a Qdrant server: the front of the tests over the real engine (qdrant-edge)',
        },
  async connect({ url }, { collection, dim, head }) {
    const { QdrantClient } = await import('@qdrant/js-client-rest');
    const { qdrantSource } = await import('funnelvec/qdrant');
    const client = new QdrantClient({ url, checkCompatibility: false });
    await reach(`Qdrant at ${url}`, client.getCollections());
    return {
      // Exact, so that whatever is missed is the funnel's doing and not an index's.
      source: qdrantSource(client, { collection, head: 'head', full: 'full', params: { exact: true } }),
      create: () =>
        client.createCollection(collection, {
          vectors: { head: { size: head, distance: 'Cosine' }, full: { size: dim, distance: 'Cosine' } },
        }),
      insert: (batch) =>
        client.upsert(collection, {
          wait: true,
          points: batch.map(({ id, word, gloss, ...vector }) => ({ id, vector, payload: { word, gloss } })),
        }),
      ready: async () => {},
      load: async () => {},
      count: async () => (await client.count(collection, { exact: true })).count,
      drop: () => client.deleteCollection(collection),
      disconnect: async () => {},
    };
  },
};

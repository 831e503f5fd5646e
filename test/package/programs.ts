/** Programs of the consumer's. Each prints JSON. */

/** A tiny funnel through every entry of the package; `modules` are what import or require gave. */
const PROBE = `
module.exports = function probe({ main, wasm, kernels, qdrant, milvus, store, source }) {
  const dim = 24;
  const value = (i) => Math.fround(Math.sin(i * 12.9898) * 43758.5453 % 1);
  const vector = (from) => Array.from({ length: dim }, (_, i) => value(from + i));
  const rows = Array.from({ length: 30 }, (_, r) => ({ id: r + 1, vector: vector(100 * r) }));
  const query = Float32Array.from(vector(7));
  const plan = { scales: [5, 13, 24], keep: 0.5, limit: 4 };
  const hits = (funnel, candidates) => funnel(candidates, query, plan).map(({ id, score }) => [id, score]);

  const indices = new Uint32Array(4);
  const keys = new Float64Array(4);
  const bad = kernels.activeKernels().funnel({
    metric: 'cosine', query, dim, indices, keys,
    rows: Float32Array.from(rows.flatMap((row) => row.vector)),
    scales: Uint32Array.of(5, 13, 24), keep: Uint32Array.of(15, 7, 4),
  });
  const points = rows.map(({ id, vector }) => ({ id, version: 0, score: 0, vector: { full: vector } }));
  const answer = { status: { error_code: 'Success', code: 0 }, results: rows.map((row) => ({ ...row, score: 0 })) };
  let code;
  try { main.funnel(rows, [1]); } catch (error) { code = error instanceof main.FunnelError && error.code; }
  const index = store.FunnelIndex.createSync(':memory:', { dim });
  index.upsertSync(rows);
  const gathered = new Float32Array(rows.length * dim);
  index.gather(rows.map((row) => row.id), gathered);
  index.closeSync();
  let onDisk;
  try { store.FunnelIndex.createSync('an-index', { dim }); } catch (error) { onDisk = error.code; }
  return {
    active: main.activeKernels().name,
    bad, code, onDisk,
    answers: {
      main: hits(main.funnel, rows),
      wasm: hits(wasm.funnel, rows),
      kernels: Array.from(indices, (row, i) => [row + 1, keys[i]]),
      qdrant: hits(main.funnel, qdrant.fromQdrant({ points }, { vector: 'full' })),
      store: hits(main.funnel, { vectors: gathered, dim, ids: rows.map((row) => row.id) }),
      milvus: hits(main.funnel, milvus.fromMilvus(answer, { vectorField: 'vector' })),
    },
    sources: [qdrant.qdrantSource, milvus.milvusSource, store.embeddedSource, source.guarded].map((one) => typeof one)
  };
};
`;

const ENTRIES = {
  main: '',
  wasm: '/wasm',
  kernels: '/kernels',
  qdrant: '/qdrant',
  milvus: '/milvus',
  store: '/store',
  source: '/source',
};
const entries = Object.entries(ENTRIES);
const NAMES = Object.keys(ENTRIES).join(', ');

const IMPORT = `
import probe from './probe.cjs';
${entries.map(([name, path]) => `import * as ${name} from 'funnelvec${path}';`).join('\n')}
console.log(JSON.stringify(probe({ ${NAMES} })));
`;

const REQUIRE = `
const probe = require('./probe.cjs');
${entries.map(([name, path]) => `const ${name} = require('funnelvec${path}');`).join('\n')}
console.log(JSON.stringify(probe({ ${NAMES} })));
`;

/** Which binaries of ours this process has loaded after a call of the entry named in its arguments. */
const LOADED = `
const { funnel } = await import(process.argv[2]);
const hits = funnel([{ vector: [1, 2] }, { vector: [2, 1] }], [2, 1], { scales: [1, 2], keep: 1 });
process.report.excludeNetwork = true;
const objects = process.report.getReport().sharedObjects.filter((path) => path.endsWith('.node'));
console.log(JSON.stringify({ best: hits[0].id, objects }));
`;

/** The same work in several threads at once, small and large, and an error in each. */
const WORKERS = `
import { Worker } from 'node:worker_threads';
const threads = Array.from({ length: 6 }, () => {
  const worker = new Worker(new URL('./thread.mjs', import.meta.url));
  let message;
  worker.on('message', (m) => { message = m; });
  return new Promise((resolve, reject) => {
    worker.on('error', reject);
    worker.on('exit', (code) => resolve({ code, ...message }));
  });
});
console.log(JSON.stringify(await Promise.all(threads)));
`;

const THREAD = `
import { parentPort } from 'node:worker_threads';
import { activeKernels, FunnelError, funnel, funnelAsync } from 'funnelvec';
const dim = 256;
const vectors = Float32Array.from({ length: 12000 * dim }, (_, i) => Math.sin(i));
const query = vectors.slice(5 * dim, 6 * dim);
const plan = { scales: [200, 256], keep: 0.5, limit: 5 };
const pairs = (hits) => hits.map(({ id, score }) => [id, score]);
const sync = pairs(funnel({ vectors, dim }, query, plan));
const async = pairs(await funnelAsync({ vectors, dim }, query, plan));
let code;
try { funnel([], new Float32Array(0)); } catch (error) { code = error instanceof FunnelError && error.code; }
parentPort.postMessage({ active: activeKernels().name, sync, async, code });
`;

/** A source of the consumer's own, under the suite. */
export const SUITE_TYPED = `
import { importFile, readRows } from 'funnelvec/files';
import type { Source } from 'funnelvec/source';
import { type Backend, FEATURES, type Row, sourceConformance, type Supports } from 'funnelvec/source/conformance';

declare const source: Source;
const supports: Supports = { idKinds: { number: 'number' }, exact: 'server', refuses: { [FEATURES[0]]: 'nothing to ask' } };
const backend: Backend = {
  supports,
  create: async ({ rows }) => { const ids = rows.map((row: Row) => row.id); ids.length; },
  drop: async () => {},
  source: () => source,
  idOf: ({ id }) => id,
  payloadOf: ({ title }) => ({ title }),
  stop: async () => {},
};
const run: Promise<void> = sourceConformance('mine', async () => backend);
export { importFile, readRows, run };
`;

/** A consumer in TypeScript; as .mts and as .cts it uses the same names. */
export const TYPED = `
import {
  activeKernels, doublingPlan, type Explanation, FunnelError, type FunnelErrorCode, FunnelSearch, fromMilvus,
  fromQdrant, funnel, funnelAsync, funnelBatch, funnelBatchAsync, funnelPlan, type Hit, type HeadAnswer,
  type KernelsInfo, listKernels, type Plan, type Source, tutorialPlan, useKernels,
} from 'funnelvec';
import { getKernels, KERNEL_NAMES, type Kernels, type Rows } from 'funnelvec/kernels';
import { milvusSource } from 'funnelvec/milvus';
import { type QdrantRestClient, qdrantSource } from 'funnelvec/qdrant';
import {
  embeddedSource, FunnelIndex, importJsonl, importMatrix, importNpy, type IndexHit, type SyncResult,
} from 'funnelvec/store';
import { type CallOptions, compileFilter, type FilterNode, guarded, packRows, type Source as OwnSource } from 'funnelvec/source';
import { createWasmKernels, funnel as wasmFunnel } from 'funnelvec/wasm';

interface Film { id: number; vector: number[]; title: string }
declare const films: Film[];
declare const client: QdrantRestClient;
declare const answer: HeadAnswer;
const query = Float32Array.of(1, 2);

const plan: Plan = { ...funnelPlan(768), keep: [0.5, { count: 3 }, 1] };
const best: Hit<Film>[] = funnel(films, query, plan, { limit: 3 });
const title: string | undefined = best[0]?.row?.title;
const titlesOfAll: Promise<string[]> = funnelBatchAsync([{ candidates: films, query }]).then(([hits]) => hits!.map(({ row }) => row.title));
const titles: string[] = funnel(films, query).map(({ row }) => row.title);
const explained: Explanation<Film> = funnel(films, query, undefined, { explain: true });
const packed: Hit[] = wasmFunnel({ vectors: query, dim: 2, ids: ['a'] }, [1, 2], tutorialPlan);
const later: Promise<Hit<Film>[]> = funnelAsync(films, query, doublingPlan(64));
const many: Hit<Film>[][] = funnelBatch([{ candidates: films, query }]);
const manyLater: Promise<Hit[][]> = funnelBatchAsync([{ candidates: answer.candidates, query }]);
const source: Source = qdrantSource(client, { collection: 'films', head: 'head', full: 'full' });
declare const index: FunnelIndex<{ title: string }>;
const asOwn: OwnSource = source;
const passes: boolean = compileFilter({ op: 'and', nodes: [] } satisfies FilterNode)(1, {});
const call: Promise<number> = guarded('here', {} satisfies CallOptions, async () => 1, () => new FunnelError('REFUSED', ''));
const rowsOf: Float32Array = packRows([[1, 2]], 2);
const search = new FunnelSearch({ source, plan, mirror: index });
const own = new FunnelSearch({ source: embeddedSource(index, { head: 128 }) });
const synced: Promise<SyncResult> = index.syncFrom(source, { batch: 100, onProgress: ({ done }) => done });
const indexed: Promise<IndexHit<{ title: string }>[]> = index.query({ vector: query }).then((r) => r.hits);
const imports = [importMatrix(index, query), importNpy(index, 'a.npy'), importJsonl(index, 'a.jsonl')];
const hits: Promise<Hit[]> = search.query({ vector: query, limit: 3, withPayload: true }).then((r) => r.hits);
const kernels: Kernels = useKernels('native');
const info: KernelsInfo[] = listKernels();
const rows: Rows = new Uint16Array(2);
const code: FunnelErrorCode = new FunnelError('BAD_PLAN', 'text').code;
fromQdrant({ points: [] }, { vector: 'full' });
fromMilvus({ results: [] }, { vectorField: 'full' });

// @ts-expect-error a fraction or a count
funnel(films, query, { scales: [2], keep: 'half' });
// @ts-expect-error no such kernels
useKernels('sse');
// @ts-expect-error no such code
const wrong: FunnelErrorCode = 'BAD';

export {
  activeKernels, code, createWasmKernels, explained, getKernels, hits, info, KERNEL_NAMES, kernels, later, many,
  imports, indexed, manyLater, milvusSource, own, packed, rows, search, synced, title, titles, titlesOfAll, wrong,
};
`;

export const PROGRAMS: Record<string, string> = {
  'probe.cjs': PROBE,
  'import.mjs': IMPORT,
  'require.cjs': REQUIRE,
  'loaded.mjs': LOADED,
  'workers.mjs': WORKERS,
  'thread.mjs': THREAD,
};

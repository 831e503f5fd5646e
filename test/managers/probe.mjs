// In a project that a package manager has made: prints what runs there as JSON.
import { createRequire } from 'node:module';
import { funnelAsync, listKernels, useKernels } from 'funnelvec';
import { FunnelIndex } from 'funnelvec/store';

let threads = 0;
process.on('worker', () => threads++);

const query = Float32Array.from({ length: 16 }, (_, i) => i - 5);
const vectors = Float32Array.from({ length: 64 * 16 }, (_, i) => ((i * 48_271) % 257) - 128);
// Enough for a thread: what is little runs at once.
const many = { vectors: Float32Array.from({ length: 140_000 * 16 }, (_, i) => ((i * 48_271) % 257) - 128), dim: 16 };
const plan = { scales: [16], keep: 1, limit: 3 };
const told = (hits) => hits.map(({ id, score }) => [id, score]);

const active = listKernels().find((one) => one.active).name;
const native = told(await funnelAsync(many, query, plan));
const index = await FunnelIndex.create(':memory:', { dim: 16 });
await index.upsert({ ids: Array.from({ length: 64 }, (_, i) => i), vectors });
await index.optimize();
const { hits } = await index.query({ vector: query, limit: 3, mode: 'exact' });
await index.close();
const ofIndex = threads;

useKernels('wasm');
const wasm = told(await funnelAsync(many, query, plan));
const required = createRequire(import.meta.url)('./probe.cjs').active();
console.log(JSON.stringify({ active, required, native, wasm, index: told(hits), ofIndex, ofWasm: threads - ofIndex }));
process.exit(0);

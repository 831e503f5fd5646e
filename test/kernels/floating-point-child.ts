/** Has onnxruntime set the floating-point mode of this thread for its own ends, and tells what kernels answer before and after. */
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { funnel, funnelAsync, listKernels, useKernels } from 'funnelvec';
import { FunnelIndex } from 'funnelvec/store';

const DIM = 24;
const tiny = new Float64Array([5e-324]);
const flushes = () => tiny[0]! + tiny[0]! === 0;
// Subnormal floats, which count as zero in the other mode: scores are of nothing else.
const value = (i: number) => (((i * 48_271) % 65_537) / 65_537) * 1e-39;
const vectors = Float32Array.from({ length: 40 * DIM }, (_, i) => value(i + 1));
const halves = Uint16Array.from({ length: 40 * DIM }, (_, i) => 1 + ((i * 48_271) % 1000)); // subnormal float16
const query = Float32Array.from({ length: DIM }, (_, i) => 1 - i / 40);
const plan = { scales: [8, 16, DIM], keep: 0.5, limit: 5, metric: 'dot' } as const;

async function answers() {
  const found: Record<string, unknown> = {};
  for (const { name, supported } of listKernels()) {
    if (!supported || name === 'wasm' || name === 'js') continue;
    useKernels(name);
    found[name] = [vectors, halves].map((one) => funnel({ vectors: one, dim: DIM }, query, plan));
    found[`${name}, another thread`] = await funnelAsync({ vectors, dim: DIM }, query, plan);
  }
  useKernels('native');
  const index = await FunnelIndex.create(':memory:', { dim: DIM, metric: 'dot', threads: 2 });
  await index.upsert({ ids: Array.from({ length: 40 }, (_, i) => i), vectors });
  found['index'] = index.querySync({ vector: query, mode: 'exact', limit: 5 }).hits;
  await index.close();
  return found;
}

const before = [flushes(), await answers()];
const load = createRequire(import.meta.url);
const ort = load('onnxruntime-node') as typeof import('onnxruntime-node');
await ort.InferenceSession.create(resolve('test/models/families/bert/onnx/model.onnx'), {
  extra: { session: { set_denormal_as_zero: '1' } },
  intraOpNumThreads: 1,
});
const after = [flushes(), await answers()];
console.log(JSON.stringify({ before, after, stays: flushes() }));
process.exit(0);

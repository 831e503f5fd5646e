// Prints the processor time, in milliseconds, of asynchronous calls whose messages to threads hold millions of elements: of the
// index's build in threads, and of a call of kernels in a thread of theirs.
import { funnelAsync, useKernels } from 'funnelvec';
import { FunnelIndex } from 'funnelvec/store';

const DIM = 128;
const ROWS = 20_000;
/** Rows of the call, as a multiple: what is little runs on the calling thread. */
const TIMES = 4;

let seed = 1;
const vectors = Float32Array.from({ length: ROWS * DIM }, () => {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return seed / 2 ** 31 - 1;
});

async function spent(run) {
  const before = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

const index = await FunnelIndex.create(':memory:', { dim: DIM });
await index.upsert({ ids: Int32Array.from({ length: ROWS }, (_, i) => i), vectors });
const build = await spent(() => index.optimize());
await index.close();

useKernels('wasm');
const many = new Float32Array(TIMES * vectors.length);
for (let i = 0; i < TIMES; i++) many.set(vectors, i * vectors.length);
const plan = { scales: [DIM], keep: 1, limit: 4 };
const call = await spent(() => funnelAsync({ vectors: many, dim: DIM }, vectors.subarray(0, DIM), plan));

console.log(JSON.stringify({ build, call }));

/**
 * Memory and threads over the life of a process: threads that die in the middle of work, memory that the collector
 * takes or the caller gives away meanwhile, and nothing left behind after many calls.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { afterEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import { funnel, funnelAsync, funnelBatchAsync, type Hit, useKernels } from 'funnelvec';
import { getKernels, listKernels } from 'funnelvec/kernels';
import { DIM, heavyTasks, matrix, task } from './lifecycle-tasks.js';

const MIB = 2 ** 20;
const best = listKernels().find((kernels) => kernels.active)!.name;
// Native levels share their code here; of the others each has threads and memory of its own kind.
const backends = listKernels()
  .filter(({ name, supported }) => supported && (name === best || name === 'wasm' || name === 'js'))
  .map(({ name }) => name);

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

for (const name of backends) {
  const kernels = getKernels(name);

  describe(`life cycle: ${name}`, { timeout: 300_000 }, () => {
    afterEach(() => {
      useKernels(best);
    });

    it('survives threads that are terminated in the middle of work', async () => {
      const url = new URL('./lifecycle-worker.js', import.meta.url);
      const rounds = name === best ? 3 : 1;
      for (let round = 0; round < rounds; round++) {
        const workers = Array.from({ length: 8 }, () => new Worker(url, { workerData: { kernels: name } }));
        await Promise.all(
          workers.map(async (worker, i) => {
            await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
            await new Promise((resolve) => setTimeout(resolve, 3 * i + round));
            assert.equal(await worker.terminate(), 1);
          }),
        );
      }
      assert.deepEqual(await kernels.funnelBatchAsync(heavyTasks(2)), [-1, -1]);
    });

    it('lets the process exit in the middle of work', () => {
      const program = `
        import { getKernels } from 'funnelvec/kernels';
        import { heavyTasks } from './lifecycle-tasks.js';
        for (let i = 0; i < 8; i++) getKernels('${name}').funnelBatchAsync(heavyTasks(2));
        setTimeout(() => process.exit(7), 5);`;
      const args = ['--input-type=module', '-e', program];
      const cwd = fileURLToPath(new URL('.', import.meta.url));
      const { status, signal, stderr } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8', timeout: 60_000 });
      assert.deepEqual({ status, signal, stderr }, { status: 7, signal: null, stderr: '' });
    });

    it('lets the process end by itself after work off the main thread', () => {
      const program = `
        import { getKernels } from 'funnelvec/kernels';
        import { heavyTasks } from './lifecycle-tasks.js';
        console.log((await getKernels('${name}').funnelBatchAsync(heavyTasks(1))).join());`;
      const args = ['--input-type=module', '-e', program];
      const cwd = fileURLToPath(new URL('.', import.meta.url));
      const { status, signal, stdout } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8', timeout: 60_000 });
      assert.deepEqual({ status, signal, stdout }, { status: 0, signal: null, stdout: '-1\n' });
    });

    it('keeps inputs alive that nobody else holds', async () => {
      const want = heavyTasks(3);
      kernels.funnelBatch(want);
      const outputs: { indices: Uint32Array; keys: Float64Array }[] = [];
      const start = () => {
        const tasks = heavyTasks(3);
        for (const { indices, keys } of tasks) outputs.push({ indices, keys });
        return kernels.funnelBatchAsync(tasks);
      };
      const running = [start(), start(), start()];
      for (let i = 0; i < 20; i++) {
        gc();
        matrix(1000, i); // takes the place of what was freed
        await new Promise((resolve) => setImmediate(resolve));
      }
      await Promise.all(running);
      outputs.forEach(({ indices, keys }, i) => {
        assert.deepEqual(indices, want[i % 3]!.indices);
        assert.deepEqual(keys, want[i % 3]!.keys);
      });
    });

    describe('does not crash and gives the right answer', () => {
      const count = 20_000;
      const query = matrix(1, 99);
      const plan = { scales: [64, 128, DIM], keep: 0.5, limit: 8 };
      const want = plain(funnel({ vectors: matrix(count), dim: DIM }, query, plan));

      // Each takes something away while the work runs. Large candidates are copied a part at a time after the call has
      // returned: to take them is an error, and never a crash or a wrong answer.
      const detached = { name: 'FunnelError', code: 'DETACHED_BUFFER' };

      it('when the query is transferred or overwritten meanwhile', async () => {
        useKernels(name);
        for (const act of [transfer, (q: Float32Array) => q.fill(Number.NaN)]) {
          const vectors = matrix(count);
          const [q, other] = [query.slice(), query.slice()];
          const running = funnelAsync({ vectors, dim: DIM }, q, plan);
          const together = funnelBatchAsync([{ candidates: { vectors, dim: DIM }, query: other }], plan);
          act(q);
          act(other);
          gc();
          assert.deepEqual(plain(await running), want);
          assert.deepEqual((await together).map(plain), [want]);
        }
      });

      it('or an error, when the candidates are transferred meanwhile', async () => {
        useKernels(name);
        const [one, other] = [matrix(count), matrix(count)];
        const running = funnelAsync({ vectors: one, dim: DIM }, query, plan);
        const together = funnelBatchAsync([{ candidates: { vectors: other, dim: DIM }, query }], plan);
        transfer(one);
        transfer(other);
        gc();
        await assert.rejects(running, detached);
        await assert.rejects(together, detached);
      });

      it('when small candidates, ranked before the call returns, are transferred or overwritten', async () => {
        useKernels(name);
        for (const act of [transfer, (v: Float32Array) => v.fill(Number.NaN)]) {
          const vectors = matrix(500);
          const small = plain(funnel({ vectors, dim: DIM }, query, plan));
          const running = funnelAsync({ vectors, dim: DIM }, query, plan);
          act(vectors);
          assert.deepEqual(plain(await running), small);
        }
      });

      it('when a resizable buffer shrinks meanwhile', async () => {
        useKernels(name);
        const bytes = count * DIM * 4;
        type Resizable = ArrayBuffer & { resize(bytes: number): void };
        const Buffer = ArrayBuffer as unknown as new (bytes: number, o: { maxByteLength: number }) => Resizable;
        const buffer = new Buffer(bytes, { maxByteLength: bytes });
        const running = funnelAsync({ vectors: matrix(count, 1, buffer), dim: DIM }, query, plan);
        buffer.resize(0);
        assert.deepEqual(plain(await running), want);
      });

      it('when the vectors of rows change meanwhile', async () => {
        useKernels(name);
        const vectors = matrix(count);
        const rows = Array.from({ length: count }, (_, r) => ({ vector: vectors.slice(r * DIM, (r + 1) * DIM) }));
        const running = funnelAsync(rows, query, plan);
        for (const { vector } of rows) vector.fill(0);
        assert.deepEqual(plain(await running), want);
      });

      it('from shared memory that several calls read at once', async () => {
        useKernels(name);
        const vectors = matrix(count, 1, new SharedArrayBuffer(count * DIM * 4));
        const running = Array.from({ length: 4 }, () => funnelAsync({ vectors, dim: DIM }, query, plan));
        for (const hits of await Promise.all(running)) assert.deepEqual(plain(hits), want);
      });
    });

    it('leaves nothing behind after 10,000 calls', async () => {
      const rows = matrix(64);
      const query = matrix(1, 99);
      const keys = new Float64Array(64);
      const whole = { metric: 'cosine', query, rows, dim: DIM, from: 0, to: DIM, keys } as const;
      await assertNoLeak('funnel', () => kernels.funnel(task(rows, query)));
      await assertNoLeak('scores', () => kernels.scores(whole));
      await assertNoLeak('a refused call', () => {
        assert.throws(() => funnel({ vectors: rows, dim: DIM }, query, { scales: [DIM + 1], keep: 1 }));
      });
    });

    it('leaves nothing behind after 10,000 calls off the main thread', async () => {
      const rows = matrix(64);
      const query = matrix(1, 99);
      const at = () => ({ indices: new Uint32Array(8), keys: new Float64Array(8) });
      await assertNoLeak('funnelBatchAsync', () => kernels.funnelBatchAsync([task(rows, query)]));
      await assertNoLeak('scanAsync', () =>
        kernels.scanAsync({ metric: 'dot', query, rows, dim: DIM, to: 99, ...at() }),
      );
    });
  });
}

it('a thread can load and leave the kernels a hundred times', { timeout: 300_000 }, async () => {
  const program = `const { activeKernels } = require('funnelvec'); activeKernels();`;
  const load = () =>
    new Promise<void>((resolve, reject) => {
      const worker = new Worker(program, { eval: true });
      worker.once('error', reject);
      worker.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`ended with code ${code}`))));
    });
  for (let i = 0; i < 25; i++) await Promise.all([load(), load(), load(), load()]);
});

it('threads may be terminated, and the process may exit, between two calls of kernels', { timeout: 300_000 }, () => {
  const program = `
    import { Worker } from 'node:worker_threads';
    const url = new URL('./lifecycle-scores-worker.js', ${JSON.stringify(import.meta.url)});
    const start = async () => {
      const worker = new Worker(url, { execArgv: [], workerData: { kernels: '${best}' } });
      await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
      return worker;
    };
    const four = () => Promise.all([start(), start(), start(), start()]);
    for (let round = 0; round < 4; round++) {
      const workers = await four();
      await new Promise((resolve) => setTimeout(resolve, round));
      for (const worker of workers) if ((await worker.terminate()) !== 1) throw new Error('it ended by itself');
    }
    await four();
    process.exit(7);`;
  const args = ['--input-type=module', '-e', program];
  const { status, signal, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 240_000 });
  assert.deepEqual({ status, signal, stderr }, { status: 7, signal: null, stderr: '' });
});

function plain(hits: Hit[]): [number, number][] {
  return hits.map(({ index, score }) => [index, score]);
}

function transfer(view: Float32Array): void {
  const buffer = view.buffer as ArrayBuffer;
  const theirs = structuredClone(buffer, { transfer: [buffer] });
  assert.equal(view.length, 0);
  new Float32Array(theirs).fill(Number.NaN);
}

/**
 * After a warm-up, 10,000 calls must not add what a leak of 1 KiB a call would. The memory of a process wavers, so that
 * a second round may acquit.
 */
async function assertNoLeak(what: string, call: () => unknown): Promise<void> {
  await repeat(call, 3000);
  let grown = { rss: 0, external: 0, heapUsed: 0 };
  for (let round = 0; round < 3; round++) {
    const before = await settled();
    await repeat(call, 10_000);
    const after = await settled();
    grown = {
      rss: after.rss - before.rss,
      external: after.external - before.external,
      heapUsed: after.heapUsed - before.heapUsed,
    };
    if (grown.rss < 8 * MIB && grown.external < MIB && grown.heapUsed < MIB) return;
  }
  assert.fail(`${what}: 10,000 calls left ${JSON.stringify(grown)} bytes, three times in a row`);
}

async function repeat(call: () => unknown, times: number): Promise<void> {
  for (let i = 0; i < times; ) {
    const wave: unknown[] = [];
    for (let j = 0; j < 50; j++, i++) wave.push(call());
    await Promise.all(wave);
  }
}

async function settled(): Promise<NodeJS.MemoryUsage> {
  for (let i = 0; i < 3; i++) {
    gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return process.memoryUsage();
}

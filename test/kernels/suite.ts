/** The conformance suite of the kernel contract. Every backend runs it; the oracle is the contract written a second time. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { halfToFloat } from '#dist/core/half.js';
import { type FunnelTask, KERNEL_NAMES, type Kernels, METRICS, type Rows } from '#dist/kernels/kernels.js';
import { Random, SEED } from '../random.js';
import { canariesAlive, guardedTwin, type KernelCase, randomCase, twin } from './cases.js';
import { runOracle } from './oracle.js';

export function kernelSuites(backends: readonly Kernels[], { cases = 100_000 } = {}): void {
  let failures: Map<string, unknown> | undefined;
  for (const kernels of backends) {
    kernelSuite(kernels, cases, () => {
      failures ??= failuresOf(backends, cases);
      if (failures.has(kernels.name)) throw failures.get(kernels.name);
    });
  }
}

/** The first failure of each backend in random calls. They are made, and the oracle asked, once for all backends. */
function failuresOf(backends: readonly Kernels[], cases: number): Map<string, unknown> {
  const failures = new Map<string, unknown>();
  const random = new Random(SEED);
  for (let i = 0; i < cases; i++) {
    const made = randomCase(random);
    const theirs = twin(made);
    const want = runOracle(theirs);
    for (const kernels of backends) {
      if (failures.has(kernels.name)) continue;
      try {
        assertEquals(kernels, guardedTwin(made), theirs, want, `case ${i}, seed ${SEED}`);
      } catch (error) {
        failures.set(kernels.name, error);
      }
    }
  }
  return failures;
}

function kernelSuite(kernels: Kernels, cases: number, assertRandomCalls: () => void): void {
  describe(`kernels: ${kernels.name}`, () => {
    it('has every kernel of the contract', () => {
      for (const name of KERNEL_NAMES) assert.equal(typeof kernels[name], 'function', name);
    });

    it(`equals the oracle bit for bit in ${cases} random calls (seed ${SEED})`, assertRandomCalls);

    for (const count of [4095, 4096, 4097, 5000]) {
      it(`keeps its bits for ${count} rows, on both sides of the limit for kept lanes`, () => {
        const random = new Random(SEED + count);
        const dim = 33;
        const rows = random.vector(count * dim);
        rows.copyWithin(200 * dim, 100 * dim, 180 * dim); // ties
        const keep = Uint32Array.of(count, 4500, 4100, 600, 11).map((k) => Math.min(k, count));
        const task = funnelTask({ query: random.vector(dim), rows, dim, scales: [3, 9, 16, 30, 33], keep });
        assertSame(kernels, { kernel: 'funnel', task }, `${count} rows`);
      });
    }

    for (const dim of [65_535, 65_536]) {
      it(`scores ${dim} dims`, () => {
        const random = new Random(SEED);
        const task = funnelTask({
          query: random.vector(dim),
          rows: random.vector(3 * dim),
          dim,
          scales: [1, 4097, dim],
          keep: [3, 2, 1],
        });
        assertSame(kernels, { kernel: 'funnel', task }, `${dim} dims`);
      });
    }

    it('is exact on integers, against plain sums', () => {
      const random = new Random(SEED);
      for (const dim of [1, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 100]) {
        const rows = Float32Array.from({ length: 20 * dim }, () => random.int(-9, 9));
        const query = Float32Array.from({ length: dim }, () => random.int(-9, 9));
        const keys = new Float64Array(20);
        const norms = new Float64Array(20);
        for (let to = 1; to <= dim; to++) {
          kernels.scores({ metric: 'dot', query, rows, dim, from: 0, to, keys });
          kernels.norms({ rows, dim, from: 0, to, norms });
          for (let r = 0; r < 20; r++) {
            let dot = 0;
            let squares = 0;
            for (let i = 0; i < to; i++) {
              dot += query[i]! * rows[r * dim + i]!;
              squares += rows[r * dim + i]! ** 2;
            }
            assert.equal(keys[r], dot + 0);
            assert.equal(norms[r], Math.sqrt(squares));
          }
        }
      }
    });

    it('agrees within 1e-12 with cosines and distances summed in another order', () => {
      const random = new Random(SEED);
      const dim = 777;
      const rows = random.vector(50 * dim);
      const query = random.vector(dim);
      const cosines = new Float64Array(50);
      const distances = new Float64Array(50);
      kernels.scores({ metric: 'cosine', query, rows, dim, from: 0, to: dim, keys: cosines });
      kernels.scores({ metric: 'euclid', query, rows, dim, from: 0, to: dim, keys: distances });
      const q = Array.from(query);
      for (let r = 0; r < 50; r++) {
        const x = Array.from(rows.subarray(r * dim, (r + 1) * dim));
        const sum = (f: (a: number, b: number) => number) => q.reduceRight((s, a, i) => s + f(a, x[i]!), 0);
        const cosine = sum((a, b) => a * b) / Math.sqrt(sum((a) => a * a) * sum((_, b) => b * b));
        assert.ok(Math.abs(cosines[r]! - cosine) < 1e-12, `${cosines[r]} against ${cosine}`);
        const distance = Math.sqrt(sum((a, b) => (a - b) ** 2));
        assert.ok(Math.abs(-distances[r]! - distance) < 1e-12 * distance, `${distances[r]} against ${distance}`);
      }
    });

    it('keeps cosines within [−1, 1], though rounding carries some quotients past', () => {
      const random = new Random(SEED);
      let past = 0;
      for (const dim of [2, 3, 8, 31, 384, 768]) {
        const count = 500;
        const query = random.vector(dim);
        const rows = new Float32Array(count * dim);
        // Multiples of the query by powers of two are exact, so their cosines are ±1.
        for (let r = 0; r < count; r++) {
          const scale = 2 ** random.int(-20, 20) * (r % 2 === 0 ? 1 : -1);
          rows.set(r < 10 ? query.map((x) => x * scale) : random.vector(dim), r * dim);
        }
        for (let r = 10; r < count; r++) {
          const own = rows.subarray(r * dim, (r + 1) * dim);
          const keys = new Float64Array(1);
          kernels.scores({ metric: 'cosine', query: own, rows: own, dim, from: 0, to: dim, keys });
          assert.ok(keys[0]! <= 1 && keys[0]! > 1 - 1e-15, `${keys[0]}`);
          const [dot, norm] = [new Float64Array(1), new Float64Array(1)];
          kernels.scores({ metric: 'dot', query: own, rows: own, dim, from: 0, to: dim, keys: dot });
          kernels.norms({ rows: own, dim, from: 0, to: dim, norms: norm });
          if (dot[0]! / (norm[0]! * norm[0]!) > 1) past++;
        }
        const scores = new Float64Array(count);
        kernels.scores({ metric: 'cosine', query, rows, dim, from: 0, to: dim, keys: scores });
        for (const score of scores) assert.ok(Math.abs(score) <= 1, `${score}`);
        const scales = Uint32Array.of(Math.ceil(dim / 2), dim);
        const task = funnelTask({ query, rows, dim, scales: [...scales], keep: [count, count] });
        kernels.funnel({ ...task, metric: 'cosine' });
        for (const key of task.keys) assert.ok(Math.abs(key) <= 1, `${key}`);
      }
      assert.ok(past > 100, `${past} quotients were past 1: no test of the cut`);
    });

    it('widens every float16 exactly', () => {
      const rows = Uint16Array.from({ length: 65_536 }, (_, bits) => bits).filter((b) => (b & 0x7c00) !== 0x7c00);
      const keys = new Float64Array(rows.length);
      kernels.scores({ metric: 'dot', query: Float32Array.of(1), rows, dim: 1, from: 0, to: 1, keys });
      rows.forEach((bits, i) => {
        assert.ok(Object.is(keys[i], halfToFloat(bits) + 0), `${bits.toString(16)} became ${keys[i]}`);
      });
    });

    it('gives a score at the last scale that does not depend on the scales before it', () => {
      const random = new Random(SEED);
      const dim = 100;
      const rows = random.vector(64 * dim);
      const query = random.vector(dim);
      for (const metric of METRICS) {
        const all = new Float64Array(64);
        kernels.scores({ metric, query, rows, dim, from: 0, to: dim, keys: all });
        for (const scales of [[100], [7, 100], [8, 9, 50, 100], [1, 2, 3, 99, 100]]) {
          const keep = scales.map((_, s) => 64 - 10 * (s + 1));
          const task = funnelTask({ metric, query, rows, dim, scales, keep });
          assert.equal(kernels.funnel(task), -1);
          task.indices.forEach((row, i) => {
            assert.ok(Object.is(task.keys[i], all[row]));
          });
        }
      }
    });

    it('puts equal scores in row order', () => {
      const dim = 5;
      const rows = new Float32Array(40 * dim).fill(1);
      const task = funnelTask({ query: new Float32Array(dim).fill(2), rows, dim, scales: [2, 5], keep: [9, 7] });
      assert.equal(kernels.funnel(task), -1);
      assert.deepEqual([...task.indices], [0, 1, 2, 3, 4, 5, 6]);
    });

    it('finds a NaN in dims and rows that the funnel does not read', () => {
      const random = new Random(SEED);
      const dim = 40;
      for (const position of [39, 40 * 17 + 39, 40 * 31 + 33]) {
        const rows = random.vector(32 * dim);
        rows[position] = Number.NaN;
        const task = funnelTask({ query: random.vector(dim), rows, dim, scales: [8, 30], keep: [4, 1] });
        assert.equal(kernels.funnel(task), position);
      }
    });

    it('finds a NaN in dims that the funnel reads, also where the rows are said to be finite', async () => {
      const random = new Random(SEED);
      const dim = 40;
      for (const position of [0, 40 * 17 + 7, 40 * 31 + 3]) {
        const rows = random.vector(32 * dim);
        rows[position] = Number.NaN;
        const task = funnelTask({ query: random.vector(dim), rows, dim, scales: [8, 30], keep: [4, 1], finite: true });
        assert.equal(kernels.funnel(task), position);
        assert.deepEqual(await kernels.funnelBatchAsync([task]), [position]);
      }
    });

    it('gives the same of finite rows, whether or not it is told that they are', () => {
      const random = new Random(SEED);
      for (let i = 0; i < 20; i++) {
        const dim = 24 + i;
        const given = { query: random.vector(dim), rows: random.vector(32 * dim), dim, scales: [8, 24], keep: [9, 4] };
        const [told, untold] = [true, false].map((finite) => funnelTask({ ...given, finite }));
        assert.equal(kernels.funnel(told!), -1);
        assert.equal(kernels.funnel(untold!), -1);
        assert.deepEqual([told!.indices, told!.keys], [untold!.indices, untold!.keys]);
      }
    });

    it('runs batches as it runs single calls, on the main thread and off it', async () => {
      const random = new Random(SEED);
      const tasks: FunnelTask[] = [];
      while (tasks.length < 40) {
        const one = randomCase(random);
        if (one.kernel === 'funnel') tasks.push(one.task);
      }
      const singly = tasks.map((task) => twin({ kernel: 'funnel', task } as const).task);
      const positions = singly.map((task) => kernels.funnel(task));
      for (const run of [kernels.funnelBatch, kernels.funnelBatchAsync]) {
        const batch = tasks.map((task) => twin({ kernel: 'funnel', task } as const).task);
        assert.deepEqual(await run(batch), positions);
        batch.forEach((task, i) => {
          if (positions[i] === -1) assertBits(task.indices, singly[i]!.indices, `task ${i}`);
          if (positions[i] === -1) assertBits(task.keys, singly[i]!.keys, `task ${i}`);
        });
      }
      assert.deepEqual(await kernels.funnelBatchAsync([]), []);
    });

    it('scans off the main thread as on it', async () => {
      const random = new Random(SEED);
      const dim = 48;
      const rows = random.vector(3000 * dim);
      const task = { metric: 'cosine', query: random.vector(dim), rows, dim, to: 40 } as const;
      const here = { ...task, indices: new Uint32Array(10), keys: new Float64Array(10) };
      const there = { ...task, indices: new Uint32Array(10), keys: new Float64Array(10) };
      assert.equal(kernels.scan(here), -1);
      assert.equal(await kernels.scanAsync(there), -1);
      assertBits(there.indices, here.indices, 'indices');
      assertBits(there.keys, here.keys, 'keys');
    });

    it('ranks more rows than fit into memory at once, where that is limited', () => {
      const random = new Random(SEED);
      const dim = 64;
      const count = 300_000; // 73 MiB
      const rows = new Float32Array(count * dim);
      for (let i = 0; i < rows.length; i++) rows[i] = random.next() - 0.5;
      rows.copyWithin(dim * 200_000, 0, dim * 1000); // ties far apart
      const query = random.vector(dim);
      const scored = new Float64Array(count);
      for (const [scales, keep] of [
        [[64], [9]],
        [
          [16, 64],
          [5000, 20],
        ],
        [
          [8, 16, 64],
          [count, 2000, 7],
        ],
      ]) {
        const task = funnelTask({ query, rows, dim, scales: scales!, keep: keep! });
        // Outputs may be longer than what is kept.
        task.indices = new Uint32Array(40).fill(77);
        task.keys = new Float64Array(40).fill(77);
        assert.equal(kernels.funnel(task), -1);
        let alive = Array.from({ length: count }, (_, row) => row);
        scales!.forEach((to, s) => {
          kernels.scores({ metric: 'cosine', query, rows, dim, from: 0, to, keys: scored });
          if (keep![s] === count) return;
          alive.sort((a, b) => scored[b]! - scored[a]! || a - b);
          alive = alive.slice(0, keep![s]!);
        });
        assert.deepEqual(Array.from(task.indices.subarray(0, alive.length)), alive);
        assert.deepEqual(
          Array.from(task.keys.subarray(0, alive.length)),
          alive.map((row) => scored[row]),
        );
        assert.ok(task.indices.subarray(alive.length).every((value) => value === 77));
      }
    });

    it('reads a SharedArrayBuffer', () => {
      const random = new Random(SEED);
      const dim = 20;
      const rows = new Float32Array(new SharedArrayBuffer(50 * dim * 4));
      rows.set(random.vector(50 * dim));
      const task = funnelTask({ query: random.vector(dim), rows, dim, scales: [10, 20], keep: [20, 5] });
      assertSame(kernels, { kernel: 'funnel', task }, 'shared');
    });
  });
}

export function funnelTask(
  part: Pick<FunnelTask, 'query' | 'rows' | 'dim'> & {
    metric?: FunnelTask['metric'];
    scales: ArrayLike<number>;
    keep: ArrayLike<number>;
    finite?: boolean;
  },
): FunnelTask {
  const keep = Uint32Array.from(part.keep);
  const out = keep.at(-1)!;
  return {
    metric: 'cosine',
    ...part,
    scales: Uint32Array.from(part.scales),
    keep,
    indices: new Uint32Array(out),
    keys: new Float64Array(out),
  };
}

function assertSame(kernels: Kernels, ours: KernelCase, what: string): void {
  const theirs = twin(ours);
  assertEquals(kernels, ours, theirs, runOracle(theirs), what);
}

/** Runs a call, and demands what the oracle returned and wrote. */
function assertEquals(kernels: Kernels, ours: KernelCase, theirs: KernelCase, want: number, what: string): void {
  const got = run(kernels, ours);
  const where = () => `${kernels.name} ${ours.kernel}, ${what}, ${shape(ours)}`;
  if (!Object.is(got, want)) assert.fail(`${where()}: returned ${got}, the oracle ${want}`);
  for (const name of ['keys', 'norms', 'indices'] as const) {
    const out = (ours.task as Record<string, unknown>)[name] as Float64Array | Uint32Array | undefined;
    if (out === undefined) continue;
    if (out.byteOffset > 0 && !canariesAlive(out)) {
      assert.fail(`${where()}: wrote outside of ${name}`);
    }
    // A call that found a NaN leaves its outputs undefined.
    if (want !== -1 && ours.kernel !== 'topK') continue;
    assertBits(out, (theirs.task as unknown as Record<string, Float64Array>)[name]!, where());
  }
}

function run(kernels: Kernels, { kernel, task }: KernelCase): number {
  switch (kernel) {
    case 'topK':
      return kernels.topK(task.scores, task.indices, task.keys);
    case 'firstNonFinite':
      return kernels.firstNonFinite(task.rows);
    default:
      return (kernels[kernel] as (t: typeof task) => number)(task);
  }
}

function assertBits(got: ArrayLike<number>, want: ArrayLike<number>, what: string): void {
  for (let i = 0; i < want.length; i++) {
    if (!Object.is(got[i], want[i])) assert.fail(`${what}: [${i}] is ${got[i]}, the oracle has ${want[i]}`);
  }
}

function shape({ task }: KernelCase): string {
  return Object.entries(task as Record<string, unknown>)
    .map(([name, v]) => {
      if (v instanceof Uint32Array && v.length < 9) return `${name}=[${v}]`;
      return ArrayBuffer.isView(v) ? `${name}:${v.constructor.name}(${(v as unknown as Rows).length})` : `${name}=${v}`;
    })
    .join(' ');
}

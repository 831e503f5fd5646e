import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { getKernels, listKernels } from 'funnelvec/kernels';
import { funnelTask, kernelSuites } from './suite.js';

const cases = Number(process.env['FUNNELVEC_CASES'] ?? 100_000);

kernelSuites(
  listKernels()
    .filter(({ supported }) => supported)
    .map(({ name }) => getKernels(name)),
  { cases },
);
for (const { name, supported, reason } of listKernels()) {
  if (!supported) it(`kernels: ${name}`, { skip: reason }, () => {});
}

const linuxFlags = process.platform === 'linux' && process.arch === 'x64' ? cpuFlags() : undefined;

it('runs the levels that the operating system says the CPU has', {
  skip: linuxFlags ? false : 'needs Linux on x64',
}, () => {
  const has = (...flags: string[]) => flags.every((flag) => linuxFlags!.has(flag));
  const supported = new Map(listKernels().map((kernels) => [kernels.name, kernels.supported]));
  if (!supported.get('scalar')) return; // no native binary at all
  const avx2 = has('avx2', 'fma', 'f16c');
  assert.equal(supported.get('avx2'), avx2);
  const avx512 = avx2 && has('avx512f', 'avx512dq', 'avx512bw', 'avx512vl');
  assert.equal(supported.get('avx512'), avx512);
  assert.equal(supported.get('avx512vnni'), avx512 && has('avx512_vnni'));
  assert.equal(supported.get('neon'), false);
});

function cpuFlags(): Set<string> {
  const line = /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'));
  return new Set(line === null ? [] : line[1]!.trim().split(/\s+/));
}

it('refuses calls that would crash native code', () => {
  const dim = 4;
  const rows = new Float32Array(8 * dim).fill(1);
  const query = new Float32Array(dim).fill(1);
  for (const { name, supported } of listKernels()) {
    if (!supported || name === 'wasm' || name === 'js') continue;
    const kernels = getKernels(name);
    const good = funnelTask({ query, rows, dim, scales: [2, 4], keep: [4, 2] });
    const bad: Record<string, unknown>[] = [
      { dim: undefined },
      { dim: 0 },
      { dim: 3 },
      { metric: 'l2' },
      { query: new Float32Array(3) },
      { rows: [1, 2, 3, 4] },
      { scales: Uint32Array.of(2, 5) },
      { scales: Uint32Array.of(4, 2) },
      { scales: new Uint32Array(0) },
      { keep: Uint32Array.of(9, 2) },
      { keep: Uint32Array.of(2) },
      { indices: new Uint32Array(1) },
      { keys: new Float64Array(1) },
      { keys: new Float32Array(2) },
    ];
    for (const change of bad) {
      const task = { ...good, ...change } as typeof good;
      const what = `${name}: ${Object.keys(change)}`;
      assert.throws(() => kernels.funnel(task), { name: 'FunnelError', code: 'BAD_ARGUMENT' }, what);
      assert.throws(() => kernels.funnelBatch([task]), { code: 'BAD_ARGUMENT' }, what);
    }
    const scan = {
      metric: 'cosine',
      query,
      rows,
      dim,
      to: 4,
      indices: new Uint32Array(3),
      keys: new Float64Array(3),
    } as const;
    assert.throws(() => kernels.scan({ ...scan, keys: new Float64Array(2) }), { code: 'BAD_ARGUMENT' });
    assert.throws(() => kernels.scan({ ...scan, to: 5 }), { code: 'BAD_ARGUMENT' });
    const scores = { metric: 'cosine', query, rows, dim, from: 0, to: 4, keys: new Float64Array(7) } as const;
    assert.throws(() => kernels.scores(scores), { code: 'BAD_ARGUMENT' });
    assert.throws(() => kernels.norms({ rows, dim, from: 3, to: 2, norms: new Float64Array(8) }), {
      code: 'BAD_ARGUMENT',
    });
    assert.throws(() => kernels.topK(new Float64Array(3), new Uint32Array(2), new Float64Array(1)), {
      code: 'BAD_ARGUMENT',
    });
  }
});

it('refuses what only passes for a typed array, and views that lie about their memory', () => {
  const dim = 4;
  const rows = new Float32Array(8 * dim).fill(1);
  const query = new Float32Array(dim).fill(1);
  const lost = rows.slice();
  structuredClone(lost.buffer, { transfer: [lost.buffer] });
  Object.defineProperty(lost, 'byteLength', { value: 128 });
  const elsewhere = Object.defineProperty(rows.slice(), 'buffer', { value: { resizable: true } });
  for (const { name, supported } of listKernels()) {
    if (!supported) continue;
    const kernels = getKernels(name);
    const good = funnelTask({ query, rows, dim, scales: [2, 4], keep: [4, 2] });
    for (const field of ['query', 'rows', 'scales', 'keep', 'indices', 'keys'] as const) {
      const prototype = Object.getPrototypeOf(good[field]) as object;
      const { length } = good[field];
      const fakes = {
        proxy: new Proxy(good[field], {}),
        heir: Object.create(prototype),
        'heir with a length': Object.create(prototype, { length: { value: length }, byteLength: { value: 64 } }),
      };
      for (const [kind, fake] of Object.entries(fakes)) {
        const error = { name: 'FunnelError', code: 'BAD_ARGUMENT', message: new RegExp(`for ${field} `) };
        assert.throws(() => kernels.funnel({ ...good, [field]: fake }), error, `${name}: ${kind} of ${field}`);
      }
    }
    assert.throws(() => kernels.topK(new Proxy(new Float64Array(3), {}), new Uint32Array(2), new Float64Array(2)), {
      code: 'BAD_ARGUMENT',
    });
    const norms = new Float64Array(8);
    assert.throws(() => kernels.norms({ rows: lost, dim, from: 0, to: dim, norms }), { code: 'DETACHED_BUFFER' }, name);
    assert.throws(() => kernels.firstNonFinite(lost), { code: 'DETACHED_BUFFER' }, name);
    assert.equal(kernels.norms({ rows: elsewhere, dim, from: 0, to: dim, norms }), -1);
    assert.deepEqual(norms, new Float64Array(8).fill(2), `${name}: norms of rows whose buffer is said to be another`);
  }
});

it('lets no task of a batch write into the plan of another', () => {
  const dim = 4;
  const rows = Float32Array.from({ length: 200 * dim }, (_, i) => (i * 7919) % 101);
  const query = new Float32Array(dim).fill(1);
  for (const { name, supported } of listKernels()) {
    if (!supported) continue;
    const kernels = getKernels(name);
    const task = () => funnelTask({ query, rows, dim, scales: [2, 4], keep: [20, 10] });
    const alone = task();
    kernels.funnel(alone);
    for (const plan of ['keep', 'scales'] as const) {
      const first = task();
      const second = task();
      first.indices.set(second[plan]);
      second[plan] = first.indices.subarray(0, 2);
      assert.deepEqual(kernels.funnelBatch([first, second]), [-1, -1]);
      assert.deepEqual(second.indices, alone.indices, `${name}: ${plan}`);
    }
  }
});

it('has native kernels and WASM in CI', { skip: process.env['CI'] === 'true' ? false : 'only with CI=true' }, () => {
  const names = listKernels()
    .filter((k) => k.supported)
    .map((k) => k.name);
  for (const name of ['scalar', 'wasm', 'js'] as const) assert.ok(names.includes(name), `${name} is missing`);
});

/**
 * An index in memory on processors of either byte order, and files and bytes that say where they cannot be read.
 * `npm run test:platforms` runs it on a big-endian one.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { listKernels } from 'funnelvec/kernels';
import { FunnelIndex, importMatrixFile, importNpy } from 'funnelvec/store';
import { LITTLE_ENDIAN } from '#dist/core/endian.js';
import { Random } from '../random.js';

const folder = mkdtempSync(join(tmpdir(), 'funnelvec-byte-order-'));
after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

const DIM = 8;
const COUNT = 1200;
const random = new Random(11);
const POINTS = Array.from({ length: COUNT }, (_, id) => ({
  id: BigInt(id),
  vector: Array.from({ length: DIM }, () => Math.round(random.next() * 64) / 64),
  payload: { half: id % 2, third: id % 3 },
}));

it('rows that pass a filter are the same on both, also of few, of late and of dead rows', async () => {
  const index = await FunnelIndex.create(':memory:', { dim: DIM, metric: 'dot', autoOptimize: false });
  try {
    await index.upsert(POINTS.slice(0, 1000));
    await index.optimize();
    await index.upsert(POINTS.slice(1000));
    const dead = new Set([3n, 500n, 514n, 1100n]);
    await index.delete([...dead]);
    const vector = [1, 0.5, 0.25, 1, 0.125, 1, 0.75, 0.5];
    for (const [filter, passes] of [
      [{ must: [{ key: 'half', match: { value: 1 } }] }, (id: bigint) => id % 2n === 1n],
      [{ must_not: [{ key: 'third', match: { value: 0 } }] }, (id: bigint) => id % 3n !== 0n],
    ] as const) {
      const alive = POINTS.filter(({ id }) => passes(id) && !dead.has(id));
      const sums = alive.map((one) => one.vector.reduce((sum, value, i) => sum + value * vector[i]!, 0));
      const best = [...sums].sort((a, b) => b - a).slice(0, 20);
      const { hits } = await index.query({ vector, limit: 20, mode: 'exact', filter });
      assert.deepEqual(
        hits.map(({ score }) => score),
        best,
      );
      for (const { id, score } of hits) {
        const at = alive.findIndex((one) => one.id === id);
        assert.ok(at >= 0, `${id} does not pass`);
        assert.equal(sums[at], score);
      }
    }
  } finally {
    await index.close();
  }
});

it('files of numbers have the same values on both', async () => {
  const rows = [
    [1, -2, 0.5],
    [3, 256, -0.125],
  ];
  const read = async (fill: (index: FunnelIndex) => Promise<unknown>) => {
    const index = await FunnelIndex.create(':memory:', { dim: 3, metric: 'dot' });
    try {
      await fill(index);
      return (await index.get([0, 1])).map((point) => Array.from(point!.vector));
    } finally {
      await index.close();
    }
  };
  const halves = { 1: 0x3c00, [-2]: 0xc000, 0.5: 0x3800, 3: 0x4200, 256: 0x5c00, [-0.125]: 0xb000 } as Record<
    number,
    number
  >;
  for (const [type, width, write] of [
    ['<f2', 2, (into: Buffer, value: number, at: number) => into.writeUInt16LE(halves[value]!, at)],
    ['<f4', 4, (into: Buffer, value: number, at: number) => into.writeFloatLE(value, at)],
    ['<f8', 8, (into: Buffer, value: number, at: number) => into.writeDoubleLE(value, at)],
  ] as const) {
    const head = `{'descr': '${type}', 'fortran_order': False, 'shape': (2, 3), }`.padEnd(117);
    const bytes = Buffer.alloc(128 + 6 * width);
    bytes.write(`\x93NUMPY\x01\x00v\x00${head}\n`, 'latin1');
    for (const [i, value] of rows.flat().entries()) write(bytes, value, 128 + width * i);
    const path = join(folder, `rows-${width}.npy`);
    writeFileSync(path, bytes);
    assert.deepEqual(await read((index) => importNpy(index, path)), rows, type);
  }
  const bin = Buffer.alloc(8 + 24);
  bin.writeUInt32LE(2, 0);
  bin.writeUInt32LE(3, 4);
  for (const [i, value] of rows.flat().entries()) bin.writeFloatLE(value, 8 + 4 * i);
  writeFileSync(join(folder, 'rows.fbin'), bin);
  assert.deepEqual(await read((index) => importMatrixFile(index, join(folder, 'rows.fbin'))), rows);
});

const REFUSALS =
  'files and bytes of an index are refused where numbers begin with their highest byte, as WebAssembly is';

it(REFUSALS, { skip: LITTLE_ENDIAN && 'this processor is little-endian' }, async () => {
  const index = await FunnelIndex.create(':memory:', { dim: DIM });
  const refused = { name: 'FunnelError', code: 'UNSUPPORTED', message: /Expected a little-endian processor/ };
  try {
    await index.upsert(POINTS);
    await assert.rejects(index.toBytes(), refused);
    await assert.rejects(FunnelIndex.fromBytes(new Uint8Array(4096)), refused);
    await assert.rejects(FunnelIndex.create(join(folder, 'index'), { dim: DIM }), refused);
    await assert.rejects(FunnelIndex.open(join(folder, 'index')), refused);
    assert.ok(!readdirSync(folder).includes('index'), 'a folder was made');
  } finally {
    await index.close();
  }
  const kernels = new Map(listKernels().map((one) => [one.name, one]));
  assert.equal(kernels.get('wasm')!.supported, false);
  assert.match(kernels.get('wasm')!.reason!, /another order/);
  assert.equal(kernels.get('js')!.supported, true);
});

/** Makes a process believe that its processor is big-endian. */
const BELIEF = `
import { register } from 'node:module';
const hooks = \`export const load = (url, context, next) => url.endsWith('/dist/esm/core/endian.js')
  ? { format: 'module', shortCircuit: true, source: 'export const LITTLE_ENDIAN = false; export const turn = () => {};' }
  : next(url, context);\`;
register('data:text/javascript,' + encodeURIComponent(hooks));
`;

/** Under qemu the system does not start a program for another processor. */
const starts = spawnSync(process.execPath, ['--version']).status === 0;

it('a process that is told so does the same', { skip: !LITTLE_ENDIAN || !starts }, () => {
  const args = ['--import', `data:text/javascript,${encodeURIComponent(BELIEF)}`, '--test-reporter=tap'];
  const file = fileURLToPath(import.meta.url);
  const { NODE_TEST_CONTEXT: _, ...env } = process.env; // else it answers as a part of this run
  const options = { encoding: 'utf8', env } as const;
  const { stdout } = spawnSync(process.execPath, [...args, `--test-name-pattern=${REFUSALS}`, file], options);
  assert.match(stdout, new RegExp(`^ok \\d+ - ${REFUSALS}$`, 'm'), stdout);
});

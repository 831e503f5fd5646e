/** float16 is made of float64 in one rounding: by way of float32, values near a tie come out beside the nearest. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { FunnelIndex, importJsonl, importNpy } from 'funnelvec/store';
import { toHalf } from '#dist/core/half.js';

const folder = mkdtempSync(join(tmpdir(), 'funnelvec-float16-'));
after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

/** Values a little beside the tie of two float16 numbers, and the nearer of these. */
const CASES = [
  [1.000488281250001, 1.0009765625],
  [-1.000488281250001, -1.0009765625],
  [1.001464843749999, 1.0009765625], // the even neighbour is the farther one
  [2 ** -25 * (1 + 2 ** -40), 2 ** -24], // half of the smallest number
  [65519.99999999999, 65504],
] as const;
const GIVEN = CASES.map(([given]) => given);
const WANTED = CASES.map(([, wanted]) => wanted);
const dim = GIVEN.length;

it('toHalf() rounds a float64 once', () => {
  assert.equal(toHalf(1.000488281250001), 0x3c01);
  assert.equal(toHalf(65519.99999999999), 0x7bff);
  assert.equal(toHalf(65520), 0x7c00);
  assert.equal(toHalf(2 ** -200), 0);
  assert.equal(toHalf(-(2 ** -200)), 0x8000);
  assert.equal(toHalf(1e300), 0x7c00);
  assert.equal(toHalf(Number.NaN), 0x7e00);
});

it('rows, JSONL and .npy files of float64 are kept as the nearest float16', async () => {
  const npy = join(folder, 'doubles.npy');
  const head = `{'descr': '<f8', 'fortran_order': False, 'shape': (1, ${dim}), }`.padEnd(117) + '\n';
  const bytes = Buffer.from(Float64Array.from(GIVEN).buffer);
  const start = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, head.length, 0]);
  writeFileSync(npy, Buffer.concat([start, Buffer.from(head), bytes]));
  const ways: [string, (index: FunnelIndex) => Promise<unknown>][] = [
    ['an array', (index) => index.upsert([{ id: 0, vector: GIVEN }])],
    ['a Float64Array', (index) => index.upsert([{ id: 0, vector: Float64Array.from(GIVEN) as never }])],
    ['JSONL', (index) => importJsonl(index, [`${JSON.stringify({ id: 0, vector: GIVEN })}\n`])],
    ['.npy', (index) => importNpy(index, npy)],
  ];
  for (const [name, write] of ways) {
    const index = await FunnelIndex.create(':memory:', { dim, precision: 'float16' });
    await write(index);
    assert.deepEqual(Array.from((await index.get([0]))[0]!.vector), WANTED, name);
    await index.close();
  }
});

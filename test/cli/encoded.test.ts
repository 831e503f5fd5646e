/** --vector-type over text files: base64 and bytes as APIs answer them arrive with the values that they hold. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { done, fails } from './command.js';
import { contentsOf, tempFolder } from './files.js';

const { path, write } = tempFolder();
let made = 0;

async function arrives(file: string, type: string): Promise<unknown[]> {
  const to = path(`to-${made++}`);
  await done(['ingest', file, '--vector', 'v', '--vector-type', type, '--metric', 'dot', '--to', to]);
  return (await contentsOf(to)).map(({ vector }) => vector);
}

const refused = (file: string, type: string, message: RegExp) =>
  fails(1, message, ['ingest', file, '--vector', 'v', '--vector-type', type, '--metric', 'dot', '--to', path('no')]);

const base64 = (array: ArrayBufferView) => Buffer.from(array.buffer as ArrayBuffer).toString('base64');

it('base64 is read as the type says, from JSON lines and CSV', async () => {
  const rows = [
    [1, -0.5, 0.25, 3],
    [0.1, 7, -2, 1e-3],
  ];
  for (const [type, Type] of [
    ['float32', Float32Array],
    ['float64', Float64Array],
  ] as const) {
    const texts = rows.map((row) => base64(Type.from(row)));
    const wanted = rows.map((row) => row.map(Math.fround));
    assert.deepEqual(
      await arrives(write('v.jsonl', texts.map((v) => `${JSON.stringify({ v })}\n`).join('')), type),
      wanted,
    );
    assert.deepEqual(await arrives(write('v.csv', `v\n${texts.map((v) => `"${v}"\n`).join('')}`), type), wanted);
  }
  // Digits alone are base64 as well, where the type says that bytes come.
  assert.deepEqual(await arrives(write('digits.jsonl', '{"v":"1234"}\n'), 'int8'), [[-41, 109, -8]]);
  await refused(write('bad.jsonl', '{"v":"12=4"}\n'), 'int8', /base64 for "v" in line 1/);
  await refused(write('odd.jsonl', '{"v":"AAAA"}\n'), 'float32', /a multiple of 4 bytes, .* for "v" in line 1/);
});

it('signed and unsigned packed bits are told apart, and so are signed integers that are dims', async () => {
  const signs = [1, -1, -1, -1, -1, -1, -1, 1];
  assert.deepEqual(await arrives(write('u.jsonl', '{"v":[129]}\n'), 'bits'), [signs]);
  assert.deepEqual(await arrives(write('s.jsonl', '{"v":[1]}\n'), 'binary'), [signs]);
  assert.deepEqual(await arrives(write('s.jsonl', '{"v":[1, -128]}\n'), 'binary'), [[...signs, ...Array(8).fill(-1)]]);
  assert.deepEqual(await arrives(write('n.jsonl', '{"v":[1, -128]}\n'), 'numbers'), [[1, -128]]);
  await refused(write('t.jsonl', '{"v":[129]}\n'), 'binary', /an integer of -128 to 127, .* for value 0 of "v"/);
});

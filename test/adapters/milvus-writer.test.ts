/** Vectors are written to Milvus as the nearest values of their field's type, and a refusal is told however it is coded. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { milvusWriter } from 'funnelvec/langchain';
import { refused } from '../refused.js';

function clientOf(dataType: number, status: object = { error_code: 'Success', code: 0, reason: '' }) {
  const written: Record<string, unknown>[] = [];
  const vector = (name: string, dim: number) => ({ name, dataType, type_params: [{ key: 'dim', value: String(dim) }] });
  const fields = [
    { name: 'id', data_type: 'Int64', dataType: 5, is_primary_key: true },
    vector('head', 2),
    vector('full', 3),
  ];
  const client = {
    describeCollection: async () => ({ status: {}, schema: { fields } }),
    upsert: async ({ data }: { data: Record<string, unknown>[] }) => {
      written.push(...data);
      return { status };
    },
    delete: async () => ({ status }),
  };
  const writer = milvusWriter(client as never, { collection: 'films', head: 'head', full: 'full' });
  const write = (...values: number[]) =>
    writer.upsert([{ id: 7, vector: Float32Array.from(values), payload: { title: 'a' } }] as never);
  return { written, write };
}

test('fields of floats get numbers, those of bfloat16, float16 and int8 rounded bytes', async () => {
  const values = [1 + 2 ** -8 + 2 ** -20, -3, 2.5];
  const bits = (...all: number[]) => Buffer.from(Uint16Array.from(all).buffer);
  const cases: [number, unknown, unknown][] = [
    [101, Array.from(Float32Array.from(values)).slice(0, 2), Array.from(Float32Array.from(values))],
    [102, bits(0x3c04, 0xc200), bits(0x3c04, 0xc200, 0x4100)],
    [103, bits(0x3f81, 0xc040), bits(0x3f81, 0xc040, 0x4020)],
    [105, Int8Array.of(1, -3), Int8Array.of(1, -3, 2)],
  ];
  for (const [dataType, head, full] of cases) {
    const { written, write } = clientOf(dataType);
    await write(...values);
    assert.deepEqual(written, [{ title: 'a', id: '7', head, full }]);
  }
});

test('a value that int8 cannot hold is refused before anything is written, naming field, document and place', async () => {
  const { written, write } = clientOf(105);
  await assert.rejects(write(1, 200, 0), refused('BAD_ARGUMENT', /−128 to 127.*of document 7.*200 at 1/));
  assert.deepEqual(written, []);
});

test('a status that calls itself a success beside a code is a refusal, as milvus-lite 2.5 answers', async () => {
  const { write } = clientOf(101, { error_code: 'Success', code: 1100, reason: 'invalid parameter' });
  await assert.rejects(write(1, 2, 3), refused('REFUSED', /invalid parameter/));
});

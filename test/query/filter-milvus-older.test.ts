/** Random filters beside older servers of Milvus: what these do not refuse lets the same rows through. Outside CI, see test:milvus. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DataType, MilvusClient } from '@zilliz/milvus2-sdk-node';
import { compileFilter } from '#dist/query/filter/evaluate.js';
import { parseFilter } from '#dist/query/filter/parse.js';
import type { MilvusField, MilvusFields } from '#dist/sources/milvus/fields.js';
import { toMilvusFilter } from '#dist/sources/milvus/filter.js';
import { Random, SEED } from '../random.js';
import { olderMilvus } from '../sources/feature-table.js';
import { succeeded } from '../sources/milvus-collection.js';
import { filterCount, type Json, randomFilter } from './generate.js';

/** No field may be null: fields that may came with 2.5. */
const FIELDS: Record<string, MilvusField> = {
  id: { type: 'Int64' },
  n: { type: 'Int64' },
  tiny: { type: 'Int8' },
  wide: { type: 'Double' },
  tag: { type: 'VarChar' },
  flag: { type: 'Bool' },
  tags: { type: 'Array', element: 'VarChar' },
  counts: { type: 'Array', element: 'Int64' },
  doc: { type: 'JSON' },
};
const fields: MilvusFields = {
  primaryKey: { name: 'id', text: false },
  fields: new Map(Object.entries(FIELDS)),
  dynamic: true,
  scalars: true,
};

/** The words of expressions that a server may refuse, and the most of all filters that it may. */
const REFUSES = {
  'Milvus 2.3.5': { words: /like "%[^"]|array_length\(\w+\) [<>]/, most: 0.4 },
  'milvus-lite 2.5.1': { words: /\bnot \(|exists |\bin \[\]|array_length\(\w+\) [<>]/, most: 0.95 },
};

test('random filters', { skip: process.env['MILVUS_ADDRESS'] ? false : 'no MILVUS_ADDRESS' }, async (t) => {
  const client = new MilvusClient({ address: process.env['MILVUS_ADDRESS']! });
  await client.connectPromise;
  const { version } = await client.getVersion();
  const older = olderMilvus(version);
  const collection_name = `older_${process.pid}`;
  const random = new Random(SEED + 3);
  const TEXTS = ['red', 'green', 'Red', '', '["red"]', 'a"b', "it's", 'null'];
  const NUMBERS = [2, 3, 5, -7, 2.5, -0.25, 1000, 2 ** 53 - 1];
  const some = <T>(items: readonly T[]): T[] => Array.from({ length: random.int(0, 3) }, () => random.pick(items));
  const json = (): Json => {
    const value: Json = {};
    if (random.chance(0.7)) value.n = random.pick<Json>([...NUMBERS, null]);
    if (random.chance(0.7)) value.word = random.pick<Json>([...TEXTS, null]);
    return value;
  };
  const payloads = Array.from({ length: 150 }, (_, id) => ({
    id,
    n: random.int(-3, 5),
    tiny: random.int(-128, 127),
    wide: random.pick([0.1, 2, -3, 1e21, 1.5]),
    tag: random.pick(TEXTS),
    flag: random.chance(0.5),
    tags: some(TEXTS),
    counts: some([0, 1, 2, 3]),
    doc: json(),
    ...Object.fromEntries(Object.entries(json()).map(([key, value]) => [`x_${key}`, value])),
  }));
  const types: Record<string, DataType> = DataType as never;
  try {
    succeeded(
      await client.createCollection({
        collection_name,
        enable_dynamic_field: true,
        fields: [
          ...Object.entries(FIELDS).map(([name, { type, element }]) => ({
            name,
            data_type: types[type]!,
            ...(type === 'VarChar' || element === 'VarChar' ? { max_length: 100 } : {}),
            ...(element ? { element_type: types[element]!, max_capacity: 10 } : {}),
            ...(name === 'id' ? { is_primary_key: true } : {}),
          })),
          { name: 'vector', data_type: DataType.FloatVector, dim: 2 },
        ],
      }),
    );
    const index = { field_name: 'vector', index_type: 'FLAT', metric_type: 'L2' } as const;
    succeeded(await client.createIndex({ collection_name, ...index }));
    const data = payloads.map((row) => ({ ...row, id: String(row.id), vector: [1, 0] }));
    succeeded((await client.insert({ collection_name, data })).status);
    await client.loadCollectionSync({ collection_name });

    const paths = [...Object.keys(FIELDS).filter((name) => name !== 'doc'), 'doc.n', 'doc.word', 'x_n', 'x_word'];
    const ids = payloads.map(({ id }) => id);
    const wanted = filterCount(600);
    let [asked, refused] = [0, 0];
    while (asked < wanted) {
      const filter = randomFilter(random, { ids, paths, flat: true, words: TEXTS }, 1);
      let expression: string;
      const node = parseFilter(filter);
      try {
        expression = toMilvusFilter(node, fields);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'UNSUPPORTED');
        continue;
      }
      asked++;
      const query = { collection_name, filter: expression, output_fields: ['id'], limit: 200 };
      const answer = await client.query({
        ...query,
        consistency_level: (asked === 1 ? 'Strong' : 'Eventually') as never,
      });
      if (answer.status.error_code !== 'Success' || answer.status.reason) {
        assert.match(expression, older ? REFUSES[older].words : /^$/, answer.status.reason);
        refused++;
        continue;
      }
      const passes = compileFilter(node);
      const want = payloads.filter((payload) => passes(payload.id, payload)).map(({ id }) => id);
      const found = answer.data.map(({ id }) => Number(id)).sort((a, b) => a - b);
      assert.deepEqual(found, want, `${JSON.stringify(filter)} as ${expression}`);
    }
    t.diagnostic(`${older ?? version}: ${refused} of ${asked} filters were refused`);
    assert.ok(refused <= asked * (older ? REFUSES[older].most : 0), `${refused} of ${asked} were refused`);
  } finally {
    await client.dropCollection({ collection_name });
    await client.closeConnection();
  }
});

/** Filters as Milvus expressions: every literal arrives as it was, and Milvus Lite lets the same rows through. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ConsistencyLevelEnum, DataType, MilvusClient } from '@zilliz/milvus2-sdk-node';
import { compileFilter } from '#dist/query/filter/evaluate.js';
import { type MilvusField, type MilvusFields, toMilvusFilter } from '#dist/query/filter/milvus.js';
import { parseFilter } from '#dist/query/filter/parse.js';
import { Random, SEED } from '../random.js';
import { startMilvus } from '../sources/servers.js';
import { type Json, randomFilter } from './generate.js';

const FIELDS: Record<string, MilvusField & { nullable: boolean }> = {
  id: { type: 'Int64', nullable: false },
  n: { type: 'Int64', nullable: true },
  tiny: { type: 'Int8', nullable: false },
  share: { type: 'Float', nullable: true },
  wide: { type: 'Double', nullable: false },
  tag: { type: 'VarChar', nullable: true },
  flag: { type: 'Bool', nullable: true },
  tags: { type: 'Array', element: 'VarChar', nullable: true },
  counts: { type: 'Array', element: 'Int64', nullable: false },
  doc: { type: 'JSON', nullable: true },
};
const fields: MilvusFields = {
  primaryKey: { name: 'id', text: false },
  fields: new Map(Object.entries(FIELDS)),
  dynamic: true,
};
const scalars = { ...fields, scalars: true };
const fixed = { ...fields, dynamic: false };
const named = { ...fields, primaryKey: { name: 'key', text: true } };

const compile = (filter: Json, of: MilvusFields = fields) => toMilvusFilter(parseFilter(filter), of);
const field = (key: string, test: object) => ({ must: { key, ...test } });

const NASTY = ['"', "'", '\\', '\n', '\r', '\t', '\0', '\x1b', ' ', '%', '_', ')', ']', 'ü', '日', '💡', '\u2028', 'x'];
const WORDS = [
  'and',
  'or',
  'not',
  'in',
  'like',
  'true',
  'exists',
  '$meta',
  '" or id > 0 or tag == "',
  "') or ('",
  '--',
  '\\" or 1 == 1 or "',
];

function nastyText(random: Random): string {
  if (random.chance(0.2)) return random.pick(WORDS);
  return Array.from({ length: random.int(0, 8) }, () => random.pick(NASTY)).join('');
}

/** The literals of an expression, read as the server does. */
function literals(expression: string): (string | number | boolean)[] {
  const TOKEN = /"((?:[^"\\\n\r]|\\["\\nrt])*)"|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|[A-Za-z_$]\w*|[=!<>]=|[<>()[\],]|\s+/y;
  const found: (string | number | boolean)[] = [];
  for (let at = 0; at < expression.length; at = TOKEN.lastIndex) {
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(expression);
    assert.ok(token, `no token at ${at} of ${expression}`);
    if (token[1] !== undefined) {
      const plain: Record<string, string> = { n: '\n', r: '\r', t: '\t' };
      found.push(token[1].replace(/\\(.)/g, (_, char: string) => plain[char] ?? char));
    } else if (/^-?\d/.test(token[0])) found.push(Number(token[0]));
    else if (/^(true|false)$/.test(token[0])) found.push(token[0] === 'true');
  }
  return found;
}

describe('Milvus expressions', () => {
  test('say these things so', () => {
    const said: [Json, string, MilvusFields?][] = [
      [{}, 'id not in []'],
      [{ must_not: {} }, 'id in []'],
      [{ must: { has_id: [] } }, 'id in []'],
      [{ must: { has_id: [1, 2n, '3', 2n ** 64n] } }, 'id in [1, 2, 3]'],
      [{ must: { has_id: ['a"b'] } }, 'key in ["a\\"b"]', named],
      [field('n', { match: { value: 1 } }), 'n is not null and n == 1'],
      [{ must_not: field('n', { match: { value: 1 } }) }, 'not (n is not null and n == 1)'],
      [field('tiny', { match: { any: [1, 128, -128] } }), 'tiny in [1, -128]'],
      [field('tiny', { match: { value: 128 } }), 'id in []'],
      [field('tiny', { range: { gt: 1.5, lt: 1000 } }), 'tiny > 1'],
      [field('tiny', { range: { gte: 1.5, lte: -0.5 } }), 'tiny >= 2 and tiny <= -1'],
      [field('share', { range: { gt: 0.1 } }), 'share is not null and share >= 0.10000000149011612'],
      [field('share', { range: { lte: 0.1 } }), 'share is not null and share < 0.10000000149011612'],
      [field('share', { match: { value: 2 ** 24 + 1 } }), 'id in []'],
      [field('wide', { match: { value: 2 } }), 'wide == 2.0'],
      [field('wide', { range: { gte: 1e21, lt: 5 } }), 'wide >= 1e+21 and wide < 5.0'],
      [field('tag', { match: { text: 'x' } }), 'tag is not null and tag like "%x%"'],
      [field('tag', { match: { except: ['a', 'b'] } }), 'tag is not null and not tag in ["a", "b"]'],
      [field('tag', { match: { value: 1 } }), 'id in []'],
      [
        field('tags', { values_count: { lt: 2 } }),
        'tags is not null and array_length(tags) < 2 or not tags is not null',
      ],
      [field('counts', { match: { any: [1, 2] } }), 'array_contains_any(counts, [1, 2])'],
      [{ must: { is_empty: { key: 'tags' } } }, 'not tags is not null or array_length(tags) == 0'],
      [{ must: { is_null: { key: 'tiny' } } }, 'id in []'],
      [{ must: { is_null: { key: 'tiny.x' } } }, 'id in []'],
      [{ must: { is_empty: { key: 'tiny.x' } } }, 'id not in []'],
      [{ must: { is_empty: { key: 'doc.a b' } } }, 'not exists doc["a b"]', scalars],
      [field('new', { match: { except: ['a'] } }), 'exists $meta["new"] and not $meta["new"] == "a"', scalars],
      [
        { should: [field('n', { range: { gt: 1 } }), field('tiny', { match: { value: 1 } })], must: { has_id: [1] } },
        'id in [1] and (n is not null and n > 1 or tiny == 1)',
      ],
    ];
    for (const [filter, expression, of] of said) assert.equal(compile(filter, of), expression);
  });

  test('are refused where Milvus means something else', () => {
    const refused: [Json, RegExp, MilvusFields?][] = [
      [{ must: { nested: { key: 'doc.rows', filter: {} } } }, /nested/],
      [field('tag', { range: { gt: '2020-01-01' } }), /dates.*"tag"/],
      [field('doc[].a', { match: { value: 1 } }), /through an array/],
      [{ must: { is_null: { key: 'new' } } }, /is_null.*"new"/, scalars],
      [field('new', { values_count: { gt: 1 } }), /values_count.*"new"/, scalars],
      [field('new', { range: { gt: 1 } }), /range.*"new"/],
      [field('new', { match: { except: [1] } }), /match\.except.*"new"/],
      [field('new', { match: { text: 'a' } }), /match\.text.*"new"/],
      [{ must: { is_empty: { key: 'new' } } }, /is_empty.*"new"/],
      [field('"no name"', { match: { value: 1 } }), /plain name/],
      [field('doc', { match: { value: 1 } }), /as a whole/],
      [field('tags', { match: { except: ['a'] } }), /match\.except on an array \(tags\)/],
      [field('counts', { range: { gt: 1 } }), /range on an array \(counts\)/],
      [field('tag', { match: { text: '50 %' } }), /match\.text.*%/],
      [
        { min_should: { min_count: 10, conditions: Array.from({ length: 40 }, () => ({ has_id: [1] })) } },
        /min_should of 10 in 40/,
      ],
    ];
    for (const [filter, said, of] of refused) {
      assert.throws(() => compile(filter, of), { code: 'UNSUPPORTED', message: said }, JSON.stringify(filter));
    }
    assert.throws(() => compile(field('new', { range: { gt: 1 } }), fixed), { code: 'NO_FIELD', message: /"new"/ });
    assert.throws(() => compile({ must: { has_id: ['x'] } }), { code: 'BAD_ID' });
    assert.throws(() => compile({ must: { has_id: [1] } }, named), { code: 'BAD_ID' });
    const odd = {
      ...fields,
      fields: new Map([
        ['a) or (b', { type: 'Int64' }],
        ['in', { type: 'Int64' }],
      ]),
    };
    for (const key of ['a) or (b', 'in']) {
      assert.throws(() => compile({ must: { is_null: { key: `"${key}"` } } }, odd), { code: 'UNSUPPORTED' });
      // As a key of the dynamic field it is a literal like any other.
      compile(field(`"${key}"`, { range: { gt: 1 } }), scalars);
    }
  });

  test('hold the literals that the filter has, whatever is in them', () => {
    const random = new Random(SEED);
    for (let i = 0; i < 20_000; i++) {
      const text = nastyText(random);
      const more = nastyText(random);
      const number = random.pick([1, -1, 2 ** 53 - 1, -5, 0]);
      const key = nastyText(random).replaceAll('"', '');
      const said = compile(
        {
          must: [field('tag', { match: { value: text } }), field('wide', { range: { gt: number / 3 } })],
          should: [
            { key: 'counts', match: { value: number } },
            { key: `"${key}"`, match: { any: [more, text] } },
          ],
        },
        { ...scalars, fields: new Map(Object.entries(FIELDS).filter(([name]) => name !== key)) },
      );
      assert.deepEqual(literals(said), [text, number / 3, number, key, key, more, key, text], said);
    }
    assert.throws(() => compile(field('tag', { match: { value: '\ud800' } })), { code: 'BAD_ARGUMENT' });
  });
});

describe('Milvus lets the same rows through', () => {
  const ROWS = 150;
  const collection = 'filtered';
  const random = new Random(SEED + 1);
  const TEXTS = [
    'red',
    'green',
    'Red',
    '',
    '[1]',
    '["red"]',
    'a"b',
    "it's",
    'back\\slash',
    'line\nbreak',
    '💡',
    'null',
  ];
  const NUMBERS = [2, 3, 5, -7, 2.5, -0.25, 1000, 2 ** 53 - 1];
  const orNull = <T>(value: T): T | null => (random.chance(0.2) ? null : value);
  const some = <T>(items: readonly T[]): T[] => Array.from({ length: random.int(0, 3) }, () => random.pick(items));
  // Neither true nor 1 under JSON keys: Milvus Lite takes one for the other.
  const json = (lists: boolean): Json => {
    const value: Json = {};
    if (random.chance(0.7)) value.n = orNull(random.pick(NUMBERS));
    if (random.chance(0.7)) value.word = orNull(random.pick(TEXTS));
    if (random.chance(0.7)) value.mixed = orNull(random.pick<Json>([...TEXTS, ...NUMBERS]));
    if (lists && random.chance(0.7)) value.list = random.pick<Json>([some(TEXTS), some(NUMBERS), 'red', 5, null, []]);
    return value;
  };
  const payloads = Array.from({ length: ROWS }, (_, id) => ({
    id,
    n: orNull(random.int(-3, 5)),
    tiny: random.int(-128, 127),
    share: orNull(Math.fround(random.pick([0.1, 0.5, 2, -1, 2 ** 24]))),
    wide: random.pick([0.1, 2, -3, 1e21, 1.5]),
    tag: orNull(random.pick(TEXTS)),
    flag: orNull(random.chance(0.5)),
    tags: orNull(some(TEXTS)),
    counts: some([0, 1, 2, 3]),
    doc: orNull(json(true)),
    ...Object.fromEntries(Object.entries(json(true)).map(([key, value]) => [`x_${key}`, value])),
  }));

  let server: Awaited<ReturnType<typeof startMilvus>>;
  let client: MilvusClient;
  const succeeded = ({ error_code, reason }: { error_code?: string | number; reason?: string }, what = '') => {
    assert.equal(error_code, 'Success', `${reason} ${what}`);
  };
  before(async () => {
    server = await startMilvus();
    client = new MilvusClient({ address: server.address });
    await client.connectPromise;
    const types: Record<string, DataType> = DataType as never;
    const columns = Object.entries(FIELDS).map(([name, { type, element, nullable }]) => ({
      name,
      data_type: types[type]!,
      ...(type === 'VarChar' || element === 'VarChar' ? { max_length: 100 } : {}),
      ...(element ? { element_type: types[element]!, max_capacity: 10 } : {}),
      ...(name === 'id' ? { is_primary_key: true } : { nullable }),
    }));
    succeeded(
      await client.createCollection({
        collection_name: collection,
        enable_dynamic_field: true,
        fields: [...columns, { name: 'vector', data_type: DataType.FloatVector, dim: 2 }],
      }),
    );
    succeeded(
      await client.createIndex({
        collection_name: collection,
        field_name: 'vector',
        index_type: 'FLAT',
        metric_type: 'L2',
      }),
    );
    const data = payloads.map((row) => ({ ...row, id: String(row.id), vector: [1, 0] }));
    succeeded((await client.insert({ collection_name: collection, data })).status);
    await client.loadCollectionSync({ collection_name: collection });
  });
  after(async () => {
    await client.dropCollection({ collection_name: collection });
    await client.closeConnection();
    await server.stop();
  });

  const passed = async (expression: string) => {
    const { status, data } = await client.query({
      collection_name: collection,
      filter: expression,
      output_fields: ['id'],
      limit: ROWS,
      consistency_level: ConsistencyLevelEnum.Strong,
    });
    succeeded(status, expression.slice(0, 1000));
    return data.map(({ id }) => Number(id)).sort((a, b) => a - b);
  };
  const agree = async (filter: Json, of: MilvusFields) => {
    const node = parseFilter(filter);
    const passes = compileFilter(node);
    const expression = toMilvusFilter(node, of);
    const ids = payloads.filter((payload) => passes(payload.id, payload)).map(({ id }) => id);
    assert.deepEqual(await passed(expression), ids, `${JSON.stringify(filter)} as ${expression}`);
    return ids.length;
  };

  const columns = Object.keys(FIELDS).filter((name) => name !== 'doc');
  const lists = ['doc.list', 'doc.mixed', 'x_list', 'x_word', 'missing', 'doc.missing'];
  const plain = ['doc.n', 'doc.word', 'doc.mixed', 'x_n', 'x_word', 'x_mixed', 'missing'];
  const ids = payloads.map(({ id }) => id);
  const cases: [string, readonly string[], MilvusFields][] = [
    ['fields of their own type', columns, fields],
    ['JSON keys that may hold arrays', [...lists, 'tag', 'flag'], fields],
    ['JSON keys that hold scalars', [...plain, 'n'], scalars],
  ];
  for (const [name, paths, of] of cases) {
    test(`${name}`, async () => {
      let done = 0;
      let through = 0;
      for (let tries = 0; done < 300; tries++) {
        assert.ok(tries < 20_000, `${done} of ${tries} filters could be said`);
        const filter = randomFilter(random, { ids, paths, flat: true, words: TEXTS }, 1);
        try {
          toMilvusFilter(parseFilter(filter), of);
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'UNSUPPORTED');
          continue;
        }
        through += await agree(filter, of);
        done++;
      }
      const share = through / done / ROWS;
      assert.ok(share > 0.1 && share < 0.9, `the filters pass ${share} of the rows, which tests little`);
    });
  }

  test('each condition on each field, and its negation', async () => {
    const tests = [
      ...[{ value: 2 }, { value: true }, { value: 'red' }, { any: ['red', '["red"]'] }, { any: [2, 5] }, { any: [] }],
      ...[{ except: ['red'] }, { except: [2, 5] }, { except: [] }, { text: 'e' }, { text: '' }, { text: "'" }],
    ].map((match): Json => ({ match }));
    tests.push({ range: {} }, { range: { gt: 0.1, lte: 2 } }, { range: { lt: 1e300 } }, { range: { gte: -1e300 } });
    tests.push({ values_count: {} }, { values_count: { lt: 1 } }, { values_count: { gte: 1, lt: 2 } });
    let refused = 0;
    for (const [of, paths] of [
      [fields, [...columns, ...lists]],
      [scalars, plain],
    ] as const) {
      for (const key of paths) {
        const conditions = [...tests.map((one) => ({ key, ...one })), { is_empty: { key } }, { is_null: { key } }];
        for (const condition of conditions) {
          for (const filter of [{ must: condition }, { must_not: condition }]) {
            try {
              await agree(filter, of);
            } catch (error) {
              if ((error as { code?: string }).code !== 'UNSUPPORTED') throw error;
              refused++;
            }
          }
        }
      }
    }
    assert.ok(refused > 0 && refused < 400, `${refused} were refused`);
  });

  test('text of any kind, many conditions and deep ones', async () => {
    const texts = Array.from({ length: 200 }, () => nastyText(random));
    await agree(field('tag', { match: { any: [...texts, 'line\nbreak', 'a"b'] } }), fields);
    await agree(
      { should: texts.map((text) => field('tag', { match: { value: text } })), must: { has_id: ids } },
      fields,
    );
    for (const text of [...WORDS, ...texts.slice(0, 50)]) {
      await agree(field('tag', { match: { value: text } }), fields);
      await agree(field('x_mixed', { match: { value: text } }), fields);
      await agree(
        field(`x_word.${JSON.stringify(text.replaceAll('"', '')).length > 2 ? `"${text.replaceAll('"', '')}"` : 'x'}`, {
          match: { value: text },
        }),
        fields,
      );
    }
    const many = Array.from({ length: 10_000 }, (_, i) => ({ key: 'n', match: { value: i } }));
    await agree({ should: many }, fields);
    let deep: Json = { key: 'n', match: { value: 1 } };
    for (let i = 0; i < 62; i++) {
      const other = { key: 'tiny', range: { gt: i } };
      deep = [{ must: [deep, other] }, { should: [deep, other] }, { must_not: [deep, other] }][i % 3];
    }
    await agree({ must: deep }, fields);
  });
});

/** Filters as Milvus expressions: every literal arrives as it was, and Milvus Lite lets the same rows through. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ConsistencyLevelEnum, DataType, MilvusClient } from '@zilliz/milvus2-sdk-node';
import { compileFilter } from '#dist/query/filter/evaluate.js';
import { parseFilter } from '#dist/query/filter/parse.js';
import type { MilvusField, MilvusFields } from '#dist/sources/milvus/fields.js';
import { toMilvusFilter } from '#dist/sources/milvus/filter.js';
import { Random, SEED } from '../random.js';
import { startMilvus } from '../sources/servers.js';
import { filterCount, type Json, randomFilter } from './generate.js';

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

/** Text, a number, true or false is there: of a null `exists` is true on 2.3.5. */
const given = (value: string) =>
  `${value} like "%" or ${value} >= -1.7976931348623157e+308 or ${value} == true or ${value} == false`;
const compile = (filter: Json, of: MilvusFields = fields) => toMilvusFilter(parseFilter(filter), of);
const LEAST = -(2n ** 63n);
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

/** Words that the server's lexer takes for no names. */
const KEYWORDS = [
  ...['in', 'IN', 'True', 'exists', 'iso', 'interval', 'threshold', 'THRESHOLD', 'minimum_should_match'],
  ...['text_match', 'phrase_match', 'random_sample', 'element_filter', 'match_all', 'match_any', 'match_least'],
  ...['match_most', 'match_exact', 'MATCH_EXACT', 'array_length', 'array_contains', 'array_contains_all'],
  ...['array_contains_any', 'json_contains', 'json_contains_all', 'json_contains_any', 'st_equals', 'st_touches'],
  ...['st_overlaps', 'st_crosses', 'st_contains', 'st_intersects', 'st_within', 'st_dwithin', 'ST_ISVALID'],
];

/** How tightly each operator binds in the server's grammar, where `not` binds before all but `like`. */
const BINDS: Record<string, number> = {
  or: 1,
  and: 2,
  '==': 3,
  '!=': 3,
  '<': 4,
  '>': 4,
  '<=': 4,
  '>=': 4,
  in: 5,
  not: 6,
  like: 7,
};

/** Reads an expression as the server's grammar has it, and sees that what and, or and not join is true or false. */
function checkPrecedence(expression: string): void {
  const bare = expression.replace(/"(?:[^"\\]|\\.)*"/g, '""');
  assert.doesNotMatch(
    bare.replaceAll('is not null', '').replaceAll(/not in \[[^\]]*\]/g, ''),
    /\bnot (?!\()/,
    expression,
  );
  // Names with what follows them in brackets, and lists and calls, are one token each.
  const TOKEN = /\w+\([^()]*\)|[$\w]+(?:\[""\])+|\[[^\]]*\]|""|-?\d[\d.e+-]*|is not null|\w+|[!<>=]+|[()]/g;
  const tokens = bare.match(TOKEN)!;
  let at = 0;
  const operand = (): 'truth' | 'value' => {
    const token = tokens[at++]!;
    if (token === '(') {
      const kind = read(0);
      assert.equal(tokens[at++], ')', expression);
      return kind;
    }
    if (token === 'not') {
      assert.equal(read(BINDS.not!), 'truth', `what is negated in ${expression}`);
      return 'truth';
    }
    if (token === 'exists') {
      at++;
      return 'truth';
    }
    if (tokens[at] === 'is not null') {
      at++;
      return 'truth';
    }
    return /^(array|json)_contains_any/.test(token) ? 'truth' : 'value';
  };
  const read = (least: number): 'truth' | 'value' => {
    let kind = operand();
    for (;;) {
      const negated = tokens[at] === 'not';
      const operator = tokens[negated ? at + 1 : at]!;
      const binds = BINDS[operator];
      if (binds === undefined || binds <= least) return kind;
      at += negated ? 2 : 1;
      const wanted = binds <= BINDS.and! ? 'truth' : 'value';
      assert.equal(kind, wanted, `left of ${operator} in ${expression}`);
      assert.equal(read(binds), wanted, `right of ${operator} in ${expression}`);
      kind = 'truth';
    }
  };
  assert.equal(read(0), 'truth');
  assert.equal(at, tokens.length, expression);
}

describe('Milvus expressions', () => {
  test('say these things so', () => {
    const said: [Json, string, MilvusFields?][] = [
      [{}, 'id not in []'],
      [{ must_not: {} }, 'id in []'],
      [{ must: { has_id: [] } }, 'id in []'],
      [{ must: { has_id: [1, 2n, '3', 2n ** 64n] } }, 'id in [1, 2, 3]'],
      [{ must: { has_id: [-LEAST, LEAST + 1n] } }, 'id in [-9223372036854775807]'],
      [{ must: { has_id: [LEAST] } }, 'id < -9223372036854775807'],
      // Without not, which milvus-lite 2.5 lacks, where no row is null there.
      [{ must_not: { has_id: [1, 2] } }, 'id not in [1, 2]'],
      [{ must_not: { must_not: { has_id: [1] } } }, 'id in [1]'],
      [{ must_not: field('tiny', { match: { value: 1 } }) }, 'tiny != 1'],
      [{ must_not: field('tiny', { range: { gt: 1, lte: 5 } }) }, 'tiny <= 1 or tiny > 5'],
      [
        { must_not: [field('tiny', { match: { any: [1, 2] } }), { has_id: [3] }] },
        'tiny not in [1, 2] and id not in [3]',
      ],
      [field('tiny', { match: { except: [1, 2] } }), 'tiny not in [1, 2]'],
      [{ must_not: { has_id: [1, LEAST] } }, 'not (id in [1] or id < -9223372036854775807)'],
      [field('id', { range: { gt: Number(LEAST) } }), 'id >= -9223372036854775807'],
      [field('id', { range: { lte: Number(LEAST) } }), 'id < -9223372036854775807'],
      [field('id', { range: { gte: Number(LEAST) } }), 'id not in []'],
      [field('id', { range: { lt: Number(LEAST) } }), 'id in []'],
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
      [field('tag', { match: { text: '' } }), 'tag is not null'],
      [field('counts', { match: { except: [] } }), 'not (array_length(counts) == 0)'],
      [field('tag', { match: { text: 'x' } }), 'tag is not null and tag like "%x%"'],
      [field('tag', { match: { except: ['a', 'b'] } }), 'tag is not null and not (tag in ["a", "b"])'],
      [field('tag', { match: { value: 1 } }), 'id in []'],
      [
        field('tags', { values_count: { lt: 2 } }),
        '(tags is not null and (array_length(tags) == 0 or array_length(tags) == 1)) or not (tags is not null)',
      ],
      // A length can be compared with == alone by 2.3.
      [field('counts', { values_count: { gt: 1 } }), 'not (array_length(counts) == 0 or array_length(counts) == 1)'],
      [field('counts', { values_count: { gte: 2, lte: 3 } }), 'array_length(counts) == 2 or array_length(counts) == 3'],
      [field('counts', { values_count: { gte: 3, lt: 3 } }), 'id in []'],
      [field('counts', { values_count: { gt: 99 } }), 'array_length(counts) > 99'],
      [field('counts', { match: { any: [1, 2] } }), 'array_contains_any(counts, [1, 2])'],
      [{ must: { is_empty: { key: 'tags' } } }, 'not (tags is not null) or array_length(tags) == 0'],
      [{ must: { is_null: { key: 'tiny' } } }, 'id in []'],
      [{ must: { is_null: { key: 'tiny.x' } } }, 'id in []'],
      [{ must: { is_empty: { key: 'tiny.x' } } }, 'id not in []'],
      [field('tiny.x', { values_count: { lt: 1 } }), 'id not in []'],
      [field('tiny.x', { values_count: { gt: 0 } }), 'id in []'],
      [{ min_should: { conditions: [], min_count: 2 } }, 'id in []'],
      [{ must: { is_empty: { key: 'doc.a b' } } }, `not ((exists doc["a b"]) and (${given('doc["a b"]')}))`, scalars],
      [
        field('new', { match: { except: ['a'] } }),
        `(exists $meta["new"]) and (${given('$meta["new"]')}) and not ($meta["new"] == "a")`,
        scalars,
      ],
      [field('new', { match: { value: 'a' } }), '(exists $meta["new"]) and $meta["new"] == "a"', scalars],
      [
        { should: [field('n', { range: { gt: 1 } }), field('tiny', { match: { value: 1 } })], must: { has_id: [1] } },
        'id in [1] and ((n is not null and n > 1) or tiny == 1)',
      ],
    ];
    for (const [filter, expression, of] of said) assert.equal(compile(filter, of), expression);
  });

  test('of many conditions are balanced, since servers refuse flat chains or take long', () => {
    const many = (count: number) => Array.from({ length: count }, (_, i) => field('id', { range: { gt: i } }));
    assert.equal(compile({ should: many(3) }), 'id > 0 or id > 1 or id > 2');
    for (const count of [9, 51, 100, 1000, 5000]) {
      const filter = { should: many(count) };
      for (const said of [compile(filter), compile({ must: filter.should })]) {
        const bare = said.replaceAll(/id > \d+/g, 'x');
        let [depth, deepest, longest] = [0, 0, 0];
        for (const chain of bare.split(/[()]/)) longest = Math.max(longest, chain.split('x').length - 1);
        for (const char of bare) {
          if (char === '(') deepest = Math.max(deepest, ++depth);
          if (char === ')') depth--;
        }
        assert.equal(depth, 0);
        assert.ok(longest <= 8, `${longest} conditions side by side`);
        assert.ok(deepest <= Math.ceil(Math.log2(count)), `${deepest} deep`);
        assert.deepEqual(
          [...said.matchAll(/id > (\d+)/g)].map(([, i]) => Number(i)),
          [...Array(count).keys()],
        );
      }
    }
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
      [field('threshold', { match: { value: 1 } }), /plain name.*"threshold"/],
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
        ...KEYWORDS.map((word): [string, MilvusField] => [word, { type: 'Int64' }]),
      ]),
    };
    for (const key of ['a) or (b', ...KEYWORDS]) {
      assert.throws(() => compile({ must: { is_null: { key: `"${key}"` } } }, odd), {
        code: 'UNSUPPORTED',
        message: new RegExp(`"${key.replace(/[()]/g, '\\$&')}" as the name of a field`),
      });
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

  test("are read by the server's grammar as they are meant", () => {
    for (const wrong of ['not n == 1', 'not id in [1, 2]', 'not exists $meta["x"]', 'not (n) == 1', '(not n) == 1']) {
      assert.throws(() => checkPrecedence(wrong), { code: 'ERR_ASSERTION' }, wrong);
    }
    const random = new Random(SEED + 2);
    const paths = [...Object.keys(FIELDS), 'doc.a', 'new', 'more'];
    let said = 0;
    let negated = 0;
    for (let i = 0; i < 5000; i++) {
      const filter = randomFilter(random, { ids: [1, 2, 3], paths, flat: true }, 1);
      let expression: string;
      try {
        expression = compile(filter, random.chance(0.5) ? scalars : fields);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'UNSUPPORTED');
        continue;
      }
      checkPrecedence(expression);
      said++;
      if (/\bnot \(/.test(expression)) negated++;
    }
    assert.ok(said > 500 && negated > 200, `${said} could be said, ${negated} with a negation`);
  });
});

describe('Milvus lets the same rows through', () => {
  const ROWS = 150;
  const collection = `filtered_${process.pid}`;
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
  const wanted = Math.ceil(filterCount(900) / cases.length);
  for (const [name, paths, of] of cases) {
    test(`${name}`, async () => {
      let done = 0;
      let through = 0;
      for (let tries = 0; done < wanted; tries++) {
        assert.ok(tries < 70 * wanted, `${done} of ${tries} filters could be said`);
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

  test('integers beyond 2^53, in a field of theirs and under JSON keys', async () => {
    const large = `large_${process.pid}`;
    const integers = [2n ** 60n - 1n, 2n ** 60n, 2n ** 60n + 1n, 3n, 2n ** 53n, 2n ** 53n + 1n, LEAST, LEAST + 1n];
    integers.push(2n ** 63n - 1n, -(2n ** 53n) - 1n, 0n);
    // The SDK writes JSON with doubles only: these are the integers that their text is.
    const doubles = [2 ** 60, 2 ** 60 + 256, 3, 2 ** 53, 2 ** 53 + 2, 1.5, -(2 ** 60), 2 ** 61, 2 ** 62, 7, -(2 ** 53)];
    const rows = integers.map((n, id) => {
      const text = JSON.stringify(doubles[id]);
      return { id, n, k: /^-?\d+$/.test(text) ? BigInt(text) : doubles[id]! };
    });
    succeeded(
      await client.createCollection({
        collection_name: large,
        enable_dynamic_field: true,
        fields: [
          { name: 'id', data_type: DataType.Int64, is_primary_key: true },
          { name: 'n', data_type: DataType.Int64 },
          { name: 'vector', data_type: DataType.FloatVector, dim: 2 },
        ],
      }),
    );
    try {
      const index = { field_name: 'vector', index_type: 'FLAT', metric_type: 'L2' } as const;
      succeeded(await client.createIndex({ collection_name: large, ...index }));
      const data = rows.map(({ id, n }) => ({ id: `${id}`, n: `${n}`, k: doubles[id]!, vector: [1, 0] }));
      succeeded((await client.insert({ collection_name: large, data })).status);
      await client.loadCollectionSync({ collection_name: large });
      const types = { id: { type: 'Int64' }, n: { type: 'Int64' } };
      const of = { ...scalars, fields: new Map(Object.entries(types)) };
      let passedAny = 0;
      for (const key of ['n', 'k']) {
        const values = rows.map((row): number | bigint => row[key as 'n' | 'k']);
        const around = values.flatMap((v): (number | bigint)[] => (typeof v === 'bigint' ? [v - 1n, v, v + 1n] : [v]));
        for (const value of [...around, 2 ** 60, 2.5]) {
          const tests: Json[] = ['gt', 'gte', 'lt', 'lte'].map((bound) => ({ range: { [bound]: value } }));
          if (typeof value === 'bigint') tests.push({ match: { value } }, { match: { any: [value, 3] } });
          for (const test of tests) {
            const filter = { must: { key, ...test } };
            const passes = compileFilter(parseFilter(filter));
            const expression = toMilvusFilter(parseFilter(filter), of);
            const { status, data: found } = await client.query({
              collection_name: large,
              filter: expression,
              output_fields: ['id'],
              limit: 100,
              consistency_level: ConsistencyLevelEnum.Strong,
            });
            succeeded(status, expression);
            const wanted = rows.filter((row) => passes(row.id, row)).map(({ id }) => id);
            assert.deepEqual(
              found.map(({ id }) => Number(id)).sort((a, b) => a - b),
              wanted,
              expression,
            );
            passedAny += wanted.length;
          }
        }
      }
      assert.ok(passedAny > 500, `${passedAny} rows passed`);
    } finally {
      await client.dropCollection({ collection_name: large });
    }
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

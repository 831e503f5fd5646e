/** Parquet files into an index: every value exactly, or an error that names it and says what helps. */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { FunnelIndex } from 'funnelvec/store';
import { type ColumnSource, parquetWriteBuffer, type SchemaElement } from 'hyparquet-writer';
import { checkPlain } from '#dist/cli/stores/store.js';
import { openReader } from '#dist/files/formats/open.js';
import { BULK, MAP } from './arrow-files.js';
import { done, fails } from './command.js';
import { contentsOf, tempFolder } from './files.js';

const { path, write } = tempFolder();
let made = 0;

type Column = ColumnSource & { is?: Partial<SchemaElement>; list?: Partial<SchemaElement> };

/** With `is`: an optional column of that type; with `list`: one of lists of it. */
function parquet(columns: Column[], options: { statistics?: boolean; rowGroupSize?: number } = {}): string {
  const schema = columns.flatMap(({ name, is, list }): SchemaElement[] => {
    if (list === undefined) return [{ name, repetition_type: 'OPTIONAL', ...is }];
    return [
      { name, repetition_type: 'OPTIONAL', converted_type: 'LIST', num_children: 1 },
      { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
      { name: 'element', repetition_type: 'OPTIONAL', ...list },
    ];
  });
  const columnData = columns.map(({ name, data }) => ({ name, data }));
  const root = { name: 'root', num_children: columns.length };
  const file = path(`${made++}.parquet`);
  writeFileSync(file, new Uint8Array(parquetWriteBuffer({ columnData, schema: [root, ...schema], ...options })));
  return file;
}

const INT64 = { type: 'INT64' } as const;
const UINT16 = { type: 'INT32', converted_type: 'UINT_16' } as const;
const TEXT = { type: 'BYTE_ARRAY', converted_type: 'UTF8' } as const;
const vectors = (count: number, name = 'v'): Column => {
  return { name, list: { type: 'FLOAT' }, data: Array.from({ length: count }, (_, i) => [1, i]) };
};

async function valuesOf(file: string): Promise<unknown[]> {
  const reader = await openReader(file, 'parquet');
  try {
    const all: unknown[] = [];
    for await (const { rows } of reader.read(0))
      all.push(...rows.map(({ values, broken }) => broken?.message ?? values));
    return all;
  } finally {
    await reader.close();
  }
}

async function valuesOfColumn(file: string, name: string): Promise<unknown[]> {
  return (await valuesOf(file)).map((row) => (typeof row === 'string' ? row : (row as Record<string, unknown>)[name]));
}

const into = (file: string, ...more: string[]) => {
  const to = path(`index-${made++}`);
  return { to, line: ['ingest', file, '--to', to, '--vector', 'v', ...more] };
};

async function ingested(file: string, ...more: string[]) {
  const { to, line } = into(file, ...more);
  await done(line);
  return contentsOf(to);
}

describe('integers of a Parquet column have one type', () => {
  const some = [1n, 2n, 1152921504606846977n];

  it('bigint where one lies beyond 2^53, wherever that is; else number; whatever the statistics say', async () => {
    for (const statistics of [true, false]) {
      for (const rowGroupSize of [1, 2, 1000]) {
        const options = { statistics, rowGroupSize };
        const of = (data: (bigint | null)[], is: Partial<SchemaElement> = INT64) =>
          valuesOfColumn(parquet([{ name: 'n', is, data }], options), 'n');
        assert.deepEqual(await of(some), some);
        assert.deepEqual(await of([...some, null].toReversed()), [null, ...some.toReversed()]);
        assert.deepEqual(await of([1n, null, 2n ** 53n - 1n]), [1, null, 2 ** 53 - 1]);
        assert.deepEqual(await of([-(2n ** 53n), 0n]), [-(2n ** 53n), 0n]);
        const UINT64 = { ...INT64, converted_type: 'UINT_64' } as const;
        assert.deepEqual(await of([2n ** 64n - 1n, 3n], UINT64), [2n ** 64n - 1n, 3n]);
        assert.deepEqual(await of([2n ** 53n - 1n, 3n], UINT64), [2 ** 53 - 1, 3]);
        assert.deepEqual(await of([null, null]), [null, null]);
      }
    }
  });

  it('also in lists', async () => {
    const file = (top: bigint) => parquet([{ name: 'n', list: INT64, data: [[1n], null, [], [2n, top]] }]);
    assert.deepEqual(await valuesOfColumn(file(5n), 'n'), [[1], null, [], [2, 5]]);
    assert.deepEqual(await valuesOfColumn(file(2n ** 60n), 'n'), [[1n], null, [], [2n, 2n ** 60n]]);
  });

  it('and a range finds them all', async () => {
    const { to, line } = into(parquet([{ name: 'n', is: INT64, data: some }, vectors(3)]));
    await done(line);
    const index = await FunnelIndex.open(to, { readOnly: true });
    try {
      assert.equal(await index.countMatching({ filter: { must: { key: 'n', range: { gt: 1 } } } }), 2);
    } finally {
      await index.close();
    }
  });

  it('as ids they are numbers, or text with --id-type string; beyond 2^53 nothing else, before any work', async () => {
    const small = parquet([{ name: 'id', is: INT64, data: [7n, 2n ** 53n - 1n] }, vectors(2)]);
    assert.deepEqual(
      (await ingested(small, '--id', 'id')).map(({ id }) => id),
      [7, 2 ** 53 - 1],
    );
    // The first row alone would be a number.
    const large = parquet([{ name: 'id', is: INT64, data: [1n, 2n ** 60n, 2n ** 60n + 1n] }, vectors(3)]);
    const { to, line } = into(large, '--id', 'id');
    await fails(1, /Expected an integer within ±\(2\^53 − 1\) \(larger ones as text, with --id-type string\)/, line);
    assert.equal(existsSync(to), false);
    const rows = await ingested(large, '--id', 'id', '--id-type', 'string');
    assert.deepEqual(
      rows.map(({ id }) => id),
      ['1', '1152921504606846976', '1152921504606846977'],
    );
  });

  it('a database that would get something else refuses them by name, and bytes and NaN too', () => {
    for (const value of [2n ** 60n, [1, [2n]], { a: 3n }, Number.NaN, [-Infinity], new Uint8Array(2)]) {
      assert.throws(() => checkPlain({ fine: [1, 'a', null, { b: true }], odd: value }, 'Qdrant collection "c"'), {
        name: 'FunnelError',
        code: 'BAD_ARGUMENT',
        message: /what Qdrant collection "c" keeps as it is \(.*\), for "odd" but received/,
      });
    }
    checkPlain({ a: 1.5, b: [1, 'x', null], c: { d: false } }, 'x');
  });
});

describe('decimals of a Parquet column', () => {
  const decimal = (precision: number, scale: number): Partial<SchemaElement> => {
    return { type: 'FIXED_LEN_BYTE_ARRAY', type_length: 16, converted_type: 'DECIMAL', precision, scale };
  };
  /** A file of decimals, from their unscaled integers. */
  const file = (precision: number, scale: number, data: bigint[], more: Column[] = []) =>
    parquet([{ name: 'd', is: decimal(precision, scale), data }, ...more]);

  it('are the doubles that print as they do', async () => {
    const cents = [115n, 110n, -5n, 0n, 100n, 999_999_999_999_999n];
    assert.deepEqual(await valuesOfColumn(file(15, 2, cents), 'd'), [1.15, 1.1, -0.05, 0, 1, 9_999_999_999_999.99]);
    assert.deepEqual(await valuesOfColumn(file(38, 30, [1n, 115n * 10n ** 28n]), 'd'), [1e-30, 1.15]);
    assert.deepEqual(await valuesOfColumn(file(38, 1, [10n ** 22n]), 'd'), [1e21]);
  });

  it('are found by a range that ends at their text', async () => {
    const { to, line } = into(file(10, 2, [115n, 116n], [vectors(2)]));
    await done(line);
    const { json } = await done([
      ...[
        'search',
        '--store',
        to,
        '--vector',
        '[1,0]',
        '--filter',
        '{"must":{"key":"d","range":{"lte":1.15}}}',
        '--json',
      ],
    ]);
    assert.deepEqual(
      json.hits.map(({ payload }: { payload: object }) => payload),
      [{ d: 1.15 }],
    );
  });

  it('without a fraction are integers, exact ones', async () => {
    assert.deepEqual(await valuesOfColumn(file(38, 0, [2n ** 100n, -1n]), 'd'), [2n ** 100n, -1n]);
    assert.deepEqual(await valuesOfColumn(file(38, 0, [2n ** 53n - 1n, -1n]), 'd'), [2 ** 53 - 1, -1]);
  });

  it('that no double can hold are broken rows, named', async () => {
    const [first, second] = await valuesOf(file(38, 18, [1_500_000_000_000_000_000n, 1_234_567_890_123_456_789n]));
    assert.deepEqual(first, { d: 1.5 });
    assert.match(
      String(second),
      /decimals that a double can hold \(cast .*\) for "d" in row 1 of .* but received 1\.234567890123456789$/,
    );
    const { line } = into(file(38, 18, [1n, 1_234_567_890_123_456_789n], [vectors(2)]));
    await fails(1, /received 1\.234567890123456789/, line);
    assert.equal((await done([...line, '--skip-broken', '--restart', '--json'])).json.skipped.count, 1);
  });
});

describe('times of a Parquet column', () => {
  it('keep their microseconds, and those that no date can say are broken rows', async () => {
    const is = { type: 'INT64', logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MICROS' } } as const;
    const data = [0n, 1_000_001n, -1n, 1_000_000n, 2n ** 63n - 1n];
    const [zero, more, less, second, infinite] = await valuesOfColumn(parquet([{ name: 't', is, data }]), 't');
    assert.deepEqual(
      [zero, more, less, second],
      [
        '1970-01-01T00:00:00.000Z',
        '1970-01-01T00:00:01.000001Z',
        '1969-12-31T23:59:59.999999Z',
        '1970-01-01T00:00:01.000Z',
      ],
    );
    assert.match(
      String(infinite),
      /a time between the years .* for "t" in row 4 of .* but received 9223372036854775807/,
    );
  });

  it('an interval has no such form, and is refused by name as soon as it is read', async () => {
    const is = { type: 'FIXED_LEN_BYTE_ARRAY', type_length: 12, converted_type: 'INTERVAL' } as const;
    const file = parquet([
      { name: 'age', is, data: [new Uint8Array(12)] },
      vectors(1),
      { name: 'n', is: INT64, data: [1n] },
    ]);
    const { to, line } = into(file);
    await fails(1, /an exact form \(cast it, .*--payload\) for "age" in .*\.parquet but received interval/, line);
    assert.equal(existsSync(to), false);
    assert.deepEqual(
      (await ingested(file, '--payload', 'n')).map(({ payload }) => payload),
      [{ n: 1 }],
    );
  });
});

describe('bytes and text of a Parquet column', () => {
  const bytes = (...hex: string[]) => hex.map((one) => new Uint8Array(Buffer.from(one, 'hex')));
  const BINARY = { type: 'BYTE_ARRAY' } as const;

  it('binary without a mark is bytes, exactly', async () => {
    const file = parquet([{ name: 'b', is: BINARY, data: bytes('ff01', 'fe01', '8001', '61') }, vectors(4)]);
    const rows = await ingested(file);
    assert.deepEqual(
      rows.map(({ payload }) => payload),
      bytes('ff01', 'fe01', '8001', '61').map((b) => ({ b })),
    );
    const { line, to } = into(file);
    await done(line);
    const { json } = await done(['search', '--store', to, '--vector', '[1,0]', '--limit', '1', '--json']);
    assert.deepEqual(json.hits[0].payload, { b: '/wE=' });
    assert.match((await done(['search', '--store', to, '--vector', '[1,0]', '--limit', '1'])).stdout, /\/wE=/);
  });

  it('as ids and texts it must be UTF-8; what is not is named with its byte, and no two become one', async () => {
    const file = parquet([{ name: 'id', is: BINARY, data: bytes('ff01', 'fe01', '8001') }, vectors(3)]);
    const { to, line } = into(file, '--id', 'id');
    await fails(
      1,
      /text in UTF-8 for "id" in row 0 of .* but received binary with byte 0xff at 0 \(cast the column to string/,
      line,
    );
    assert.equal(existsSync(to), false);
    const fine = parquet([{ name: 'id', is: BINARY, data: bytes('61', 'c3bc', 'efbbbf61') }, vectors(3)]);
    assert.deepEqual(
      (await ingested(fine, '--id', 'id')).map(({ id }) => id),
      ['a', 'ü', '\ufeffa'],
    );
    const text = parquet([{ name: 't', is: BINARY, data: bytes('61', 'ff') }]);
    const embedding = ['ingest', text, '--text', 't', '--model', 'fake', '--to', path('text-index')];
    await fails(1, /text in UTF-8 for "t" in row 1 of .*byte 0xff at 0/, embedding);
  });

  it('text that is no UTF-8 is a broken row, with the place of the byte', async () => {
    const BAD = bytes('c3bc41fc42', 'e282', '41edb08042', 'c3bc');
    const values = await valuesOfColumn(parquet([{ name: 't', is: TEXT, data: BAD }]), 't');
    assert.match(String(values[0]), /Expected UTF-8 for "t" in row 0 of .* but received byte 0xfc at 3$/);
    assert.match(String(values[1]), /but received byte 0xe2 at 0$/);
    assert.match(String(values[2]), /but received byte 0xed at 1$/);
    assert.equal(values[3], 'ü');
  });
});

it('null stays null, of lists and structs as of anything else', async () => {
  const file = parquet([
    { name: 'list', list: INT64, data: [[1n], null, []] },
    { name: 'text', is: TEXT, data: ['a', null, ''] },
    vectors(3),
  ]);
  assert.deepEqual(
    (await ingested(file)).map(({ payload }) => payload),
    [
      { list: [1], text: 'a' },
      { list: null, text: null },
      { list: [], text: '' },
    ],
  );
});

describe('unsigned integers and bytes are vectors only as --vector-type says', () => {
  const bulk = write('bulk.parquet', Buffer.from(BULK, 'base64'));
  const of = (column: string, ...more: string[]) => {
    const to = path(`bulk-${made++}`);
    return { to, line: ['ingest', bulk, '--vector', column, '--id', 'id', '--no-payload', '--to', to, ...more] };
  };
  const vectorsOf = async (column: string, ...more: string[]) => {
    const { to, line } = of(column, ...more, '--metric', 'dot');
    await done(line);
    return (await contentsOf(to)).map(({ vector }) => vector);
  };

  it('what pymilvus’ bulk writer makes of float16, bfloat16 and binary vectors is refused without, right with', async () => {
    const full = await vectorsOf('f');
    assert.deepEqual(
      full.map((one) => one.length),
      [16, 16, 16],
    );
    for (const column of ['h', 'b', 'bits']) {
      const { to, line } = of(column);
      const what =
        /Expected --vector-type \(what its values are: numbers, int8, float16, bfloat16, float32, float64, bits, binary\) for ".*" in /;
      const { stderr } = await fails(1, what, line);
      assert.match(stderr, /but received a column of list of uint8/);
      assert.equal(existsSync(to), false);
    }
    const near = (some: number[][], within: number) => {
      assert.ok(
        some.every((row, r) => row.every((x, i) => Math.abs(x - full[r]![i]!) <= within * Math.abs(full[r]![i]!))),
      );
    };
    near(await vectorsOf('h', '--vector-type', 'float16'), 2 ** -11);
    near(await vectorsOf('b', '--vector-type', 'bfloat16'), 2 ** -8);
    const signs = full.map((row) => row.map((x) => (x > 0 ? 1 : -1)));
    assert.deepEqual(await vectorsOf('bits', '--vector-type', 'bits'), signs);
    assert.deepEqual((await vectorsOf('bits', '--vector-type', 'numbers'))[0], [237, 241]);
    assert.deepEqual(
      (await vectorsOf('i8'))[0],
      Array.from({ length: 16 }, (_, i) => i - 8),
    );
  });

  it('of 16-bit integers too; longer ones are numbers or nothing', async () => {
    const halves = [
      [0x3c00, 0xc000],
      [0x0001, 0x7bff],
    ];
    const file = parquet([{ name: 'v', list: UINT16, data: halves }]);
    const read = async (type: string) =>
      (await ingested(file, '--metric', 'dot', '--vector-type', type)).map(({ vector }) => vector);
    await fails(
      1,
      /--vector-type \(what its values are: numbers, float16, bfloat16\) .* list of uint16/,
      into(file).line,
    );
    assert.deepEqual(await read('float16'), [
      [1, -2],
      [2 ** -24, 65504],
    ]);
    assert.deepEqual(
      await read('bfloat16'),
      // The upper halves of float32 values.
      halves.map((row) => Array.from(new Float32Array(Uint32Array.from(row, (bits) => bits << 16).buffer))),
    );
    assert.deepEqual((await read('bfloat16'))[0], [0.0078125, -2]);
    assert.deepEqual(await read('numbers'), halves);
    await fails(
      1,
      /--vector-type \(what its values are: numbers, float16, bfloat16\)/,
      into(file, '--vector-type', 'bits').line,
    );
    const wide = parquet([{ name: 'v', list: { ...INT64, converted_type: 'UINT_64' }, data: [[1n, 2n]] }]);
    await fails(1, /--vector-type \(what its values are: numbers\) .* list of uint64/, into(wide).line);
    assert.deepEqual((await ingested(wide, '--metric', 'dot', '--vector-type', 'numbers'))[0]!.vector, [1, 2]);
    const booleans = parquet([{ name: 'v', list: { type: 'BOOLEAN' }, data: [[true, false]] }]);
    await fails(1, /--vector-type \(what its values are: bits\) .* list of boolean/, into(booleans).line);
    assert.deepEqual((await ingested(booleans, '--metric', 'dot', '--vector-type', 'bits'))[0]!.vector, [1, -1]);
  });

  it('binary columns likewise; a length that does not fit is named', async () => {
    const packed = new Uint8Array(Float32Array.of(0.5, -3).buffer);
    const file = parquet([{ name: 'v', is: { type: 'BYTE_ARRAY' }, data: [packed, packed] }]);
    const message =
      /Expected --vector-type \(what its values are: .*float32.*\) for "v" in .* but received a column of binary/;
    await fails(1, message, into(file).line);
    assert.deepEqual(
      (await ingested(file, '--vector-type', 'float32')).map(({ vector }) => vector),
      [
        [0.5, -3],
        [0.5, -3],
      ],
    );
    const odd = parquet([{ name: 'v', is: { type: 'BYTE_ARRAY' }, data: [packed.slice(0, 6)] }]);
    const { line } = into(odd, '--vector-type', 'float32');
    await fails(
      1,
      /a multiple of 4 bytes, as --vector-type float32 takes them, for "v" in row 0 of .* but received 6/,
      line,
    );
    const nan = parquet([{ name: 'v', is: { type: 'BYTE_ARRAY' }, data: [Uint8Array.of(0, 0x7e)] }]);
    await fails(1, /a finite float32 for dim 0 of "v" in row 0/, into(nan, '--vector-type', 'float16').line);
  });

  it('is refused where it says nothing, and does what it says in JSON', async () => {
    const floats = parquet([vectors(2)]);
    await fails(
      1,
      /bytes or unsigned integers, as --vector-type bits takes them, .* list of float/,
      into(floats, '--vector-type', 'bits').line,
    );
    await fails(2, /Expected --vector beside --vector-type/, [
      'ingest',
      floats,
      '--text',
      't',
      '--model',
      'fake',
      '--to',
      path('no'),
      '--vector-type',
      'bits',
    ]);
    await fails(
      2,
      /Expected one of numbers, int8, float16, bfloat16, float32, float64, bits, binary for --vector-type but received float8/,
      into(floats, '--vector-type', 'float8').line,
    );
    await fails(2, /Expected --vector beside --vector-type/, [
      'search',
      '--store',
      path('no'),
      '--vector-type',
      'bits',
      'x',
    ]);
    await fails(2, /beside --text, --vector, --vector-type/, [
      'bench',
      '--store',
      path('no'),
      '--vector',
      'v',
      '--vector-type',
      'bits',
    ]);
    const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1), }".padEnd(117);
    const npy = write('a.npy', Buffer.from(`\x93NUMPY\x01\0\x76\0${header}\n\0\0\x80?`, 'latin1'));
    const numbers = write('bytes.jsonl', '{"v":[237,241]}\n{"v":[0,255]}\n');
    const { to, line } = into(numbers, '--vector-type', 'bits', '--metric', 'dot');
    await done(line);
    const bits = [
      [1, 1, 1, -1, 1, 1, -1, 1, 1, 1, 1, 1, -1, -1, -1, 1],
      [...Array(8).fill(-1), ...Array(8).fill(1)],
    ];
    assert.deepEqual(
      (await contentsOf(to)).map(({ vector }) => vector),
      bits,
    );
    await fails(1, /the columns of .* as before .* --vector-type "bits" then, none now/, [
      ...line.slice(0, 6),
      '--metric',
      'dot',
    ]);
    await fails(
      1,
      /an integer of 0 to 255, as --vector-type bits takes them, for value 1 of "v" in line 1/,
      into(write('odd.jsonl', '{"v":[1,256]}\n'), '--vector-type', 'bits').line,
    );
    const { json } = await done([
      'search',
      '--store',
      to,
      '--vector',
      '[0,255]',
      '--vector-type',
      'bits',
      '--json',
      '--limit',
      '1',
    ]);
    assert.deepEqual([json.hits[0].id, json.hits[0].score], [1, 16]);
    await fails(2, /no --vector-type for .*a\.npy, whose header says/, [
      'ingest',
      npy,
      '--vector',
      'vector',
      '--vector-type',
      'bits',
      '--to',
      path('no'),
    ]);
  });

  it('reads queries so, too', async () => {
    const { to, line } = of('bits', '--vector-type', 'bits', '--metric', 'dot');
    await done(line);
    const queries = ['--queries', bulk, '--vector', 'bits', '--sample', '3', '--limit', '1'];
    await fails(1, /Expected --vector-type .* list of uint8/, ['bench', '--store', to, ...queries]);
    const { json } = await done(['bench', '--store', to, ...queries, '--vector-type', 'bits', '--json']);
    assert.equal(json.queries, 3);
    await fails(1, /Expected a column "nope"/, ['bench', '--store', to, '--queries', bulk, '--vector', 'nope']);
  });
});

function nested(schema: SchemaElement[], data: unknown[]): string {
  const buffer = parquetWriteBuffer({
    columnData: [{ name: 'v', data: data as never }],
    schema: [{ name: 'root', num_children: 1 }, ...schema],
  });
  return write(`nested-${made++}.parquet`, new Uint8Array(buffer));
}

it('a map is an object; one that has a key twice is a broken row', async () => {
  const file = write('map.parquet', Buffer.from(MAP, 'base64'));
  const [one, none, twice] = await valuesOf(file);
  assert.deepEqual(Object.entries((one as { v: object }).v), [
    ['a', 1],
    ['__proto__', null],
  ]);
  assert.deepEqual(none, { v: null });
  assert.match(String(twice), /a map that has each key once for "v" in row 2 of .* but received "a" twice/);
});

it('columns of one name are refused', async () => {
  const buffer = parquetWriteBuffer({
    columnData: [
      { name: 'v', data: [1] },
      { name: 'v', data: [2] },
    ],
    schema: [
      { name: 'root', num_children: 2 },
      { name: 'v', type: 'FLOAT' },
      { name: 'v', type: 'FLOAT' },
    ],
  });
  const file = write('twice.parquet', new Uint8Array(buffer));
  await fails(1, /different names of columns for .* but received "v" twice/, into(file).line);
});

it('a column that has no one vector a row is told so, by its type', async () => {
  const list = (name: string): SchemaElement[] => [
    { name, repetition_type: 'OPTIONAL', converted_type: 'LIST', num_children: 1 },
    { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
  ];
  const float: SchemaElement = { name: 'element', repetition_type: 'OPTIONAL', type: 'FLOAT' };
  const lists = nested(
    [...list('v'), ...list('element'), float],
    [
      [
        [1, 2],
        [3, 4],
      ],
    ],
  );
  await fails(
    1,
    /one vector a row \(of several, write a row for each\) for "v" .* list of list of float/,
    into(lists).line,
  );
  await fails(1, /one vector a row/, into(write('several.jsonl', '{"v":[[1,2],[3,4]]}\n')).line);
  const struct: SchemaElement[] = [
    { name: 'v', repetition_type: 'OPTIONAL', num_children: 2 },
    { name: 'a', repetition_type: 'OPTIONAL', type: 'FLOAT' },
    { name: 'b', repetition_type: 'OPTIONAL', type: 'FLOAT' },
  ];
  await fails(
    1,
    /\(of a field: --vector v\.<field>\) for "v" .* struct of a, b/,
    into(nested(struct, [{ a: 1, b: 2 }])).line,
  );
  await fails(
    1,
    /a list of numbers, or bytes for "v" .* column of int64/,
    into(parquet([{ name: 'v', is: INT64, data: [1n] }])).line,
  );
});

/** Random tables through the Parquet reader, compared in every value with what was written. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { type ColumnSource, parquetWriteBuffer, type SchemaElement } from 'hyparquet-writer';
import { ParquetReader } from '#dist/files/formats/parquet.js';
import { Random, SEED } from '../random.js';
import { tempFolder } from './files.js';

const { path } = tempFolder();
const TABLES = Number(process.env['FUNNELVEC_TABLES'] ?? 1800);
const ARROW_TABLES = Number(process.env['FUNNELVEC_TABLES'] ?? 1200);
const SAFE = BigInt(Number.MAX_SAFE_INTEGER);

/** Rows from one of them on, as far as the reader is asked for some columns. */
async function read(file: string, from: number, only?: string[]): Promise<Record<string, unknown>[]> {
  const reader = await ParquetReader.open(file);
  try {
    reader.only = only;
    const rows: Record<string, unknown>[] = [];
    for await (const chunk of reader.read(from)) {
      for (const { values, broken, number } of chunk.rows) {
        assert.equal(broken, undefined, broken?.message);
        assert.equal(number, from + rows.length);
        rows.push(values!);
      }
    }
    return rows;
  } finally {
    await reader.close();
  }
}

type Named = [name: string, values: unknown[]][];

/** As objects without a prototype's help, since a column may be named `__proto__`. */
async function compare(file: string, columns: Named, count: number, random: Random, seed: string): Promise<void> {
  const from = random.chance(0.5) ? 0 : random.int(0, count);
  const some = random.chance(0.3) ? columns.filter(() => random.chance(0.5)) : columns;
  const only = some === columns ? undefined : some.map(([name]) => name);
  const rows = await read(file, from, only);
  assert.equal(rows.length, count - from, seed);
  for (const [i, row] of rows.entries()) {
    assert.deepEqual(
      new Map(Object.entries(row)),
      new Map(some.map(([name, values]) => [name, values[from + i]])),
      seed,
    );
  }
}

describe('the Parquet reader', () => {
  it(`gives what hyparquet-writer wrote, in ${TABLES} random tables`, async () => {
    const file = path('random.parquet');
    for (let t = 0; t < TABLES; t++) {
      const random = new Random(SEED + t);
      const count = random.pick([1, 2, 5, 40]);
      const names = ['id', 'text', 'a.b', '__proto__', '7', 'ü'].filter(() => random.chance(0.5));
      if (names.length === 0) names.push('id');
      const made = names.map((name) => column(random, name, count));
      const buffer = parquetWriteBuffer({
        columnData: made.map(({ source }) => source),
        schema: [{ name: 'root', num_children: made.length }, ...made.flatMap(({ schema }) => schema)],
        rowGroupSize: random.pick([1, 3, 1000]),
        pageSize: random.pick([16, 1 << 20]),
        statistics: random.chance(0.5),
        codec: random.pick(['UNCOMPRESSED', 'SNAPPY']),
      });
      writeFileSync(file, new Uint8Array(buffer));
      const named = made.map(({ source: { name }, values }): Named[number] => [name, values]);
      await compare(file, named, count, random, `seed ${SEED + t}`);
    }
  });

  it(`gives what pyarrow wrote, in ${ARROW_TABLES} random tables of all its types and encodings`, async (t) => {
    const venv = await import(pathToFileURL(resolve('scripts/setup/venv.mjs')).href);
    let python: string;
    try {
      ({ python } = await venv.ensureVenv());
    } catch (error) {
      if (process.env['CI'] === 'true') throw error;
      return t.skip((error as Error).message);
    }
    const folder = path('arrow');
    mkdirSync(folder);
    const script = resolve('test/cli/parquet_tables.py');
    execFileSync(python, [script, folder, String(ARROW_TABLES), String(SEED)], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    const tables = readFileSync(`${folder}/tables.jsonl`, 'utf8').trimEnd().split('\n');
    assert.equal(tables.length, ARROW_TABLES);
    for (const [i, line] of tables.entries()) {
      const { rows, columns } = JSON.parse(line) as { rows: number; columns: [string, unknown[]][] };
      const named = columns.map(([name, values]): Named[number] => [name, values.map(said)]);
      await compare(`${folder}/${i}.parquet`, named, rows, new Random(SEED + i), `table ${i}`);
    }
  });
});

/** A value as parquet_tables.py would describe it. */
function said(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const one = value as {
    n?: string;
    w?: boolean;
    f?: string;
    s?: string;
    b?: string;
    l?: unknown[];
    o?: [string, unknown][];
  };
  if (one.n !== undefined) return one.w ? BigInt(one.n) : Number(one.n);
  if (one.f !== undefined) return Number(one.f.replace('inf', 'Infinity').replace('nan', 'NaN'));
  if (one.s !== undefined) return one.s;
  if (one.b !== undefined) return new Uint8Array(Buffer.from(one.b, 'hex'));
  if (one.l !== undefined) return one.l.map(said);
  const out = {};
  for (const [name, inner] of one.o!) {
    Object.defineProperty(out, name, { value: said(inner), enumerable: true, writable: true, configurable: true });
  }
  return out;
}

interface Made {
  source: ColumnSource;
  schema: SchemaElement[];
  /** As the reader should say them. */
  values: unknown[];
}

/** Written values by type, and what they mean. */
function column(random: Random, name: string, count: number): Made {
  const hole = random.pick([0, 0.3, 1]);
  const top = random.pick([9n, SAFE, SAFE + 1n, 2n ** 63n - 1n]);
  const integer = () => random.pick([BigInt(random.int(0, 1 << 30)) % (top + 1n), top, -top, 0n]);
  const bytes = () => Uint8Array.from({ length: random.int(0, 4) }, () => random.int(0, 255));
  const whole = (some: (bigint | null)[]) => {
    const wide = some.some((one) => one !== null && (one > SAFE || one < -SAFE));
    return some.map((one) => (one === null || wide ? one : Number(one)));
  };
  const optional = { name, repetition_type: 'OPTIONAL' } as const;
  const plain = <T>(
    element: Partial<SchemaElement>,
    make: () => T,
    mean: (some: (T | null)[]) => unknown[] = (some) => some,
  ) => {
    const data = Array.from({ length: count }, () => (random.chance(hole) ? null : make()));
    return { source: { name, data }, schema: [{ ...optional, ...element }], values: mean(data) } as Made;
  };
  switch (random.int(0, 10)) {
    case 0:
      return plain({ type: 'INT64' }, integer, whole);
    case 1:
      return plain(
        { type: 'INT64', converted_type: 'UINT_64' },
        () => random.pick([0n, 5n, SAFE, top, 2n * top]),
        whole,
      );
    case 2:
      return plain({ type: 'INT32' }, () => random.pick([0, -(2 ** 31), 2 ** 31 - 1, random.int(-9, 9)]));
    case 3:
      return plain({ type: 'DOUBLE' }, () =>
        random.pick([random.gaussian(), -0, Number.MIN_VALUE, Number.NaN, 2 ** 60]),
      );
    case 4:
      return plain({ type: 'FLOAT' }, () => Math.fround(random.gaussian()));
    case 5:
      return plain({ type: 'BYTE_ARRAY', converted_type: 'UTF8' }, () =>
        random.pick(['', 'ü€𝄞', '\ufeffa', 'a', 'a\0']),
      );
    case 6:
      return plain({ type: 'BYTE_ARRAY' }, bytes);
    case 7:
      return plain({ type: 'BYTE_ARRAY', converted_type: 'JSON' }, () =>
        random.pick<unknown>([{ a: [1, null, { b: 'ü' }] }, [0.5, 1e300], 'text', 7, true]),
      );
    case 8:
      return plain({ type: 'BOOLEAN' }, () => random.chance(0.5));
    case 9: {
      const scale = random.pick([1, 2, 15]);
      const make = () =>
        random.pick([115n, 1n, 999_999_999_999_999n, -7n, 0n, BigInt(random.int(-(10 ** 9), 10 ** 9))]);
      const type = random.pick([
        { type: 'INT64' },
        { type: 'FIXED_LEN_BYTE_ARRAY', type_length: 16 },
        { type: 'BYTE_ARRAY' },
      ] as const);
      return plain({ ...type, converted_type: 'DECIMAL', precision: 15, scale }, make, (some) =>
        some.map((one) => (one === null ? null : Number(`${one}e-${scale}`))),
      );
    }
    default: {
      const element = random.pick([
        { type: 'INT32', converted_type: 'UINT_8' },
        { type: 'FLOAT' },
        { type: 'INT64' },
      ] as const);
      const one = (): unknown =>
        random.chance(0.2) ? null : element.type === 'INT64' ? integer() : random.int(0, 255);
      const data = Array.from({ length: count }, () =>
        random.chance(hole) ? null : Array.from({ length: random.int(0, 3) }, one),
      );
      const wide = data.flat().some((n) => typeof n === 'bigint' && (n > SAFE || n < -SAFE));
      const mean = (n: unknown) => (typeof n === 'bigint' && !wide ? Number(n) : n);
      const schema: SchemaElement[] = [
        { ...optional, converted_type: 'LIST', num_children: 1 },
        { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
        { name: 'element', repetition_type: 'OPTIONAL', ...element },
      ];
      return { source: { name, data }, schema, values: data.map((list) => list?.map(mean) ?? null) };
    }
  }
}

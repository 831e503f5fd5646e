/** Arrow files and streams, and folders of Hugging Face's `datasets`, into an index: as Parquet of the same table. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import {
  Decimal,
  Dictionary,
  Field,
  FixedSizeList,
  Float32,
  Int32,
  makeVector,
  Table,
  tableToIPC,
  Utf8,
  type Vector,
  vectorFromArray,
} from 'apache-arrow';
import { FunnelError } from 'funnelvec';
import { openReader } from '#dist/files/formats/open.js';
import { Random } from '../random.js';
import { refused } from '../refused.js';
import { done, fails } from './command.js';
import { contentsOf, tempFolder } from './files.js';

const { path, write } = tempFolder();
let made = 0;

/** Values or reasons why there are none, and errors that end the file. */
async function rowsOf(file: string, format: 'arrow' | 'parquet' | 'npy', from = 0): Promise<unknown[]> {
  const reader = await openReader(file, format);
  try {
    const all: unknown[] = [];
    for await (const { rows } of reader.read(from)) {
      all.push(...rows.map(({ values, broken, number }) => broken?.message.replace(file, '') ?? [number, values]));
    }
    return all;
  } finally {
    await reader.close();
  }
}

const into = (file: string, ...more: string[]) => {
  const to = path(`index-${made++}`);
  return { to, line: ['ingest', file, '--to', to, ...more] };
};

async function ingested(file: string, ...more: string[]) {
  const { to, line } = into(file, ...more);
  await done(line);
  return contentsOf(to);
}

/** One table as pyarrow writes it: `table.parquet`, `lz4.arrow`, `none.arrows`, …; and its vectors as `v.npy`. */
const TABLES = `
import pyarrow as pa, pyarrow.parquet as pq, pyarrow.feather as f, numpy as np, decimal as d, json
rng = np.random.default_rng(7)
n, dim = 300, 24
v = rng.standard_normal((n, dim)).astype("f4")
def some(make, every=7): return [None if i % every == 3 else make(i) for i in range(n)]
columns = {
  "id": pa.array(range(n), pa.int64()),
  "big": pa.array(some(lambda i: 2**60 + i if i == 200 else i), pa.int64()),
  "u64": pa.array([2**64 - 1 - i for i in range(n)], pa.uint64()),
  "i16": pa.array(some(lambda i: i - 9), pa.int16()), "u8": pa.array([i % 256 for i in range(n)], pa.uint8()),
  "text": pa.array(some(lambda i: "" if i == 5 else f"text {i} \\u00fc \\U0001f600")),
  "large": pa.array([f"l{i}" for i in range(n)], pa.large_string()),
  "cat": pa.array(some(lambda i: f"c{i % 5}")).dictionary_encode(),
  "vec": pa.FixedSizeListArray.from_arrays(pa.array(v.ravel()), dim),
  "list": pa.array(list(v), pa.list_(pa.float32())),
  "half": pa.FixedSizeListArray.from_arrays(pa.array(v.astype("f2").ravel()), dim),
  "double": pa.array(list(v.astype("f8")), pa.large_list(pa.float64())),
  "ints": pa.array(some(lambda i: [] if i % 2 else [i, None, -i]), pa.list_(pa.int32())),
  "nested": pa.array(some(lambda i: [[i], None, [i, 2]]), pa.list_(pa.list_(pa.int64()))),
  "blob": pa.array([r.tobytes() for r in v], pa.binary()), "fixed": pa.array([r.tobytes() for r in v], pa.binary(4 * dim)),
  "dec": pa.array(some(lambda i: d.Decimal(i - 250) / 4), pa.decimal128(20, 2)),
  "whole": pa.array(some(lambda i: d.Decimal(i) * 10**20), pa.decimal128(38, 0)),
  "ms": pa.array(some(lambda i: i * 86400123), pa.timestamp("ms")), "us": pa.array([-i for i in range(n)], pa.timestamp("us")),
  "day": pa.array(some(lambda i: i * 50 - 900), pa.date32()), "time": pa.array(some(lambda i: i), pa.time64("us")),
  "struct": pa.array(some(lambda i: {"a": i, "b": None, "c": {"d": [f"x{i}"]}}), pa.struct([("a", pa.int64()), ("b", pa.string()), ("c", pa.struct([("d", pa.list_(pa.string()))]))])),
  "map": pa.array(some(lambda i: [("k", i), ("__proto__", None)]), pa.map_(pa.string(), pa.int64())),
  "bool": pa.array(some(lambda i: i % 2 == 0)), "float": pa.array(some(lambda i: float("nan") if i == 9 else i / 3), pa.float32()),
}
table = pa.table(columns)
pq.write_table(table, "table.parquet", store_schema=False)
np.save("v.npy", v)
views = table.append_column("view", pa.array(some(lambda i: f"a text of more than twelve bytes {i}" if i % 2 else f"{i}"), pa.string_view())).append_column("bview", pa.array([r.tobytes() for r in v], pa.binary_view()))
for c in ("lz4", "zstd", None):
  o = pa.ipc.IpcWriteOptions(compression=c)
  with pa.ipc.new_file(f"{c or 'none'}.arrow", views.schema, options=o) as w: w.write_table(views, max_chunksize=110)
  with pa.ipc.new_stream(f"{c or 'none'}.arrows", views.schema, options=o) as w: w.write_table(views, max_chunksize=110)
f.write_feather(table, "table.feather")
with pa.ipc.new_stream("legacy.arrows", table.schema, options=pa.ipc.IpcWriteOptions(use_legacy_format=True)) as w: w.write_table(table, max_chunksize=110)
odd = pa.table({"v": list(v[:3, :2]), "u": pa.array([b"\\xff", b"a", None]).view(pa.string()), "d": pa.array([d.Decimal("0.12345678901234567891"), None, None], pa.decimal128(38, 20)), "i": pa.array([pa.MonthDayNano([1, 2, 3])] * 3)})
with pa.ipc.new_file("odd.arrow", odd.schema) as w: w.write_table(odd)
ends = pa.RunEndEncodedArray.from_arrays([3], ["x"])
lists = [[[1]], [[2]], [[3]]]
for name, column in {
  "view": pa.array(lists, pa.list_view(pa.list_(pa.int32()))), "large": pa.array(lists, pa.large_list_view(pa.list_(pa.int32()))),
  "within": pa.array(lists, pa.list_(pa.list_view(pa.int32()))), "ends": ends, "field": pa.StructArray.from_arrays([ends], ["r"]),
}.items():
  unread = pa.table({"v": list(v[:3, :2]), "x": column})
  with pa.ipc.new_file(f"unread-{name}.arrow", unread.schema) as w: w.write_table(unread)
  with pa.ipc.new_stream(f"unread-{name}.arrows", unread.schema) as w: w.write_table(unread)
`;

const folder = path('pyarrow');
let missing: string | undefined;
try {
  const venv = await import(pathToFileURL(resolve('scripts/setup/venv.mjs')).href);
  const { python } = await venv.ensureVenv();
  mkdirSync(folder);
  execFileSync(python, ['-c', TABLES], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
} catch (error) {
  if (process.env['CI'] === 'true') throw error;
  missing = (error as Error).message;
}
const skip = missing ?? false;
const pyarrow = (name: string) => `${folder}/${name}`;

describe('a table of pyarrow', { skip }, () => {
  const FILES = ['none', 'lz4', 'zstd'].flatMap((one) => [`${one}.arrow`, `${one}.arrows`]);

  it('gives the rows that Parquet of it gives, as a file, a stream and Feather, in every compression', async () => {
    const expected = (await rowsOf(pyarrow('table.parquet'), 'parquet')) as [number, Record<string, unknown>][];
    assert.equal(expected.length, 300);
    for (const file of [...FILES, 'table.feather', 'legacy.arrows']) {
      const rows = (await rowsOf(pyarrow(file), 'arrow')) as [number, Record<string, unknown>][];
      for (const [i, [number, { view, bview, ...values }]] of rows.entries()) {
        assert.deepEqual([number, values], expected[i], `row ${i} of ${file}`);
        if (view === undefined) continue;
        assert.equal(view, i % 7 === 3 ? null : i % 2 ? `a text of more than twelve bytes ${i}` : `${i}`);
        assert.deepEqual(bview, values['blob']);
      }
      assert.equal(rows.length, 300);
    }
  });

  it('with a column of a type that apache-arrow does not know is unsupported, not damaged', async () => {
    for (const [name, column, words] of [
      ['view', 'x', 'list view'],
      ['large', 'x', 'large list view'],
      ['within', 'x.item', 'list view'],
      ['ends', 'x', 'run-end encoded'],
      ['field', 'x.r', 'run-end encoded'],
    ]) {
      for (const end of ['arrow', 'arrows']) {
        const message = new RegExp(`leave it out of the file.*"${column}", a column that is ${words}$`);
        await assert.rejects(openReader(pyarrow(`unread-${name}.${end}`), 'arrow'), refused('UNSUPPORTED', message));
      }
    }
  });

  it('goes on at any row', async () => {
    for (const file of ['zstd.arrow', 'none.arrows']) {
      const all = await rowsOf(pyarrow(file), 'arrow');
      for (const from of [1, 109, 110, 111, 220, 299, 300]) {
        assert.deepEqual(await rowsOf(pyarrow(file), 'arrow', from), all.slice(from), `${file} from ${from}`);
      }
    }
  });

  it('has vectors of the same bits as .npy of them, whatever the column', async () => {
    const expected = (await ingested(pyarrow('v.npy'))).map(({ vector }) => vector);
    for (const column of ['vec']) {
      const rows = await ingested(pyarrow('lz4.arrow'), '--vector', column, '--no-payload');
      assert.deepEqual(
        rows.map(({ vector }) => vector),
        expected,
        column,
      );
    }
    for (const column of ['bview']) {
      const typed = ['--vector', column, '--vector-type', 'float32', '--id', 'id', '--payload', 'text'];
      const rows = await ingested(pyarrow('zstd.arrows'), ...typed);
      assert.deepEqual(
        rows.map(({ vector }) => vector),
        expected,
        column,
      );
    }
    const halves = await ingested(pyarrow('none.arrow'), '--vector', 'half', '--no-payload');
    const parquet = await ingested(pyarrow('table.parquet'), '--vector', 'half', '--no-payload');
    assert.deepEqual(halves, parquet);
  });

  it('is refused for bytes without --vector-type, for lists of lists, and for what has no exact form', async () => {
    const refused = (message: RegExp, file: string, ...more: string[]) =>
      fails(1, message, into(pyarrow(file), ...more).line);
    await refused(/Expected --vector-type .* received a column of binary/, 'lz4.arrow', '--vector', 'blob');
    await refused(/one vector a row.* received a column of list of list/, 'lz4.arrow', '--vector', 'nested');
    await refused(/a column "none" in .* but it has "id"/, 'lz4.arrow', '--vector', 'none');
    await refused(/whose values have an exact form .* for "i" in .*interval/, 'odd.arrow', '--vector', 'v');
    await refused(/UTF-8 for "u" in row 0 of .*0xff at 0/, 'odd.arrow', '--vector', 'v', '--payload', 'u');
    await refused(
      /decimals that a double can hold.* for "d" in row 0 of/,
      'odd.arrow',
      '--vector',
      'v',
      '--payload',
      'd',
    );
    const skipped = into(pyarrow('odd.arrow'), '--vector', 'v', '--payload', 'u', '--skip-broken', '--json');
    assert.equal((await done(skipped.line)).json.skipped.count, 1);
  });

  it('with decimals of a scale that no number has are refused by name, which would be text of millions of digits', async () => {
    const d = makeVector({ type: new Decimal(2_000_000, 38, 128), data: Uint32Array.of(1, 0, 0, 0) } as never);
    const path = arrowOf(new Table({ v: floats([Float32Array.of(1, 2)]), d }));
    await fails(1, /decimal of scale 2000000/, into(path, '--vector', 'v', '--payload', 'd').line);
  });

  it('cut off anywhere is told before any work; damaged anywhere it is told, or has as many rows', async () => {
    const random = new Random(31);
    for (const file of ['lz4.arrow', 'none.arrow', 'zstd.arrows', 'none.arrows']) {
      const whole = readFileSync(pyarrow(file));
      for (let i = 0; i < 6; i++) {
        const cut = write(`cut-${file}`, whole.subarray(0, random.int(1, whole.length - 9)));
        await assert.rejects(
          openReader(cut, 'arrow'),
          (error) => error instanceof FunnelError && error.code === 'CORRUPT',
        );
        const bytes = Buffer.from(whole);
        // More depends on the first bytes.
        for (let n = 0; n < 3; n++) bytes[random.int(0, n === 0 ? 4000 : bytes.length - 1)]! ^= 1 << random.int(0, 7);
        try {
          const rows = await rowsOf(write(`damaged-${file}`, bytes), 'arrow');
          assert.ok(rows.length > 0);
        } catch (error) {
          if (!(error instanceof FunnelError)) throw error;
          assert.match(error.code, /^(CORRUPT|UNSUPPORTED|BAD_ARGUMENT)$/);
        }
      }
    }
  });
});

/** As apache-arrow writes it. */
function arrowOf(table: Table, kind: 'file' | 'stream' = 'stream'): string {
  return write(`table-${made++}.arrow`, tableToIPC(table, kind));
}

const floats = (rows: readonly Float32Array[]) =>
  vectorFromArray(
    rows.map((row) => Array.from(row)),
    new FixedSizeList(rows[0]!.length, new Field('item', new Float32())),
  );

describe('random tables of apache-arrow', () => {
  it('give what went in, as a file and as a stream, from any row on', async () => {
    for (let seed = 1; seed <= 12; seed++) {
      const random = new Random(seed);
      const batches = Array.from({ length: random.int(1, 4) }, () => {
        const count = random.int(0, 600);
        return {
          v: Array.from({ length: count }, () => random.vector(5)),
          t: Array.from({ length: count }, () => (random.chance(0.2) ? null : `t${random.int(0, 9)}`)),
        };
      });
      // Its files cannot have a dictionary that changes.
      const kind = random.chance(0.5) ? 'file' : 'stream';
      const texts = kind === 'file' ? new Utf8() : new Dictionary(new Utf8(), new Int32());
      const tables = batches
        .filter(({ v }) => v.length > 0)
        .map(({ v, t }) => new Table({ v: floats(v), t: vectorFromArray(t, texts) as Vector }));
      if (tables.length === 0) continue;
      const table = tables[0]!.concat(...tables.slice(1)) as Table;
      const expected = batches.flatMap(({ v, t }) => v.map((row, i) => ({ v: Array.from(row), t: t[i] })));
      const file = arrowOf(table, kind);
      const from = random.int(0, expected.length);
      assert.deepEqual(
        await rowsOf(file, 'arrow', from),
        expected.slice(from).map((values, i) => [from + i, values]),
        `${kind} of seed ${seed}`,
      );
    }
  });
});

describe('an Arrow file', () => {
  const random = new Random(5);
  const rows = Array.from({ length: 400 }, () => random.vector(4));

  it('is gone on with where a broken row ended it, to the rows of an undisturbed run', async () => {
    const broken = rows.map((row, i) => (i === 300 ? Float32Array.of(1, Number.NaN, 1, 1) : row));
    const file = arrowOf(new Table({ v: floats(broken) }));
    const { to, line } = into(file, '--vector', 'v', '--batch', '64');
    await fails(1, /a finite float32 for dim 1 of "v" in row 300 of/, line);
    assert.ok((await contentsOf(to)).length > 0);
    const { json } = await done([...line, '--skip-broken', '--json']);
    assert.ok(json.resumedAt > 0 && json.written < 399, JSON.stringify(json));
    assert.deepEqual(await contentsOf(to), await ingested(file, '--vector', 'v', '--skip-broken'));
  });

  it('is none where its name or --format only says so, and is known under another name', async () => {
    const file = write('text.arrow', 'id,v\n1,"[1,2]"\n'.repeat(9));
    await fails(1, /whole Arrow file or stream for .*text\.arrow/, into(file, '--vector', 'v').line);
    await fails(
      1,
      /whole Arrow file or stream for .* one of 0 bytes/,
      into(write('empty.arrow', ''), '--vector', 'v').line,
    );
    const named = write('named.jsonl', tableToIPC(new Table({ v: floats(rows.slice(0, 3)) }), 'file'));
    await fails(1, /a file of another format: --format arrow/, into(named, '--vector', 'v').line);
    assert.equal((await ingested(named, '--vector', 'v', '--format', 'arrow')).length, 3);
    await fails(
      2,
      /Expected text files beside --encoding but received arrow/,
      into(file, '--vector', 'v', '--encoding', 'latin1').line,
    );
    await fails(2, /Expected arrow files unpacked \(gunzip\)/, into('a.arrow.gz', '--vector', 'v').line);
  });

  it('without rows is refused as any other', async () => {
    const file = arrowOf(new Table({ v: floats(rows.slice(0, 3)) }).slice(0, 0) as Table);
    await fails(1, /at least one row/, into(file, '--vector', 'v').line);
  });
});

describe("a folder of Hugging Face's datasets", () => {
  const random = new Random(6);
  const rows = Array.from({ length: 90 }, () => random.vector(4));
  const part = (from: number, to: number) => tableToIPC(new Table({ v: floats(rows.slice(from, to)) }), 'stream');
  const set = (name: string, state: unknown) => {
    mkdirSync(path(name), { recursive: true });
    // Not in the order of their names.
    write(`${name}/data-00001-of-00002.arrow`, part(0, 40));
    write(`${name}/data-00000-of-00002.arrow`, part(40, 90));
    write(`${name}/state.json`, typeof state === 'string' ? state : JSON.stringify(state));
    return path(name);
  };
  const files = [{ filename: 'data-00001-of-00002.arrow' }, { filename: 'data-00000-of-00002.arrow' }];

  it('is read as one, its files in the order that it says', async () => {
    const { to, line } = into(set('saved', { _data_files: files, _split: 'train' }), '--vector', 'v');
    await done(line);
    assert.deepEqual(
      (await contentsOf(to)).map(({ id, vector }) => [id, vector]),
      (await ingested(arrowOf(new Table({ v: floats(rows) })), '--vector', 'v')).map(({ id, vector }) => [id, vector]),
    );
    assert.equal((await done([...line, '--json'])).json.written, 0);
  });

  it('of several splits, with indices, or broken is refused', async () => {
    mkdirSync(path('splits'));
    write('splits/dataset_dict.json', '{"splits": ["train", "test"]}');
    await fails(
      1,
      /one data set \(.*splits\/train, .*splits\/test\) for .*splits but received the folder of 2/,
      into(path('splits'), '--vector', 'v').line,
    );
    const indexed = set('indexed', { _data_files: files, _indices_data_files: [{ filename: 'indices.arrow' }] });
    await fails(1, /flatten_indices\(\)/, into(indexed, '--vector', 'v').line);
    await fails(1, /Expected JSON for .*state\.json/, into(set('damaged', '{"_data_'), '--vector', 'v').line);
    await fails(
      1,
      /state\.json with the names of files/,
      into(set('nameless', { _data_files: [{}] }), '--vector', 'v').line,
    );
    const gone = set('gone', { _data_files: [...files, { filename: 'data-00002.arrow' }] });
    await fails(1, /no such file/, into(gone, '--vector', 'v').line);
  });
});

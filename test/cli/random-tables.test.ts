/** Random tables through the readers of text and NumPy files, with every type of ids: what arrives is what was written. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { FunnelIndex, importJsonl } from 'funnelvec/store';
import type { FunnelError } from '#dist/core/errors.js';
import { formatOf, openReader } from '#dist/files/formats/open.js';
import type { FileRow, TextOptions } from '#dist/files/formats/reader.js';
import { Mapper, type Mapping } from '#dist/files/mapping.js';
import { Random, SEED } from '../random.js';
import {
  asRead,
  type Cell,
  CHARACTERS,
  ID_TYPES,
  REFUSED,
  randomTable,
  type Table,
  wantedIds,
} from './random-tables.js';

/** In memory where the system has such a folder: that is what makes 10,000 files quick. */
const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'funnelvec-tables-'));
after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

/** 10,000 in all, of which each is written in one format of text and one encoding. */
const TABLES = 2500;

async function rowsOf(path: string, from: number, options: TextOptions): Promise<FileRow[]> {
  const reader = await openReader(path, formatOf(path), options);
  const rows: FileRow[] = [];
  try {
    for await (const chunk of reader.read(from)) rows.push(...chunk.rows);
  } finally {
    await reader.close();
  }
  return rows;
}

const ENCODINGS: { label?: string; bytes: (text: string) => Buffer; characters?: readonly string[] }[] = [
  { bytes: (text) => Buffer.from(text) },
  { bytes: (text) => Buffer.from(text) },
  { bytes: (text) => Buffer.from(`\ufeff${text}`) },
  { bytes: (text) => Buffer.from(`\ufeff${text}`, 'utf16le') },
  { label: 'utf-16be', bytes: (text) => Buffer.from(text, 'utf16le').swap16() },
  {
    label: 'windows-1252',
    bytes: (text) =>
      Buffer.from(Array.from(text, (one) => ({ '€': 0x80, '“': 0x93, '…': 0x85 })[one] ?? one.charCodeAt(0))),
    characters: [...'ab019 \t\n\r",;|\\{}[]:.éÉßñ€“…\u00a0'],
  },
];

/** JSON with integers as they are, by another way than JSON.parse's. */
function json(cell: Cell | undefined): string {
  if (typeof cell === 'bigint') return String(cell);
  if (Array.isArray(cell)) return `[${cell.map(json).join(' , ')}]`;
  if (typeof cell !== 'object' || cell === null) return JSON.stringify(cell);
  const members = Object.entries(cell).flatMap(([key, value]) => {
    return value === undefined ? [] : [`${JSON.stringify(key)} :${json(value)}`];
  });
  return `{${members.join(',')}}`;
}

function jsonRows({ ids, vectors, payloads }: Table): string[] {
  return ids.map((id, r) => json({ id, vector: Array.from(vectors[r]!), ...(payloads[r] as Record<string, Cell>) }));
}

/** A double that JavaScript writes without a point is an integer to whoever reads it: the one that its digits say. */
function said(cell: Cell): Cell {
  if (typeof cell === 'number' && Number.isInteger(cell) && Math.abs(cell) < 1e21) return BigInt(String(cell));
  if (Array.isArray(cell)) return cell.map(said);
  if (typeof cell !== 'object' || cell === null) return cell;
  return Object.fromEntries(Object.entries(cell).map(([key, value]) => [key, said(value)]));
}

const MAPPING: Mapping = { id: 'id', vector: 'vector', payload: 'rest', numbers: [] };

/** The rows as every type of ids has them, or refused by name, as they must be. */
function check(
  rows: readonly FileRow[],
  ids: Table['ids'],
  { vectors }: Table,
  payloads: readonly object[],
  mapping = MAPPING,
) {
  assert.equal(rows.length, ids.length);
  for (const type of ID_TYPES) {
    const wanted = wantedIds(ids, type);
    const mapper = new Mapper(mapping, type);
    for (const [r, row] of rows.entries()) {
      if (wanted[r] === REFUSED) {
        assert.throws(() => mapper.map(row, r), { code: 'BAD_ID' });
        continue;
      }
      const { id, vector, payload } = mapper.map(row, r);
      assert.equal(id, wanted[r], `${type}`);
      assert.deepEqual(vector, vectors[r]);
      assert.deepEqual(payload, payloads[r]);
    }
  }
}

/** A reader goes on from any row; and packed files are as good as others. */
async function read(random: Random, name: string, bytes: Buffer, options: TextOptions): Promise<FileRow[]> {
  const packed = random.chance(0.05);
  const path = join(folder, packed ? `${name}.gz` : name);
  writeFileSync(path, packed ? gzipSync(bytes) : bytes);
  const rows = await rowsOf(path, 0, options);
  if (random.chance(0.1)) {
    const from = random.int(0, rows.length);
    assert.deepEqual(await rowsOf(path, from, options), rows.slice(from));
  }
  rmSync(path);
  return rows;
}

describe('random tables', () => {
  for (const format of ['jsonl', 'json'] as const) {
    it(`in ${format} arrive as they were written`, async () => {
      for (let t = 0; t < TABLES; t++) {
        const random = new Random(SEED + 4 * t + (format === 'json' ? 1 : 0));
        const { label, bytes, characters } = random.pick(ENCODINGS);
        const table = randomTable(random, { ...(characters && { characters }) });
        const lines = jsonRows(table);
        const space = () => random.pick(['', ' ', '\n', '\r\n\t']);
        const text =
          format === 'jsonl'
            ? lines.join(random.pick(['\n', '\r\n', '\n\n'])) + random.pick(['', '\n'])
            : `${space()}[${lines.map((line) => `${space()}${line}${space()}`).join(',')}]${space()}`;
        const rows = await read(random, `t.${format}`, bytes(text), { encoding: label });
        const payloads = table.payloads.map((payload) => {
          const has = Object.entries(payload).filter(([, cell]) => cell !== undefined);
          return Object.fromEntries(has.map(([name, cell]) => [name, asRead(said(cell!))]));
        });
        check(rows, table.ids.map(said) as Table['ids'], table, payloads);
      }
    });
  }

  for (const format of ['csv', 'tsv'] as const) {
    it(`in ${format} arrive as they were written, numbers exactly`, async () => {
      for (let t = 0; t < TABLES; t++) {
        const random = new Random(SEED + 4 * t + (format === 'csv' ? 2 : 3));
        const { label, bytes, characters } = random.pick(ENCODINGS);
        const table = randomTable(random, { nested: false, ...(characters && { characters }) });
        const delimiter = random.chance(0.3) ? random.pick([';', '|', '\t', '¦']) : undefined;
        const mark = delimiter ?? (format === 'csv' ? ',' : '\t');
        const field = (text: string) =>
          /["\r\n]/.test(text) || text.includes(mark) || random.chance(0.2) ? `"${text.replaceAll('"', '""')}"` : text;
        const asText = (cell: Cell) => (cell === null ? '' : String(cell));
        const vectorText = (vector: Float32Array) => {
          const text = Array.from(vector).join();
          return random.chance(0.5) ? `[${text}]` : `{${text}}`;
        };
        const { ids, vectors, names, payloads } = table;
        // A column of numbers has nothing else, or nothing.
        const numbers = names.filter(() => random.chance(0.4));
        for (const payload of payloads) {
          for (const name of numbers) {
            if (typeof payload[name] !== 'bigint' && typeof payload[name] !== 'number') payload[name] = null;
          }
        }
        const records = [
          ['id', 'vector', ...names],
          ...ids.map((id, r) => [
            String(id),
            vectorText(vectors[r]!),
            ...names.map((name) => asText(payloads[r]![name] as Cell)),
          ]),
        ];
        const lineEnd = random.pick(['\n', '\r\n', '\r']);
        const text = records.map((record) => `${record.map(field).join(mark)}${lineEnd}`).join('');
        const rows = await read(random, `t.${format}`, bytes(text), { encoding: label, delimiter });
        const wanted = payloads.map((payload) => {
          const kept = names.filter((name) => !(numbers.includes(name) && payload[name] === null));
          const value = (name: string) => {
            const cell = payload[name] as Cell;
            return numbers.includes(name) ? asRead(said(cell)) : asText(cell);
          };
          return Object.fromEntries(kept.map((name) => [name, value(name)]));
        });
        check(rows, ids.map(String), table, wanted, { ...MAPPING, numbers });
      }
    });
  }

  it('with a byte that is no text lose the one row that has it, by name', async () => {
    for (let t = 0; t < 500; t++) {
      const random = new Random(SEED + t);
      const { vectors } = randomTable(random);
      const ids = vectors.map((_, r) => `row ${r} – ${random.pick(CHARACTERS).replaceAll(/[\s",\\\p{Cc}]/gu, '')}`);
      const at = random.int(0, ids.length - 1);
      const format = random.pick(['jsonl', 'json', 'csv', 'tsv']);
      const records = ids.map((id, r) => {
        const bytes = Buffer.from(id);
        const cut = random.int(0, 3);
        const bad = Buffer.from([random.pick([0x80, 0xbf, 0xc0, 0xe9, 0xf8, 0xff])]);
        const text = r === at ? Buffer.concat([bytes.subarray(0, cut), bad, bytes.subarray(cut)]) : bytes;
        if (format === 'csv' || format === 'tsv') return Buffer.concat([text, Buffer.from('\n')]);
        const separator = format === 'jsonl' || r === ids.length - 1 ? '\n' : ',';
        return Buffer.concat([Buffer.from('{"id":"'), text, Buffer.from(`"}${separator}`)]);
      });
      const [start, end] = format === 'json' ? ['[', ']'] : [format === 'jsonl' ? '' : 'id\n', ''];
      const path = join(folder, `bad.${format}`);
      writeFileSync(path, Buffer.concat([Buffer.from(start), ...records, Buffer.from(end)]));
      const rows = await rowsOf(path, 0, {});
      assert.deepEqual(
        rows.map(({ values, broken }) => (broken === undefined ? values!['id'] : broken.code)),
        ids.map((id, r) => (r === at ? 'BAD_ARGUMENT' : id)),
      );
      assert.match(
        rows[at]!.broken!.message,
        /^Expected utf-8 for .*line \d+\)? of .* but received the byte 0x[89a-f]/,
      );
    }
  });

  it('of vectors arrive from .npy files in every type, bit for bit', async () => {
    const types = { '<f4': Float32Array, '<f8': Float64Array } as const;
    for (let t = 0; t < 500; t++) {
      const random = new Random(SEED + t);
      const { vectors } = randomTable(random);
      const type = random.pick(['<f4', '<f8'] as const);
      const rows = vectors.length;
      const columns = vectors[0]!.length;
      const count = (n: number) => random.pick([`${n}`, `np.int64(${n})`, `np.uint8(${n})`, `${n}L`]);
      const header = `{'descr': '${type}', 'fortran_order': False, 'shape': (${count(rows)}, ${count(columns)}), }\n`;
      const start = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, header.length & 255, header.length >> 8]);
      const values = types[type].from(vectors.flatMap((vector) => Array.from(vector)));
      const path = join(folder, 't.npy');
      writeFileSync(path, Buffer.concat([start, Buffer.from(header), new Uint8Array(values.buffer)]));
      const from = random.int(0, rows);
      const read = await rowsOf(path, from, {});
      assert.deepEqual(
        read.map(({ values }) => values!['vector']),
        vectors.slice(from),
      );
    }
  });

  it('in importJsonl() arrive with ids of every kind, and payloads that get() gives back', async () => {
    for (let t = 0; t < 400; t++) {
      const random = new Random(SEED + t);
      const table = randomTable(random);
      const idKind = random.pick(['string', 'number', 'bigint'] as const);
      const ids = table.ids.map(said) as Table['ids'];
      const wanted = ids.map((id) => idOf(id, idKind));
      const text = Buffer.from(jsonRows(table).join('\n'));
      const cut = random.int(0, text.length);
      const index = await FunnelIndex.create(':memory:', { dim: table.vectors[0]!.length, autoOptimize: false });
      try {
        const run = () => importJsonl(index, [text.subarray(0, cut), text.subarray(cut)], { idKind });
        if (wanted.includes(undefined)) {
          await assert.rejects(run(), (error: FunnelError) => error.code === 'BAD_ID' && /line \d/.test(error.message));
          assert.equal(index.count, 0);
          continue;
        }
        await run();
        // The last row of an id is the one that stays.
        for (const [r, id] of wanted.entries()) {
          if (wanted.lastIndexOf(id) !== r) continue;
          const [point] = await index.get([id!]);
          const has = Object.entries(table.payloads[r]!).filter(([, cell]) => cell !== undefined);
          assert.deepEqual(point!.payload, Object.fromEntries(has.map(([name, cell]) => [name, asRead(said(cell!))])));
          assert.deepEqual(point!.vector, table.vectors[r]);
        }
        assert.equal(index.count, new Set(wanted).size);
      } finally {
        await index.close();
      }
    }
  });
});

function idOf(
  id: bigint | number | string,
  kind: 'string' | 'number' | 'bigint',
): string | number | bigint | undefined {
  if (typeof id === 'number' && !Number.isSafeInteger(id)) return undefined;
  if (kind === 'string') return id === '' ? undefined : String(id);
  if (typeof id === 'string' && !/^(0|-?[1-9][0-9]{0,19})$/.test(id)) return undefined;
  const integer = BigInt(id);
  if (kind === 'number') return Number.isSafeInteger(Number(integer)) ? Number(integer) : undefined;
  return integer >= -(2n ** 63n) && integer < 2n ** 64n ? integer : undefined;
}

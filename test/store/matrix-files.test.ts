/** Files of one matrix as TEXMEX and the Big-ANN benchmarks have them: what arrives, and what is refused. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { FunnelError } from 'funnelvec';
import { FunnelIndex, importMatrixFile, type MatrixFormat } from 'funnelvec/store';
import { done } from '../cli/command.js';
import { contentsOf } from '../cli/files.js';
import { Random, SEED } from '../random.js';

const folder = mkdtempSync(join(tmpdir(), 'funnelvec-matrix-'));
after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
const random = new Random(SEED);
const COUNT = 700;
const DIM = 6;

const small = (least: number, most: number) => () => least + Math.floor(random.next() * (most - least + 1));
const FORMS: Record<Exclude<MatrixFormat, 'npy'>, { value: () => number; texmex: boolean; width: number }> = {
  fvecs: { value: () => Math.fround(random.next() - 0.5), texmex: true, width: 4 },
  bvecs: { value: small(0, 255), texmex: true, width: 1 },
  fbin: { value: () => Math.fround(random.next() - 0.5), texmex: false, width: 4 },
  u8bin: { value: small(0, 255), texmex: false, width: 1 },
  i8bin: { value: small(-128, 127), texmex: false, width: 1 },
};

/** A file as the benchmarks' own scripts write it, and its rows. */
function made(format: Exclude<MatrixFormat, 'npy'>, count = COUNT): { bytes: Buffer; rows: number[][] } {
  const { value, texmex, width } = FORMS[format];
  const rows = Array.from({ length: count }, () => Array.from({ length: DIM }, value));
  const counts = Buffer.alloc(8);
  counts.writeUInt32LE(count, 0);
  counts.writeUInt32LE(DIM, 4);
  const parts = texmex ? [] : [counts];
  for (const row of rows) {
    const one = Buffer.alloc((texmex ? 4 : 0) + DIM * width);
    if (texmex) one.writeInt32LE(DIM, 0);
    const at = texmex ? 4 : 0;
    for (const [i, dim] of row.entries()) {
      if (width === 4) one.writeFloatLE(dim, at + 4 * i);
      else if (format === 'i8bin') one.writeInt8(dim, at + i);
      else one.writeUInt8(dim, at + i);
    }
    parts.push(one);
  }
  return { bytes: Buffer.concat(parts), rows };
}

function written(name: string, bytes: Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

const opened = () => FunnelIndex.create(':memory:', { dim: DIM, metric: 'dot' });
const vectorsOf = async (index: FunnelIndex, count: number) =>
  (await index.get(Array.from({ length: count }, (_, id) => id))).map((point) => Array.from(point!.vector));

describe('importMatrixFile()', () => {
  for (const format of Object.keys(FORMS) as Exclude<MatrixFormat, 'npy'>[]) {
    it(`reads .${format}, from any row on, in batches of any length`, async () => {
      const { bytes, rows } = made(format);
      const path = written(`rows.${format}`, bytes);
      for (const batch of [1, 97, 2048]) {
        const index = await opened();
        const from = batch === 97 ? 300 : 0;
        const told: number[] = [];
        const result = await importMatrixFile(index, path, { batch, from, onProgress: ({ done }) => told.push(done) });
        assert.deepEqual(result, { count: COUNT - from, replaced: 0 });
        assert.equal(told.at(-1), COUNT);
        const ids = Array.from({ length: COUNT - from }, (_, i) => from + i);
        const vectors = (await index.get(ids)).map((point) => Array.from(point!.vector));
        assert.deepEqual(vectors, rows.slice(from));
        await index.close();
      }
      const index = await opened();
      await importMatrixFile(index, written('unnamed', bytes), { format });
      assert.deepEqual(await vectorsOf(index, COUNT), rows);
      await index.close();
    });
  }

  it('is what the command does', async () => {
    const { bytes, rows } = made('bvecs', 40);
    const to = join(folder, 'store');
    await done(['ingest', written('sift.bvecs', bytes), '--metric', 'dot', '--to', to]);
    assert.deepEqual(
      (await contentsOf(to)).map(({ vector }) => vector),
      rows,
    );
    const queries = written('queries.bvecs', bytes);
    const { json } = await done(['bench', '--store', to, '--queries', queries, '--limit', '3', '--json']);
    assert.equal(json.queries, 40);
  });

  it('refuses what is cut off, longer, of other dims, or no such file, before any row is written', async () => {
    const index = await opened();
    const fails = async (path: string, code: string, text: RegExp, options = {}) => {
      await assert.rejects(importMatrixFile(index, path, options), (error: unknown) => {
        assert.ok(error instanceof FunnelError, String(error));
        assert.equal(error.code, code, error.message);
        assert.match(error.message, text);
        return true;
      });
      assert.equal(index.count, 0);
    };
    for (const format of Object.keys(FORMS) as Exclude<MatrixFormat, 'npy'>[]) {
      const { bytes } = made(format, 5);
      await fails(written(`cut.${format}`, bytes.subarray(0, -1)), 'CORRUPT', new RegExp(`a whole \\.${format} file`));
      await fails(written(`more.${format}`, Buffer.concat([bytes, Buffer.alloc(3)])), 'CORRUPT', /bytes/);
      await fails(written(`short.${format}`, bytes.subarray(0, 6)), 'BAD_ARGUMENT', /received 6 bytes/);
      await fails(written(`none.${format}`, Buffer.alloc(40)), 'BAD_DIMS', /1 to 65536 values/);
      const other = await FunnelIndex.create(':memory:', { dim: DIM + 1 });
      await assert.rejects(importMatrixFile(other, written(`dims.${format}`, bytes)), /rows of 7 values .* received 6/);
      await other.close();
    }
    const { bytes } = made('fvecs', 5);
    bytes.writeInt32LE(DIM + 1, 3 * (4 + 4 * DIM));
    await fails(written('ragged.fvecs', bytes), 'CORRUPT', /its row 3 says 7 dims, row 0 6/);
    bytes.writeInt32LE(DIM, 3 * (4 + 4 * DIM));
    bytes.writeFloatLE(Number.NaN, 4 * (4 + 4 * DIM) + 8);
    await fails(written('nan.fvecs', bytes), 'NOT_FINITE', /dim 1 of row 4/);
    await fails(join(folder, 'no.fbin'), 'BAD_ARGUMENT', /no such file/);
    await fails(folder, 'BAD_ARGUMENT', /a folder or device/, { format: 'fbin' });
    await fails(
      join(folder, 'a.ivecs'),
      'BAD_ARGUMENT',
      /a name that ends in \.npy, \.fbin, .* or format beside it, for path/,
    );
    await fails(join(folder, 'a.fbin'), 'BAD_ARGUMENT', /one of npy, fbin, .* for format/, { format: 'fvec' });
    await index.close();
  });
});

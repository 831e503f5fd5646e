/** HDF5 files as ann-benchmarks and VIBE write them: into an index, as queries, and as the true neighbours of these. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';
import { gunzipSync } from 'node:zlib';
import { FunnelError } from 'funnelvec';
import { File, ready } from 'h5wasm/node';
import { openReader } from '#dist/files/formats/open.js';
import type { Reader } from '#dist/files/formats/reader.js';
import { Random } from '../random.js';
import { refused } from '../refused.js';
import { done, fails } from './command.js';
import { contentsOf, tempFolder } from './files.js';

/**
 * As h5py 3 writes it, gzipped: six rows of four float32 (i / 7 - 1.5) as `train`, `gz` (in compressed chunks of four rows), `f8`
 * (big-endian float64), `f2` (float16) and `meta/deep`; the last two, the last first, as `test`; `u1` (uint8: 9 i mod 256) and `b` (train
 * above 0, as bool); `ids` (x0 to x5), `year` (1990 to 1995), `big` (2^60 + i); `neighbors` of `test` under euclid; `cube`, `scalar`.
 */
const H5PY =
  'H4sIAEn0DGsC/+1bXWgcVRS+M5tNJj8lGxEbG2O3ugsRKuSvNW1+JsFuzUC1sW0gWAnZ7E6yC7vbkN3oxqAWBG3ewoJYKYTUBxW1EoNmqzbZfbFWI/7koaj70BQLxYcWgjZUUerM3HMnO7fZiYnbdk3vB8uZc+65Z+6cOWfuzD17R9v37N1UtKUIqRAElIdsKB03ANXNRp609wDlgB4D+i5P5FatrRzkNrB/vADzPpAfOuByIcTr9unzVOdhSuy0bzP2Z9jYaHe1dah0EvgxEm9bSZxxhjgrgzhL7sD8wmPrOy+JXxLgHKrClMeCfNCD8LyJtygjUjXL7FtBZkebBbT5ZWi3IkFr53lsUIArsHDKoSHDCKJ39D4cfGr/Hg4VoAbgfZXm+gNAJ+vN9Y4Svd3meh1AG+zmelUkbirM9YiZhi3meiSujuVnx4+rxRVPxRGftbjqEYxXnhtxxSmZc1vyzIINFisRzGn2iX8F7QkS9g319QVk3S4Hcq/cF3BHluW6P3kLmTHz0n5qRP0nf5B58vsm41OgBLXDuArRvcoovP5wxB3yyKTf/Ryn9bTprhQM83Oh8pt4GB/jKTiZSE2fSsSDJxIxx6hyHFSolJBijoTSmAilpmfjwcOzTik2o/yaleMWRdaitImKjqjoikofhY6Kig3l+JSo2BSd0rzSfukmntaPdntOz7w4f0UaLxlOdXbGL9dEawNznT+9XTt68bkP3+m/GnxVKjj/7dVvrh1y/3hfs//A7zvzX/+7Y/LIhe7DjY0jI2isqfLZaPeJyMj8UqrkvfGSjompJ53PV7xy2VF+oS4eXvrZ8sZ48vpSB/rFgioHNi0mruOLT1ybTqlOTfwWnF5Q6aIj1qrSKyD/FfhLMUlNlcQC9DufCiZVOgf9piTHhOoNQkEugp4I/USwI4JdEc4jwnlFGIcI4xJhnOKfYPcv3B/NhmZSZ6Qzoc+lz5yfotPxT1JTsQ9i21O18R2owblL2h1qlJpSTaFm1BJrcYqo8J4Kx6M7xfann/EEhl56bezNt97/eObsd+m5lw4rRLAFqBWOM4FPC6h8irdSfB7FcxTPU7x63rPwovgl0HNAvwL6NdC5AmP+QMDbIL9tcA02yE6bleTZLU6A7DwehVb2CsjAwJBlqN/d3Arf3a5V+h2Ft8jt1HsYjS8EI5+XgTIwMDAwMDAwMOQ2srYuvk2EFapWVF+M6m9YyNJBpvXLRXijTFIjim4Mf9hLYa3XhoqsqKgUreaPjwqxRvUG84dN60qvY2b2w0XwQzn9pbJB8qUK17d4bMImLPtlb9u+gy7tW67TBcZN/PRHBj/5csofvH7daEVejw8B6ev95vFRVpTL8UEQGXT7QyqVwxGV738By/ugnNBXi+lQDaa90C8k+/t9vUcGw8CTugDh/V58NCy7B7V+/n6ND8oRt0o9Q71aDSHscQdUDVIvsN+y+7fe+tUjGe5jLtRFBb1OM/aQuT4Z7Tn9fxIwq1H16lai/6C5PfK/i2SjuR75d0fUaq5Hlm3sFnM9Mut0PWCuR54uE3VrfS7g+8xxxudkPhVHmepey3GEqDhqgzjqyeDJ3MATj+/fx6XdOI7Kp2idkdfl9SvnX3SHcV7R5bUk7yh5jdHfuhxuPKm6wKSC5CFPwO+V3SEqjohdrxwKy2nXV1XK3qUZGBgYGBgYGBgYGBgYGNa+HrK8LkrqKvj7O9N62klYB6HrB2N3qT9++F/5A++b4jLum/LtwlRgqXRXguyb6gJe391HbU/wyvJAWlrBLoNs5unt2jfFFWONHmpEuVAf0Dd1oa4GFpvZiSvsSM5irDv9W7ocZ2v9H4Ib4qyVGuGdrqMa9/us//pOFq88cxzP6fgg+z7pfcglcJ9Uf6n7piLDA1oZYrX9UmrdgmxHUVv+AaMLKr0wPQAA';

/** By h5py 3 and hdf5plugin: 64 rows of eight zeros as `train`, compressed by Zstandard, and `kind`, a compound of one int32. */
const ZSTD =
  'H4sIAAAAAAACA+2YP0/CQBTA37UQG4wBYiLGxY5M3MSiCyaALCpBBzf50wKNQBtaFhPjit/EL+DO6GjixzEG73p3lTZGjYMDvt/y+vrevXf3cndp332jWt/K7GWAYxiQghysspQ878Z1ZW9LSaScS/mgqfcktMnhkJfxk34XrVqNey8TqDyVlJAGIP+RRu2oyeWl1NV+etLifsG040yYvHYm1uq+rPwyL4F0GCNHlF4UUiOxuEYij9J1NlPumTf3QWxhEwoGFO6kPc08uV3TRcBNdjL4A5H5srdeeILYMS2bN35gmX1nFNjTQ9O3bXMYBJ5/QOnACYazbqnnjilzPJ66M48OrX75yhvNBs7Ep92R26Xjjs9GUsvt+bRlDxyu2VY9jNcUjqWxpeat1iEqrWv6PP2xRL68cDnnp2dVAlp0aywKX9dT1cXUcU+vwu8/8sn9t/3NuEU2rif3XwpLiyAIgiAIslYUH+lbGzZOgH+BE3hdsj8IBEEQBEHWG9WfhKg/Kfp1hMT7k0rq7IlbdojoDXV+mCdnQNS/5ER9S030LaM+IXnJRlOL0f6TerwDHqzBZtAYAAA=';

const { path, write } = tempFolder();
const file = write('h5py.hdf5', gunzipSync(Buffer.from(H5PY, 'base64')));
const rows = Array.from({ length: 6 }, (_, r) => Float32Array.from({ length: 4 }, (_, c) => (4 * r + c) / 7 - 1.5));
const float32s = rows.map((row) => Array.from(row));
let made = 0;
const into = (from: string, ...more: string[]) => {
  const to = path(`index-${made++}`);
  return { to, line: ['ingest', from, '--to', to, ...more] };
};

async function ingested(from: string, ...more: string[]) {
  const { to, line } = into(from, ...more);
  await done(line);
  return contentsOf(to);
}
const vectorsOf = async (...line: [string, ...string[]]) => (await ingested(...line)).map(({ vector }) => vector);

describe('an HDF5 file of h5py', () => {
  it('gives the rows of its data set train, with columns of as many rows beside them', async () => {
    const all = await ingested(file, '--metric', 'euclid');
    assert.deepEqual(
      all,
      float32s.map((vector, i) => {
        return { id: i, vector, payload: { ids: `x${i}`, year: 1990 + i, big: 2n ** 60n + BigInt(i) } };
      }),
    );
    const some = await ingested(file, '--id', 'ids', '--payload', 'year', '--metric', 'euclid');
    assert.deepEqual(some[5], { id: 'x5', vector: float32s[5], payload: { year: 1995 } });
  });

  it('gives the same bits out of compressed chunks and float64; bytes and bools as --vector-type says', async () => {
    const plain = ['--metric', 'euclid', '--no-payload'];
    for (const name of ['gz']) assert.deepEqual(await vectorsOf(file, '--vector', name, ...plain), float32s);
    assert.deepEqual(await vectorsOf(file, '--vector', 'f8', ...plain), float32s);
    const bytes = Array.from({ length: 6 }, (_, r) => Array.from({ length: 4 }, (_, c) => ((4 * r + c) * 9) % 256));
    assert.deepEqual(await vectorsOf(file, '--vector', 'u1', '--vector-type', 'numbers', ...plain), bytes);
    assert.deepEqual(
      await vectorsOf(file, '--vector', 'b', '--vector-type', 'bits', ...plain),
      float32s.map((row) => row.map((x) => (x > 0 ? 1 : -1))),
    );
    const packed = (await vectorsOf(file, '--vector', 'u1', '--vector-type', 'bits', ...plain))[1]!;
    assert.deepEqual(
      packed.slice(0, 8),
      [36].flatMap((byte) => [7, 6, 5, 4, 3, 2, 1, 0].map((bit) => ((byte >> bit) & 1 ? 1 : -1))),
    );
  });

  it('has queries and their true neighbours', async () => {
    const { to, line } = into(file, '--metric', 'euclid');
    await done(line);
    const bench = (...more: string[]) => ['bench', '--store', to, '--queries', file, '--limit', '3', '--json', ...more];
    const { json } = await done(bench('--truth', file));
    assert.deepEqual([json.queries, json.modes[0].recall], [2, 1]);
    await fails(
      1,
      /neighbours of 6 queries for .* but received those of 2/,
      bench('--vector', 'train', '--truth', file),
    );
    await fails(1, /at least 4 neighbours a query/, [...bench('--truth', file), '--limit', '4']);
  });

  it('is refused by name for what it does not have, or is not read', async () => {
    const refused = (message: RegExp, ...more: string[]) => fails(1, message, into(file, ...more).line);
    await refused(
      /float32, float64, integers or text .* for "f2" in .* but received list of half float/,
      '--vector',
      'f2',
    );
    await refused(/Expected --vector-type .* for "u1" .* list of uint8/, '--vector', 'u1');
    await refused(/a list of numbers, or bytes for "year"/, '--vector', 'year');
    await refused(/a column "cube" in .* but it has "b"/, '--vector', 'cube');
    await refused(/as many rows as "train" has, 6, for "test" in .* but received 2/, '--payload', 'test');
    const other = write('others.h5', await written({ vectors: rows, counts: [[1, 2]] }));
    await fails(
      1,
      /--vector with the data set of vectors \(usually "train"\) for .*, which has "counts", "vectors"/,
      into(other).line,
    );
    const truth = (from: string) => ['bench', '--store', into(from).to, '--queries', file, '--truth', other];
    const { to, line } = into(file, '--metric', 'euclid');
    await done(line);
    await fails(1, /a data set "neighbors" of lists of integers for .*others\.h5 but received data sets "counts"/, [
      ...truth(file).slice(0, 2),
      to,
      ...truth(file).slice(3),
    ]);
    await fails(1, /no such file/, into(path('none.h5')).line);
    await fails(
      1,
      /a file of another format: --format hdf5/,
      into(write('h.npy', gunzipSync(Buffer.from(H5PY, 'base64')))).line,
    );
  });
});

const firstOf = (reader: Reader) => reader.read(0)[Symbol.asyncIterator]().next();

it('a filter and types that are not read are unsupported, not damaged, and named', async () => {
  const other = write('zstd.h5', gunzipSync(Buffer.from(ZSTD, 'base64')));
  const reader = await openReader(other, 'hdf5');
  reader.vector = 'train';
  await assert.rejects(firstOf(reader), refused('UNSUPPORTED', /h5repack .* for .*zstd\.h5 but received another/));
  reader.only = ['kind', 'train'];
  await assert.rejects(firstOf(reader), refused('UNSUPPORTED', /for "kind" in .* but received compound values/));
  await reader.close();
});

/** A file of the package's own, by data sets. */
async function written(sets: Record<string, readonly (Float32Array | number[])[]>): Promise<Uint8Array> {
  await ready;
  const to = path(`written-${made++}.h5`);
  const h5 = new File(to, 'w');
  for (const [name, list] of Object.entries(sets)) {
    const shape = [list.length, list[0]!.length];
    const data =
      list[0] instanceof Float32Array
        ? Float32Array.from(list.flatMap((row) => Array.from(row)))
        : Int32Array.from(list.flat() as number[]);
    const chunks = list.length > 100 ? [97, Math.min(3, shape[1]!)] : null;
    h5.create_dataset({ name, data, shape, chunks, ...(chunks && { compression: 'gzip' }) });
  }
  h5.close();
  const { readFileSync } = await import('node:fs');
  return readFileSync(to);
}

describe('an HDF5 file', () => {
  it('is read from any row on, and gone on with where a broken row ended it', async () => {
    const random = new Random(9);
    const many = Array.from({ length: 1000 }, () => random.vector(7));
    const large = write('large.h5', await written({ train: many }));
    for (const from of [0, 1, 96, 97, 500, 999, 1000]) {
      const reader = await openReader(large, 'hdf5');
      reader.vector = 'train';
      const found: number[][] = [];
      for await (const { rows } of reader.read(from)) {
        for (const { number, values } of rows) {
          assert.equal(number, from + found.length);
          found.push(Array.from(values!['train'] as Float32Array));
        }
      }
      await reader.close();
      assert.deepEqual(
        found,
        many.slice(from).map((row) => Array.from(row)),
      );
    }
    const broken = many.map((row, i) => (i === 700 ? row.map(() => Number.NaN) : row));
    const { to, line } = into(write('broken.h5', await written({ train: broken })), '--batch', '64');
    await fails(1, /a finite float32 for dim 0 of "train" in row 700 of/, line);
    assert.ok((await contentsOf(to)).length > 0);
    const { json } = await done([...line, '--skip-broken', '--json']);
    assert.ok(json.resumedAt > 0);
    assert.equal((await contentsOf(to)).length, 999);
  });

  it('with links is read by what they lead to, and is told where these have no end', async () => {
    await ready;
    const linked = async (name: string, link: (h5: File) => void) => {
      const h5 = new File(path(name), 'w');
      h5.create_group('g');
      h5.create_dataset({ name: 'g/train', data: Float32Array.of(1, 2, 3, 4), shape: [1, 4] });
      link(h5);
      h5.close();
      const reader = await openReader(path(name), 'hdf5');
      await reader.close();
      return reader.columns;
    };
    const soft = await linked('soft.h5', (h5) => {
      for (const name of ['up', 'g/up', 'g/again', 'g/more']) h5.create_soft_link('/', name);
      h5.create_soft_link('/g/train', 'train');
      h5.create_soft_link('/none', 'g/none');
    });
    assert.deepEqual([...soft!].sort(), ['g/train', 'train']);
    const endless = linked('hard.h5', (h5) => {
      for (const name of ['a', 'b', 'c', 'd', 'e']) h5.create_hard_link('/', `/g/${name}`);
    });
    await assert.rejects(endless, { code: 'UNSUPPORTED', message: /linked within themselves/ });
  });

  it('that is cut off or damaged is told, in a process that goes on', async () => {
    const whole = gunzipSync(Buffer.from(H5PY, 'base64'));
    const random = new Random(10);
    for (const length of [3, 100, 4000, whole.length - 500]) {
      const cut = write('cut.h5', whole.subarray(0, length));
      await assert.rejects(
        openReader(cut, 'hdf5'),
        (error) => error instanceof FunnelError && error.code === 'CORRUPT',
      );
    }
    await fails(
      1,
      /whole HDF5 file for .*text\.h5 but received file signature not found/,
      into(write('text.h5', 'id,v\n'.repeat(99))).line,
    );
    // Damage may break the package's memory, so each has a thread of its own.
    const ends = Array.from({ length: 8 }, async (_, i) => {
      const bytes = Buffer.from(whole);
      for (let n = 0; n < 12; n++) bytes[random.int(8, bytes.length - 1)]! ^= 1 << random.int(0, 7);
      const worker = new Worker(new URL('./hdf5-damage.js', import.meta.url), {
        workerData: write(`damaged-${i}.h5`, bytes),
      });
      const [code] = await new Promise<[string]>((resolve, reject) => {
        worker.once('message', (message) => resolve([message]));
        worker.once('error', reject);
      });
      assert.match(code, /^(read|CORRUPT|UNSUPPORTED|BAD_ARGUMENT)$/);
    });
    await Promise.all(ends);
  });
});

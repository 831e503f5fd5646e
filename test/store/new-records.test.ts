/** Records that are written go into memory as they are: nobody reads them back from the file of rows. */
import assert from 'node:assert/strict';
import fs, { mkdtempSync, rmSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { FunnelIndex } from 'funnelvec/store';
import { atOnce, doneWork } from '#dist/core/slices.js';
import { IndexFiles } from '#dist/store/files/index-files.js';
import { LiveImages } from '#dist/store/live-images.js';
import { partsOf } from '#dist/store/parts.js';
import { Random, SEED } from '../random.js';

const DIM = 32;
const folder = mkdtempSync(join(tmpdir(), 'funnelvec-records-'));
after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

/** Bytes that are read in one go meanwhile: of rows, where they are many. */
async function readDuring(run: () => Promise<unknown>): Promise<number> {
  const { readSync } = fs;
  let bytes = 0;
  const counted = (...args: Parameters<typeof readSync>) => {
    const got = readSync(...args);
    bytes += got;
    return got;
  };
  fs.readSync = counted as typeof readSync;
  syncBuiltinESMExports();
  try {
    await run();
  } finally {
    fs.readSync = readSync;
    syncBuiltinESMExports();
  }
  return bytes;
}

describe('records of new rows', () => {
  it('are not read back, in a new file or in one that outgrows its memory, and answer as they are', async () => {
    const random = new Random(SEED);
    const index: FunnelIndex = await FunnelIndex.create(join(folder, 'index'), { dim: DIM, autoOptimize: false });
    const all: Float32Array[] = [];
    for (const count of [3000, 20_000, 1, 5000]) {
      const vectors = random.vector(count * DIM);
      const from = all.reduce((sum, part) => sum + part.length / DIM, 0);
      all.push(vectors);
      const ids = Array.from({ length: count }, (_, i) => from + i);
      const read = await readDuring(() => index.upsert({ ids, vectors }));
      assert.ok(read < 4 * DIM * 1000, `${read} bytes were read when ${count} rows were written`);
    }
    assert.equal(index.stats().resident.rows, index.count * (4 * DIM + 4));
    for (const [part, from] of [
      [0, 0],
      [1, 3000],
      [3, 23_001],
    ] as const) {
      const vector = all[part]!.slice(DIM * 7, DIM * 8);
      assert.equal((await index.query({ vector, limit: 1, mode: 'exact' })).hits[0]!.id, from + 7);
    }
    await index.close();
    const again = await FunnelIndex.open(join(folder, 'index'));
    assert.deepEqual((await again.get([3100]))[0]!.vector, all[1]!.slice(100 * DIM, 101 * DIM));
    await again.close();
  });

  it('are not read back where the rows in memory change while they are written, nor where they fill a file', async () => {
    const few = 8;
    const stride = 4 * few + 4;
    const files = await IndexFiles.create(
      join(folder, 'meanwhile'),
      { dim: few, metric: 'dot', precision: 'float32', options: {} },
      { maxFileBytes: 250_000 * stride },
    );
    const images = new LiveImages(files, 2 ** 30, () => 0);
    const follow = () => {
      const leased = files.leaseRowFiles();
      images.follow(leased.files, false, false);
      leased.release();
    };
    files.onChange(follow, () => doneWork(undefined));
    const random = new Random(SEED);
    const all: Float32Array[] = [];
    let isWriting = true;
    let follows = 0;
    const meanwhile = (async () => {
      for (; isWriting; follows++) {
        follow();
        await new Promise(setImmediate);
      }
    })();
    let first = 0;
    try {
      for (const count of [40_000, 20_000, 100_000, 180_000]) {
        const rows = random.vector(count * few);
        all.push(rows);
        const ids = Array.from({ length: count }, (_, i) => first + i);
        const read = await readDuring(() => files.append({ ids, rows }));
        assert.ok(read < 1000 * stride, `${read} bytes were read when ${count} rows were written`);
        first += count;
      }
    } finally {
      isWriting = false;
      await meanwhile;
    }
    assert.ok(follows > 10, `${follows} other changes`);
    assert.equal(images.all.length, 2);
    assert.equal(images.resident, first * stride);
    const held = images.all.flatMap(({ records, count, stride }) =>
      Array.from(
        { length: count },
        (_, i) => new Float32Array(records!.slice(i * stride, i * stride + 4 * few).buffer),
      ),
    );
    const written = all.flatMap((rows) => Array.from({ length: rows.length / few }, (_, i) => ({ rows, i })));
    for (const at of [0, 39_999, 40_000, 99_999, 100_000, 159_999, 160_000, 249_999, 250_000, 339_999]) {
      const { rows, i } = written[at]!;
      assert.deepEqual(held[at], rows.slice(i * few, (i + 1) * few));
    }
    await files.close();
  });

  it('stay on disk beyond the limit of memory', async () => {
    const random = new Random(SEED);
    const rows = { ids: Array.from({ length: 5000 }, (_, i) => i), vectors: random.vector(5000 * DIM) };
    const index = await FunnelIndex.create(join(folder, 'small'), { dim: DIM, memory: 100_000, autoOptimize: false });
    await index.upsert(rows);
    assert.ok(index.stats().resident.rows <= 100_000);
    const vector = rows.vectors.slice(DIM * 4000, DIM * 4001);
    assert.equal((await index.query({ vector, limit: 1, mode: 'exact' })).hits[0]!.id, 4000);
    await index.close();
  });

  it('come to a reader beside its queries where a whole file of them is new: one that was compacted', async () => {
    const random = new Random(SEED);
    const path = join(folder, 'followed');
    const writer = await FunnelIndex.create(path, { dim: DIM, metric: 'dot', autoOptimize: false });
    const count = Math.ceil((8 << 20) / (4 * DIM));
    const vectors = random.vector(count * DIM);
    await writer.upsert({ ids: Array.from({ length: count }, (_, i) => i), vectors });
    const reader = await FunnelIndex.open(path, { readOnly: true });
    const vector = vectors.slice(DIM, 2 * DIM);
    const find = () => reader.querySync({ vector, limit: 5, mode: 'exact' }).hits;
    const isThere = () => partsOf(reader).live.images.every(({ records }) => records !== undefined);
    while (!isThere()) await new Promise(setImmediate);
    await writer.delete(Array.from({ length: count / 4 }, (_, i) => 4 * i));
    await writer.optimize();
    const wanted = writer.querySync({ vector, limit: 5, mode: 'exact' }).hits;
    assert.deepEqual(find(), wanted);
    assert.equal(isThere(), false); // all in one go it would be
    while (!isThere()) {
      assert.deepEqual(find(), wanted);
      await new Promise(setImmediate);
    }
    assert.deepEqual(find(), wanted);
    // A commit in which no row dies leaves the rest as it is, and the next one in which some do does not.
    await writer.delete([wanted[0]!.id]);
    assert.deepEqual(
      find().map(({ id }) => id),
      writer.querySync({ vector, limit: 5, mode: 'exact' }).hits.map(({ id }) => id),
    );
    await reader.close();
    await writer.close();
  });

  it('take no more memory than is allowed, where one write fills many files and where a build begins meanwhile', async () => {
    const stride = 4 * DIM + 4;
    const count = 20_000;
    const rows = { ids: Array.from({ length: count }, (_, i) => i), rows: new Float32Array(count * DIM) };
    for (const [name, perFile, memory, left] of [
      ['many', 2000, 2500 * stride, 2500 * stride],
      ['begun', count, count * stride, 0.1 * count * stride],
    ] as const) {
      const config = { dim: DIM, metric: 'dot', precision: 'float32', options: {} } as const;
      const files = await IndexFiles.create(join(folder, name), config, { maxFileBytes: perFile * stride + 100 });
      const images = new LiveImages(files, memory, () => 0);
      const follow = () => {
        const leased = files.leaseRowFiles();
        images.follow(leased.files, false, false);
        leased.release();
      };
      files.onChange(follow, () => doneWork(undefined));
      const given = new Set<ArrayBufferLike>();
      files.reading((core) => {
        const { roomFor } = core;
        core.roomFor = function* (path, part) {
          const records = yield* roomFor(path, part);
          if (records !== undefined) given.add(records.buffer);
          images.expectedCodes = memory - left; // a build
          follow();
          return records;
        };
      });
      await files.append(rows);
      const bytes = (buffers: Iterable<ArrayBufferLike>) => [...buffers].reduce((sum, one) => sum + one.byteLength, 0);
      assert.ok(bytes(given) <= memory, `${name}: ${bytes(given)} bytes for a write`);
      const held = new Set(images.all.flatMap(({ records }) => (records === undefined ? [] : [records.buffer])));
      assert.ok(bytes(held) <= 1.1 * left, `${name}: ${bytes(held)} bytes stay`);
      await files.close();
    }
  });

  it('leave memory where less of it is allowed, and are put into none that nobody reads', async () => {
    const files = await IndexFiles.create(join(folder, 'less'), {
      dim: DIM,
      metric: 'dot',
      precision: 'float32',
      options: {},
    });
    const stride = 4 * DIM + 4;
    const images = new LiveImages(files, 10_000 * stride, () => 0);
    const follow = () => {
      const leased = files.leaseRowFiles();
      images.follow(leased.files, false, false);
      leased.release();
    };
    files.onChange(follow, () => doneWork(undefined));
    const append = (from: number, count: number) =>
      files.append({ ids: Array.from({ length: count }, (_, i) => from + i), rows: new Float32Array(count * DIM) });
    const bytes = () => images.all.reduce((sum, { records }) => sum + (records?.buffer.byteLength ?? 0), 0);
    await append(0, 1000);
    await append(1000, 500);
    assert.equal(bytes(), 3000 * stride); // as it grew
    Object.assign(images, { memory: 1000 * stride });
    follow();
    assert.ok(bytes() > 0 && bytes() <= 1100 * stride, `${bytes()} bytes`);
    Object.assign(images, { memory: 10_000 * stride });
    await append(1500, 500);
    assert.equal(images.resident, 2000 * stride);
    Object.assign(images, { memory: 0 });
    follow();
    assert.equal(bytes(), 0);
    const { path } = images.all[0]!;
    const room = files.reading(({ roomFor }) => atOnce(roomFor(path, { from: 2000, count: 10, coming: 10, stride })));
    assert.equal(room, undefined);
    await files.close();
  });
});

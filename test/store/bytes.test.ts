/** An index as bytes: toBytes() of any, fromBytes() in memory. The same answers, and errors for what was damaged. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { FunnelError } from '#dist/core/errors.js';
import { FunnelIndex } from '#dist/store/index.js';
import { Random } from '../random.js';

const DIM = 24;
const random = new Random(7);
const vectorOf = () => Array.from({ length: DIM }, () => random.next() * 2 - 1);
const POINTS = Array.from({ length: 900 }, (_, i) => ({
  id: i,
  vector: vectorOf(),
  payload: {
    half: i % 2,
    name: `name ${i}`,
    at: new Date(i),
    bytes: Uint8Array.of(i & 255),
    big: 2n ** 63n + BigInt(i),
  },
}));
const QUERIES = Array.from({ length: 6 }, vectorOf);

async function answersOf(index: FunnelIndex) {
  const filter = { must: [{ key: 'half', match: { value: 1 } }] };
  const answers: unknown[] = [index.count, index.dim, index.metric, index.idKind];
  for (const vector of QUERIES) {
    for (const mode of ['exact', 'funnel'] as const) {
      for (const more of [{}, { filter }]) {
        const { hits, stats } = await index.query({ vector, limit: 7, mode, withPayload: true, ...more });
        answers.push(hits, stats.certified);
      }
    }
  }
  answers.push(await index.get([1, 5, 898, 899, 12345]), await index.facet({ key: 'half' }));
  const { positions, coded, uncoded, dead, lists, head, rotation, payloadIndexes, agreement } = index.stats();
  answers.push({ positions, coded, uncoded, dead, lists, head, rotation, agreement });
  answers.push(payloadIndexes.map(({ key, type }) => [key, type]));
  return answers;
}

async function fill(index: FunnelIndex): Promise<void> {
  await index.upsert(POINTS.slice(0, 800));
  await index.createPayloadIndex('half', 'integer');
  await index.optimize();
  await index.upsert(POINTS.slice(800));
  await index.delete([1, 700, 899]);
}

describe('an index as bytes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'funnelvec-bytes-'));
  let bytes: Uint8Array;

  before(async () => {
    const index = await FunnelIndex.create(join(folder, 'small'), { dim: DIM, autoOptimize: false });
    await fill(index);
    bytes = await index.toBytes();
    await index.close();
  });
  after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

  for (const options of [
    { dim: DIM },
    { dim: DIM, precision: 'float16', metric: 'euclid', lists: 8 },
    { dim: DIM, rotation: 'none', head: 8, metric: 'dot' },
    { dim: DIM, head: 'binary' },
  ] as const) {
    it(`answers as it did, from disk and from memory, with ${JSON.stringify(options)}`, async () => {
      for (const path of [':memory:', join(folder, JSON.stringify(options).replaceAll(/\W/g, ''))]) {
        const index = await FunnelIndex.create(path, { ...options, autoOptimize: false });
        await fill(index);
        const expected = await answersOf(index);
        const copy = await FunnelIndex.fromBytes(await index.toBytes(), { autoOptimize: false });
        assert.deepEqual(await answersOf(copy), expected);
        assert.equal(copy.path, ':memory:');
        const again = await FunnelIndex.fromBytes(await copy.toBytes(), { autoOptimize: false });
        assert.deepEqual(await answersOf(again), expected);
        for (const one of [index, copy, again]) await one.close();
      }
    });
  }

  it('takes writes, builds and compactions, as any in memory', async () => {
    const index = await FunnelIndex.fromBytes(bytes, { autoOptimize: false });
    await index.delete(POINTS.slice(0, 500).map(({ id }) => id));
    await index.upsert([{ id: 5000, vector: POINTS[0]!.vector, payload: { half: 3 } }]);
    await index.optimize();
    const { hits } = await index.query({ vector: POINTS[0]!.vector, limit: 1, mode: 'exact' });
    assert.equal(hits[0]!.id, 5000);
    assert.equal(index.stats().dead.rows, 0);
    const again = await FunnelIndex.fromBytes(await index.toBytes());
    assert.equal(again.count, index.count);
    assert.deepEqual(await again.facet({ key: 'half' }), await index.facet({ key: 'half' }));
    for (const one of [index, again]) await one.close();
  });

  it('is of one moment beside writes of its own process, and of a reader beside its writer', async () => {
    const path = join(folder, 'written');
    const writer = await FunnelIndex.create(path, { dim: DIM });
    await writer.upsert(POINTS.slice(0, 10));
    const reader = await FunnelIndex.open(path, { readOnly: true });
    for (let i = 10; i < 400; i += 30) {
      const [, written, read] = await Promise.all([
        writer.upsert(POINTS.slice(i, i + 30)),
        writer.toBytes(),
        reader.toBytes(),
      ]);
      for (const [some, least] of [
        [written, i + 30],
        [read, i],
      ] as const) {
        const copy = await FunnelIndex.fromBytes(some);
        assert.ok(copy.count === i + 30 || copy.count === least, `${copy.count} rows`);
        const { hits } = await copy.query({
          vector: POINTS[i - 1]!.vector,
          limit: 1,
          mode: 'exact',
          withPayload: true,
        });
        assert.deepEqual([hits[0]!.id, (hits[0]!.payload as { name: string }).name], [i - 1, `name ${i - 1}`]);
        await copy.close();
      }
    }
    assert.equal(reader.count, 400);
    await reader.close();
    await writer.close();
  });

  it('is ended by close(), of a writer and of a reader, and stands in the way of closeSync()', async () => {
    const path = join(folder, 'closed');
    await (await FunnelIndex.create(path, { dim: DIM, autoOptimize: false })).close();
    for (const readOnly of [false, true]) {
      const index = await FunnelIndex.open(path, { readOnly, autoOptimize: false });
      if (!readOnly) await fill(index);
      const asked = index.toBytes();
      assert.throws(() => index.closeSync(), { code: 'NOT_WRITABLE', message: /toBytes\(\)/ });
      await Promise.all([assert.rejects(asked, { code: 'CLOSED', message: /until toBytes\(\) ends/ }), index.close()]);
    }
  });

  it('is refused where a byte of it was changed or cut, or answers as it did', async () => {
    const whole = await FunnelIndex.fromBytes(bytes, { autoOptimize: false });
    const expected = await answersOf(whole);
    await whole.close();
    const failsTyped = async (some: Uint8Array): Promise<boolean> => {
      try {
        const index = await FunnelIndex.fromBytes(some, { autoOptimize: false });
        // Padding between sections means nothing.
        assert.deepEqual(await answersOf(index), expected);
        await index.close();
        return false;
      } catch (error) {
        assert.ok(error instanceof FunnelError, String(error));
        assert.match(error.code, /^(CORRUPT|UNSUPPORTED_FORMAT)$/);
        return true;
      }
    };
    let refused = 0;
    const places = [
      0,
      8,
      12,
      28,
      32,
      60,
      ...Array.from({ length: 60 }, () => Math.floor(random.next() * bytes.length)),
    ];
    for (const at of places) {
      const damaged = bytes.slice();
      damaged[at]! ^= 1 << Math.floor(random.next() * 8);
      if (await failsTyped(damaged)) refused++;
    }
    assert.ok(refused >= 30, `${refused} of ${places.length}`);
    for (const length of [0, 1, 63, 64, 4096, bytes.length >> 1, bytes.length - 1]) {
      assert.ok(await failsTyped(bytes.slice(0, length)), `${length} bytes`);
    }
    assert.ok(await failsTyped(Uint8Array.from([...bytes, 0])));
  });

  it('refuses what is no bytes, and options that it does not have', async () => {
    for (const other of ['bytes', 1, null, undefined, [1, 2], new Float32Array(4)]) {
      await assert.rejects(FunnelIndex.fromBytes(other as never), { code: 'BAD_ARGUMENT' });
    }
    await assert.rejects(FunnelIndex.fromBytes(bytes, { thread: 1 } as never), { code: 'BAD_ARGUMENT' });
    const index = await FunnelIndex.fromBytes(bytes.slice().buffer);
    await index.close();
    await assert.rejects(index.toBytes(), { code: 'CLOSED' });
  });
});

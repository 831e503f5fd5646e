/** A mirror that follows without a key: rounds that compare one number of each vector, and what they cost. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FunnelError, type Metric, type Source } from 'funnelvec';
import { embeddedSource, type FollowOptions, FunnelIndex } from 'funnelvec/store';
import { Random, SEED } from '../random.js';
import { assertSameRows } from './same-rows.js';

const DIM = 24;
const random = new Random(SEED);
const NEVER: FollowOptions = { every: 1e9, rate: Number.POSITIVE_INFINITY };

interface Collection {
  index: FunnelIndex;
  source: Source;
  /** Rows of which vectors were read, and of which ids alone. */
  asked: { vectors: number; ids: number };
  /** Before each page. */
  between: () => Promise<void>;
  write(ids: readonly number[]): Promise<void>;
}

async function collectionOf(count: number, metric: Metric = 'cosine'): Promise<Collection> {
  const index = await FunnelIndex.create(':memory:', { dim: DIM, metric, autoOptimize: false });
  const own = embeddedSource(index);
  const asked = { vectors: 0, ids: 0 };
  const made: Collection = {
    index,
    asked,
    between: async () => {},
    async write(ids) {
      await index.upsert(ids.map((id) => ({ id, vector: random.vector(DIM), payload: { kind: id % 3 } })));
    },
    source: {
      ...own,
      name: own.name,
      info: (options) => own.info(options),
      head: (request) => own.head(request),
      full: (request) => own.full(request),
      fetch(request) {
        asked.vectors += request.ids.length;
        return own.fetch(request);
      },
      async scan(request) {
        await made.between();
        const page = await own.scan(request);
        asked[request.vectors === false ? 'ids' : 'vectors'] += page.rows.ids.length;
        return page;
      },
    },
  };
  await made.write(Array.from({ length: count }, (_, n) => n));
  return made;
}

const mirrorOf = ({ index: { metric } }: Collection, path = ':memory:') =>
  FunnelIndex.create(path, { dim: DIM, metric, autoOptimize: false });

function spent({ asked }: Collection): Collection['asked'] {
  const was = { ...asked };
  Object.assign(asked, { vectors: 0, ids: 0 });
  return was;
}

describe('index.follow() without a key', () => {
  for (const metric of ['cosine', 'dot', 'euclid'] as const) {
    it(`finds other vectors by ${metric}, other payload, new rows and those that are gone, and reads no others`, async () => {
      const collection = await collectionOf(400, metric);
      const mirror = await mirrorOf(collection);
      const follower = mirror.follow(collection.source, { ...NEVER, batch: 64, withPayload: ['kind'] });
      assert.equal((await follower.update()).kind, 'full');
      spent(collection);
      const quiet = await follower.update();
      assert.deepEqual([quiet.kind, quiet.read, quiet.written, quiet.deleted], ['checksums', 400, 0, 0]);
      assert.deepEqual(spent(collection), { vectors: 0, ids: 400 });
      const before = mirror.syncMark!.at;
      await collection.write([1, 2, 399, 400, 401]);
      await collection.index.setPayload([77], { kind: 9 });
      await collection.index.delete([7, 8]);
      const { kind, read, written, deleted } = await follower.update();
      assert.deepEqual([kind, read, written, deleted], ['checksums', 400 + 6, 6, 2]);
      assert.deepEqual(spent(collection), { vectors: 6, ids: 400 });
      await assertSameRows(mirror, collection.index);
      assert.deepEqual((await mirror.get([77]))[0]!.payload, { kind: 9 });
      assert.ok(mirror.syncMark!.at >= before);
      assert.equal(mirror.syncMark!.rows, 400);
      await follower.stop();
      await mirror.close();
      await collection.index.close();
    });
  }

  for (const metric of ['cosine', 'dot', 'euclid'] as const) {
    for (const scale of [1e-3, 1, 1e3]) {
      it(`finds rows of which one dim changed, two changed places, or all changed a little, by ${metric}, times ${scale}`, async () => {
        const collection = await collectionOf(0, metric);
        const rows = Array.from({ length: 300 }, () => random.vector(DIM).map((value) => value * scale));
        const write = () => collection.index.upsert(rows.map((vector, id) => ({ id, vector })));
        await write();
        const mirror = await mirrorOf(collection);
        const follower = mirror.follow(collection.source, NEVER);
        await follower.update();
        await follower.update();
        const changes: [(row: Float32Array, dim: number) => void, number][] = [
          [(row, dim) => row.set([row[dim]! + scale / 2], dim), 285],
          [(row, dim) => row.set([row[dim + 1]!, row[dim]!], dim), 100], // a dim in seven has the weight of the one before
          [(row, dim) => row.set([-row[dim]!], dim), 285],
          [(row) => row.set(row.map((value) => value * (1 + (random.next() - 0.5) * 1e-2))), 285],
        ];
        for (const [n, [change, least]] of changes.entries()) {
          for (const [i, row] of rows.entries()) change(row, i % (DIM - 1));
          await write();
          const { kind, written } = await follower.update();
          assert.equal(kind, 'checksums');
          assert.ok(written >= least, `change ${n}: ${written} of 300 are found at once`);
        }
        await follower.update();
        await follower.update();
        await assertSameRows(mirror, collection.index);
        await follower.stop();
        await mirror.close();
        await collection.index.close();
      });
    }
  }

  it('holds for a mirror of half floats, whose rounding is no change', async () => {
    const collection = await collectionOf(400);
    const mirror = await FunnelIndex.create(':memory:', { dim: DIM, precision: 'float16', autoOptimize: false });
    const follower = mirror.follow(collection.source, { ...NEVER, batch: 64 });
    await follower.update();
    await follower.update();
    spent(collection);
    await collection.write([3, 5]);
    const { kind, written } = await follower.update();
    assert.deepEqual([kind, written], ['checksums', 2]);
    // The round before has learned how far rounding goes.
    const { vectors } = spent(collection);
    assert.ok(vectors < 10, `${vectors} vectors were read`);
    await follower.stop();
    await mirror.close();
    await collection.index.close();
  });

  it('reads all rows where the database cannot score rows by id, or scores them otherwise', async () => {
    const refuses: Source['full'] = async () => {
      throw new FunnelError('UNSUPPORTED', 'no search among ids');
    };
    for (const how of ['refuses', 'scores otherwise'] as const) {
      const collection = await collectionOf(300);
      const { full } = collection.source;
      collection.source.full =
        how === 'refuses'
          ? refuses
          : async (request) => {
              const answer = await full(request);
              return { ...answer, scores: answer.scores.map((score) => 1 - score) };
            };
      const mirror = await mirrorOf(collection);
      const follower = mirror.follow(collection.source, { ...NEVER, batch: 64 });
      await follower.update();
      for (let round = 0; round < 3; round++) {
        await collection.write([round, 50, 300 + round]);
        await collection.index.delete([100 + round]);
        const { kind, written, deleted } = await follower.update();
        assert.equal(kind, how === 'scores otherwise' && round === 0 ? 'checksums' : 'full', how);
        assert.deepEqual([written, deleted], [3, 1], how);
        await assertSameRows(mirror, collection.index);
      }
      await follower.stop();
      await mirror.close();
      await collection.index.close();
    }
  });

  it('reads all rows in a round in which the database refuses, and asks it for scores again in the next one', async () => {
    const collection = await collectionOf(300);
    const { full } = collection.source;
    let refusals = 0;
    collection.source.full = async (request) => {
      if (refusals-- > 0) throw new FunnelError('REFUSED', 'too many segments are being merged');
      return full(request);
    };
    const mirror = await mirrorOf(collection);
    const follower = mirror.follow(collection.source, { ...NEVER, batch: 64 });
    await follower.update();
    for (const kind of ['checksums', 'full', 'checksums', 'full', 'checksums']) {
      refusals = kind === 'full' ? 1 : 0;
      await collection.write([4]);
      const round = await follower.update();
      assert.deepEqual([round.kind, round.written], [kind, 1]);
      await assertSameRows(mirror, collection.index);
    }
    await follower.stop();
    await mirror.close();
    await collection.index.close();
  });

  it('goes on where a round was cut off, and finds what has gone or come before that place meanwhile', async () => {
    const collection = await collectionOf(500);
    const mirror = await mirrorOf(collection);
    const options = { ...NEVER, batch: 50, withPayload: ['kind'] };
    let follower = mirror.follow(collection.source, options);
    await follower.update();
    await collection.write([20, 480]);
    let pages = 0;
    collection.between = async () => {
      if (pages++ === 5) await new Promise((resolve) => setTimeout(resolve, 1050)); // where it is is kept once a second
      if (pages === 8) void follower.stop();
    };
    await assert.rejects(follower.update(), { code: 'ABORTED' });
    await follower.stop();
    const { at } = mirror.syncMark!;
    collection.between = async () => {};
    await collection.index.delete([30]);
    await collection.index.setPayload([10], { kind: 7 }); // stays where it is, before that place
    let scored = 0;
    const { full } = collection.source;
    collection.source.full = (request) => {
      scored += request.limit;
      return full(request);
    };
    follower = mirror.follow(collection.source, options);
    const { kind, written, deleted } = await follower.update();
    assert.deepEqual([kind, written, deleted], ['checksums', 3, 1]);
    assert.deepEqual((await mirror.get([10]))[0]!.payload, { kind: 7 });
    assert.ok(scored >= 150 && scored <= 300, `${scored} rows were scored`);
    await assertSameRows(mirror, collection.index);
    assert.ok(mirror.syncMark!.at > at);
    await follower.update();
    assert.ok(scored > 600, 'a round after it begins at the start');
    await follower.stop();
    await mirror.close();
    await collection.index.close();
  });

  it('loses nothing and invents nothing while rows are written and deleted between its pages', async () => {
    const collection = await collectionOf(300);
    const mirror = await mirrorOf(collection);
    let writes = 0;
    collection.between = async () => {
      if (writes++ >= 60) return;
      const ids = Array.from({ length: random.int(0, 6) }, () => random.int(0, 400));
      if (random.chance(0.7)) await collection.write([...new Set(ids)]);
      else await collection.index.delete(ids);
    };
    let follower = mirror.follow(collection.source, { ...NEVER, batch: 40 });
    for (let round = 0; round < 10; round++) {
      await follower.update();
      if (round % 3 === 2) {
        await follower.stop();
        follower = mirror.follow(collection.source, { ...NEVER, batch: 40 });
      }
    }
    collection.between = async () => {};
    assert.equal((await follower.update()).kind, 'checksums');
    await assertSameRows(mirror, collection.index);
    await follower.stop();
    await mirror.close();
    await collection.index.close();
  });
});

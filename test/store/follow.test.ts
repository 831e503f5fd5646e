/** A mirror that follows its collection: what rounds find and read, failures, stops, and writes under way all the time. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { FunnelError, FunnelSearch, type Source } from 'funnelvec';
import { embeddedSource, type FollowOptions, FunnelIndex } from 'funnelvec/store';
import { Random, SEED } from '../random.js';
import { refused } from '../refused.js';
import { assertSameRows } from './same-rows.js';

const DIM = 8;
const random = new Random(SEED);
const folder = mkdtempSync(join(tmpdir(), 'funnelvec-follow-'));
after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

interface Asked {
  /** Rows of which the vector was read. */
  vectors: number;
  /** Rows of which the id alone was. */
  ids: number;
  scans: number;
}

/** A collection of its own clock: `clock()` is the stamp of the next write. */
class Collection {
  readonly asked: Asked = { vectors: 0, ids: 0, scans: 0 };
  /** Before each page. */
  between: (() => Promise<void>) | undefined;
  /** Calls fail with it. */
  down: FunnelError | undefined;
  clock = 1_700_000_000_000;
  private constructor(
    readonly index: FunnelIndex,
    readonly stamp: (ms: number) => unknown,
  ) {}

  static async of(count: number, stamp: (ms: number) => unknown = (ms) => ms): Promise<Collection> {
    const index = await FunnelIndex.create(':memory:', { dim: DIM, autoOptimize: false });
    const made = new Collection(index, stamp);
    await made.write(Array.from({ length: count }, (_, n) => n));
    return made;
  }

  async write(ids: readonly number[], stamp?: number): Promise<void> {
    const row = (id: number) => {
      const at = this.stamp(stamp ?? this.clock++);
      return { id, vector: random.vector(DIM), payload: { at, kind: id % 3 } };
    };
    await this.index.upsert(ids.map(row));
  }

  get source(): Source {
    const own = embeddedSource(this.index);
    const up = () => {
      if (this.down) throw this.down;
    };
    return {
      ...own,
      name: own.name,
      filtersScans: true,
      info: (options) => own.info(options),
      head: (request) => own.head(request),
      full: (request) => own.full(request),
      count: async (request) => {
        up();
        return own.count!(request);
      },
      fetch: async (request) => {
        up();
        this.asked.vectors += request.ids.length;
        return own.fetch(request);
      },
      scan: async (request) => {
        await this.between?.();
        up();
        const page = await own.scan(request);
        this.asked.scans++;
        this.asked[request.vectors === false ? 'ids' : 'vectors'] += page.rows.ids.length;
        return page;
      },
    };
  }

  since(): Asked {
    const was = { ...this.asked };
    Object.assign(this.asked, { vectors: 0, ids: 0, scans: 0 });
    return was;
  }
}

const mirrorIn = (path = ':memory:') => FunnelIndex.create(path, { dim: DIM, autoOptimize: false });

const NEVER: FollowOptions = { every: 1e9, rate: Number.POSITIVE_INFINITY };

describe('index.follow()', () => {
  it('reads what has changed alone, by stamps that are numbers, large integers or dates', async () => {
    const stamps: [string, (ms: number) => unknown][] = [
      ['milliseconds', (ms) => ms],
      ['nanoseconds', (ms) => BigInt(ms) * 1_000_000n],
      ['a version', (ms) => ms - 1_700_000_000_000],
      ['text', (ms) => new Date(ms).toISOString()],
      ['lists', (ms) => [new Date(ms).toISOString()]],
    ];
    for (const [name, stamp] of stamps) {
      const collection = await Collection.of(500, stamp);
      const mirror = await mirrorIn();
      const follower = mirror.follow(collection.source, { ...NEVER, since: 'at', overlap: 0, batch: 100 });
      const first = await follower.update();
      assert.deepEqual([first.kind, first.written], ['full', 500], name);
      await assertSameRows(mirror, collection.index);
      await follower.update(); // stamps behind the first page are looked at once more
      collection.since();
      assert.deepEqual((await follower.update()).read, 0, name);
      await collection.write([3, 77, 400, 500, 501]);
      const { kind, read, written, deleted } = await follower.update();
      assert.deepEqual([kind, written, deleted], ['changes', 5, 0], name);
      assert.ok(read <= 12, `${name}: ${read} rows were read`);
      assert.equal(collection.since().vectors, 5, name);
      await assertSameRows(mirror, collection.index);
      // Deletions show in the number of rows: ids are compared, vectors stay where they are.
      await collection.index.delete([4, 5, 6]);
      await collection.write([9]);
      const gone = await follower.update();
      assert.deepEqual([gone.kind, gone.written, gone.deleted], ['ids', 1, 3], name);
      assert.equal(collection.since().vectors, 1, name);
      await assertSameRows(mirror, collection.index);
      assert.equal((await follower.update()).kind, 'changes');
      assert.deepEqual(mirror.syncMark!.rows, 499);
      await follower.stop();
      await mirror.close();
      await collection.index.close();
    }
  });

  it('reads no vector twice where a round of changes is cut off, nor where all changes have one stamp', async () => {
    const collection = await Collection.of(1_000);
    const mirror = await mirrorIn();
    const follower = mirror.follow(collection.source, { ...NEVER, since: 'at', overlap: 0, batch: 50 });
    await follower.update();
    await follower.update(); // stamps behind the first page are looked at once more
    const changed = Array.from({ length: 600 }, (_, n) => n);
    await collection.write(changed, collection.clock++);
    collection.since();
    for (let cut = 4; cut <= 8; cut += 4) {
      let pages = 0;
      collection.between = async () => {
        if (++pages > cut) collection.down = new FunnelError('UNREACHABLE', 'cut off');
      };
      await assert.rejects(follower.update(), refused('UNREACHABLE', /cut off/));
      collection.down = undefined;
    }
    collection.between = undefined;
    const { kind, written } = await follower.update();
    assert.equal(kind, 'changes');
    assert.ok(written < changed.length, `${written} were written by the last round`);
    assert.equal(collection.since().vectors, changed.length);
    await assertSameRows(mirror, collection.index);
    await follower.stop();
    await mirror.close();
    await collection.index.close();
  });

  it('reads all rows in each round where full is 0 and nothing says what has changed', async () => {
    const collection = await Collection.of(300);
    const mirror = await mirrorIn();
    const follower = mirror.follow(collection.source, { ...NEVER, full: 0, batch: 64, withPayload: ['kind'] });
    assert.equal((await follower.update()).written, 300);
    await collection.write([1, 2, 300]);
    await collection.index.delete([7]);
    const { kind, read, written, deleted } = await follower.update();
    assert.deepEqual([kind, read, written, deleted], ['full', 300, 3, 1]);
    await assertSameRows(mirror, collection.index);
    assert.deepEqual((await mirror.get([1]))[0]!.payload, { kind: 1 });
    await follower.stop();
    await mirror.close();
    await collection.index.close();
  });

  it('finds rows that are stamped before others and can be read after them, within the overlap', async () => {
    const collection = await Collection.of(200);
    const mirror = await mirrorIn();
    const follower = mirror.follow(collection.source, { ...NEVER, since: 'at', overlap: 60_000 });
    await follower.update();
    const late = collection.clock++;
    await collection.write([1]);
    await follower.update();
    await collection.write([2, 200], late); // a transaction that took its stamp first, and its time
    assert.equal((await follower.update()).written, 2);
    await assertSameRows(mirror, collection.index);
    // One that is later still, and looks like no change by its stamp or by the number of rows, waits for the next full pass.
    await collection.write([5], 1_600_000_000_000);
    assert.equal((await follower.update()).written, 0);
    await follower.stop();
    const thorough = mirror.follow(collection.source, { ...NEVER, since: 'at', full: 0 });
    const { kind, written } = await thorough.update();
    assert.deepEqual([kind, written], ['full', 1]);
    await assertSameRows(mirror, collection.index);
    await thorough.stop();
    await mirror.close();
    await collection.index.close();
  });

  it('loses nothing and invents nothing while rows are written, changed and deleted between its pages', async () => {
    for (const overlap of [0, 60_000]) {
      for (let seed = 0; seed < 3; seed++) {
        const own = new Random(SEED + seed);
        const collection = await Collection.of(300);
        const mirror = await mirrorIn();
        let writes = 0;
        collection.between = async () => {
          if (writes === 80) return;
          const ids = Array.from({ length: own.int(0, 6) }, () => own.int(0, 400));
          if (own.chance(0.7)) await collection.write([...new Set(ids)]);
          else await collection.index.delete(ids);
          writes++;
        };
        const options = {
          every: 0,
          since: 'at',
          overlap,
          batch: 40,
          rate: Number.POSITIVE_INFINITY,
          full: own.int(20, 500),
        };
        let follower = mirror.follow(collection.source, options);
        for (let round = 0; round < 12; round++) {
          await follower.update();
          if (own.chance(0.3)) {
            await follower.stop();
            follower = mirror.follow(collection.source, options);
          }
        }
        collection.between = undefined;
        await follower.update();
        await follower.update();
        assert.equal(follower.stats().failures, 0);
        assert.ok(writes > 12);
        await follower.stop();
        await assertSameRows(mirror, collection.index);
        await mirror.close();
        await collection.index.close();
      }
    }
  });

  it('backs off while the server is down, keeps all rows, and goes on when it is up', async () => {
    const collection = await Collection.of(50);
    const mirror = await mirrorIn();
    const errors: FunnelError[] = [];
    const follower = mirror.follow(collection.source, {
      every: 1,
      since: 'at',
      onError: (error) => void errors.push(error),
    });
    await follower.update();
    collection.down = new FunnelError('UNREACHABLE', 'the line is dead');
    await assert.rejects(follower.update(), /line is dead/);
    await new Promise((resolve) => setTimeout(resolve, 700));
    const { state, failures, error } = follower.stats();
    assert.equal(state, 'backing off');
    assert.equal(error!.code, 'UNREACHABLE');
    assert.ok(failures >= 2 && failures <= 8, `${failures} attempts in 700 ms`);
    assert.equal(errors.length, failures);
    assert.equal(mirror.count, 50);
    collection.down = undefined;
    await collection.write([1, 50]);
    await follower.update();
    assert.equal(follower.stats().failures, 0);
    assert.equal(follower.stats().error, undefined);
    await assertSameRows(mirror, collection.index);
    await follower.stop();
    assert.equal(follower.stats().state, 'stopped');
    await mirror.close();
    await collection.index.close();
  });

  it('ends for good with an error that no second attempt would change', async () => {
    const collection = await Collection.of(20);
    const mirror = await FunnelIndex.create(':memory:', { dim: DIM, metric: 'dot' });
    const follower = mirror.follow(collection.source, NEVER);
    await assert.rejects(follower.done, refused('BAD_ARGUMENT', /metric 'cosine'/));
    assert.equal(follower.stats().state, 'failed');
    await assert.rejects(follower.update(), refused('BAD_ARGUMENT', /metric 'cosine'/));
    mirror.follow(collection.source, NEVER); // another may try
    await mirror.close();
    await collection.index.close();
  });

  it('says so when no row has a stamp to find changes by, and leaves no mark', async () => {
    const collection = await Collection.of(20);
    for (const [since, got] of [
      ['nokey', 'undefined'],
      ['word', '"new"'],
    ] as const) {
      await collection.index.upsert([{ id: 3, vector: random.vector(DIM), payload: { word: 'new' } }]);
      const mirror = await mirrorIn();
      const follower = mirror.follow(collection.source, { ...NEVER, since });
      const why = new RegExp(`a number or a date for "${since}" .* but received ${got}.*leave out since`);
      await assert.rejects(follower.done, refused('BAD_ARGUMENT', why));
      assert.equal(follower.stats().state, 'failed');
      assert.equal(mirror.syncMark, undefined);
      await mirror.close();
    }
    await collection.index.close();
  });

  it('fails, and says so to all who wait, when a callback throws', async () => {
    const collection = await Collection.of(20);
    const broken = () => {
      throw new Error('a broken callback');
    };
    for (const callback of ['onRound', 'onError'] as const) {
      const mirror = await mirrorIn();
      if (callback === 'onError') collection.down = new FunnelError('UNREACHABLE', 'the line is dead');
      const follower = mirror.follow(collection.source, { ...NEVER, [callback]: broken });
      const why = refused('BAD_ARGUMENT', /do not throw: a broken callback/);
      await assert.rejects(follower.done, why);
      const { state, failures, rounds } = follower.stats();
      assert.deepEqual([state, failures, rounds], callback === 'onRound' ? ['failed', 0, 1] : ['failed', 1, 0]);
      await assert.rejects(follower.update(), why);
      await mirror.close();
    }
    await collection.index.close();
  });

  it('fails when its source was closed, and is stopped when its mirror was', async () => {
    const collection = await Collection.of(20);
    const mirror = await mirrorIn();
    const errors: FunnelError[] = [];
    const follower = mirror.follow(collection.source, { ...NEVER, onError: (error) => void errors.push(error) });
    await follower.update();
    await collection.index.close();
    await assert.rejects(follower.update(), { code: 'CLOSED' });
    await assert.rejects(follower.done, { code: 'CLOSED' });
    assert.equal(follower.stats().state, 'failed');
    assert.deepEqual(
      errors.map(({ code }) => code),
      ['CLOSED'],
    );
    await mirror.close();
  });

  it('stops in the middle of a pass, by stop(), a signal or close(), and another goes on from there', async () => {
    const collection = await Collection.of(500);
    const path = join(folder, 'cut');
    let mirror = await mirrorIn(path);
    const ends = [
      (follower: { stop(): Promise<void> }) => follower.stop(),
      (_: unknown, controller: AbortController) => controller.abort(),
      () => mirror.close(),
    ];
    for (const [i, end] of ends.entries()) {
      const controller = new AbortController();
      const { source } = collection;
      let pages = 0;
      collection.between = async () => {
        if (pages++ === 1) void end(follower, controller);
      };
      const follower = mirror.follow(source, { ...NEVER, batch: 50, since: 'at', signal: controller.signal });
      await follower.done;
      assert.equal(follower.stats().state, 'stopped');
      if (i < 2) assert.ok(mirror.count > 0 && mirror.count < 500, `${mirror.count}`);
      await assert.rejects(follower.update(), { code: 'ABORTED' });
    }
    await mirror.close();
    mirror = await FunnelIndex.open(path);
    collection.between = undefined;
    collection.since();
    const follower = mirror.follow(collection.source, { ...NEVER, batch: 50, since: 'at' });
    await follower.update();
    assert.ok(collection.since().vectors < 500, 'all vectors were read again');
    await assertSameRows(mirror, collection.index);
    await follower.stop();
    await mirror.close();
    await collection.index.close();
  });

  it('asks for so many rows in a second, at most', async () => {
    const collection = await Collection.of(600);
    const mirror = await mirrorIn();
    const began = performance.now();
    const follower = mirror.follow(collection.source, { every: 1e9, rate: 1000, batch: 100 });
    await follower.update();
    const { read } = await follower.update();
    assert.equal(read, 600);
    const ms = performance.now() - began;
    // 1,200 rows; the first second's may come at once.
    assert.ok(ms >= 150, `${ms} ms`);
    await follower.update();
    assert.ok(performance.now() - began >= 750);
    await follower.stop();
    await mirror.close();
    await collection.index.close();
  });

  it('is seen by readers, each round whole, with the age of the mirror', async () => {
    const collection = await Collection.of(100);
    const path = join(folder, 'readers');
    const mirror = await mirrorIn(path);
    const reader = await FunnelIndex.open(path, { readOnly: true });
    const { source } = collection;
    const search = new FunnelSearch({ source, mirror: reader, search: 'mirror', maxAge: 60_000, fallback: 'fail' });
    const vector = random.vector(DIM);
    await assert.rejects(search.query({ vector }), refused('STALE', /nobody knows its age/));
    assert.throws(() => reader.follow(source), refused('NOT_WRITABLE', /opened for writing/));
    const follower = mirror.follow(source, { ...NEVER, since: 'at' });
    await follower.update();
    await collection.index.upsert([{ id: 1000, vector, payload: { at: collection.clock++ } }]);
    await follower.update();
    const { hits, stats } = await search.query({ vector, mode: 'exact', limit: 1 });
    assert.equal(hits[0]!.id, 1000);
    assert.equal(stats.mirror!.mark!.at, mirror.syncMark!.at);
    assert.ok(stats.mirror!.age! < 60_000);
    assert.deepEqual(follower.stats().mark, reader.syncMark);
    await follower.stop();
    await reader.close();
    await mirror.close();
    await collection.index.close();
  });

  it('refuses what it cannot do, before any work', async () => {
    const collection = await Collection.of(3);
    const mirror = await mirrorIn();
    const { source } = collection;
    const bad: [FollowOptions | object, RegExp][] = [
      [{ evry: 5 }, /evry/],
      [{ every: -1 }, /milliseconds, 0 or more, for every/],
      [{ full: -5 }, /milliseconds, 0 or more, for full/],
      [{ overlap: 5 }, /nothing without since for overlap/],
      [{ rate: 0 }, /rate/],
      [{ batch: 0 }, /batch/],
      [{ since: 'a[' }, /a path .* for since/],
      [{ since: 'at', withPayload: { exclude: ['at'] } }, /withPayload to leave "at"/],
      [{ onRound: 5 }, /a function for onRound/],
      [{ signal: 5 }, /an AbortSignal for signal/],
      [{ timeout: -5 }, /a positive number of milliseconds for timeout/],
    ];
    for (const [options, why] of bad) assert.throws(() => mirror.follow(source, options), refused('BAD_ARGUMENT', why));
    assert.throws(() => mirror.follow(null as never), refused('BAD_ARGUMENT', /scan/));
    const plain = { ...source, filtersScans: false };
    assert.throws(() => mirror.follow(plain, { since: 'at' }), refused('UNSUPPORTED', /takes no filter: leave it out/));
    const follower = mirror.follow(source, NEVER);
    assert.throws(() => mirror.follow(source, NEVER), refused('BAD_ARGUMENT', /one follow\(\) of an index at a time/));
    await follower.stop();
    await mirror.close();
    assert.throws(() => mirror.follow(source), { code: 'CLOSED' });
    await collection.index.close();
  });
});

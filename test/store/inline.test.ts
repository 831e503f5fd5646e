/** Which searches stay on the calling thread. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import { FunnelIndex } from 'funnelvec/store';
import { othersTurn, overdue } from '#dist/core/turns.js';
import type { CheckedFilter } from '#dist/store/filters.js';
import { InlineSearches, ShortSearches } from '#dist/store/inline.js';
import type { OpenIndex } from '#dist/store/open-index.js';
import { partsOf } from '#dist/store/parts.js';
import type { CheckedQuery } from '#dist/store/request.js';
import { Random, SEED } from '../random.js';

const query = (request: object = {}) =>
  ({ request: { mode: 'funnel', k: 10, ...request }, filter: undefined }) as unknown as CheckedQuery;

const rows = (values: number) => ({ values });

const isShort = (inline: InlineSearches, ...search: Parameters<InlineSearches['shortTime']>) =>
  inline.shortTime(...search) !== undefined;

describe('a search that is predicted to be short', () => {
  it('is one like those that were measured', () => {
    const inline = new InlineSearches();
    assert.equal(isShort(inline, [query()], rows(0)), false, 'nothing is known yet');
    inline.measured([query()], 0.1, rows(0));
    assert.equal(isShort(inline, [query()], rows(0)), true);
    assert.equal(isShort(inline, [query({ mode: 'exact' })], rows(0)), false);
    assert.equal(isShort(inline, [query({ k: 10_000 })], rows(0)), false);
    assert.equal(isShort(inline, [query({ candidates: 50_000 })], rows(0)), false);
    assert.equal(isShort(inline, [{ ...query(), filter: {} } as unknown as CheckedQuery], rows(0)), false);
  });

  it('takes no longer than the whole call may', () => {
    const inline = new InlineSearches();
    inline.measured([query()], 0.1, rows(0));
    assert.equal(isShort(inline, [query(), query()], rows(0)), true);
    assert.equal(isShort(inline, Array(6).fill(query()), rows(0)), false);
    inline.measured([query({ mode: 'exact' })], 5, rows(0));
    assert.equal(isShort(inline, [query({ mode: 'exact' })], rows(0)), false);
  });

  it('is not one that has many more rows without codes to read', () => {
    const inline = new InlineSearches();
    inline.measured([query()], 0.1, rows(1000));
    assert.equal(isShort(inline, [query()], rows(100_000)), true);
    assert.equal(isShort(inline, [query()], rows(10_000_000)), false);
    inline.measured([query()], 0.2, rows(10_000_000));
    assert.equal(isShort(inline, [query()], rows(10_000_000)), true);
  });

  it('stays one after a single measurement that was interrupted, and not after many', () => {
    const inline = new InlineSearches();
    inline.measured([query()], 0.1, rows(0));
    inline.measured([query()], 50, rows(0));
    assert.equal(isShort(inline, [query()], rows(0)), true);
    for (let i = 0; i < 8; i++) inline.measured([query()], 50, rows(0));
    assert.equal(isShort(inline, [query()], rows(0)), false);
    for (let i = 0; i < 12; i++) inline.measured([query()], 0.1, rows(0));
    assert.equal(isShort(inline, [query()], rows(0)), true);
  });

  it('is not one where every other query of its kind takes long', () => {
    const inline = new InlineSearches();
    let long = 0;
    for (let i = 0; i < 1000; i++) {
      const ms = i % 2 === 0 ? 0.05 : 20;
      if (ms > 1 && isShort(inline, [query()], rows(0))) long++;
      inline.measured([query()], ms, rows(0));
    }
    assert.ok(long <= 2, `${long} long searches on the calling thread`);
  });

  it('is told from one by a filter that other numbers of rows pass', () => {
    const inline = new InlineSearches();
    const few = {} as CheckedFilter;
    const many = {} as CheckedFilter;
    const passing = (filter: CheckedFilter) => (filter === few ? 20 : 500_000);
    const by = (filter: CheckedFilter) => ({ ...query(), filter }) as unknown as CheckedQuery;
    inline.measured([by(few)], 0.05, { values: 0, passing });
    assert.equal(isShort(inline, [by(few)], { values: 0, passing }), true);
    assert.equal(isShort(inline, [by(many)], { values: 0, passing }), false);
  });

  it('is not known from calls of several kinds of queries', () => {
    const inline = new InlineSearches();
    const exact = query({ mode: 'exact' });
    inline.measured([exact, ...Array(99).fill(query())], 0.1, rows(0));
    assert.equal(isShort(inline, [exact], rows(0)), false);
    inline.measured([query(), query()], 0.1, rows(0));
    assert.equal(isShort(inline, [query()], rows(0)), true);
  });

  it('is not known of other rows with codes', () => {
    const inline = new InlineSearches();
    const small = [{}];
    const large = [{}];
    inline.measured([query()], 0.1, { values: 0, segments: small });
    assert.equal(isShort(inline, [query()], { values: 0, segments: small }), true);
    assert.equal(isShort(inline, [query()], { values: 0, segments: large }), false);
  });
});

/** Keeps this turn of the event loop until it is over for short searches. */
function spend(): void {
  const until = performance.now() + 2;
  while (performance.now() < until);
  assert.equal(overdue(1), true);
}

/** Groups of names, in the order in which they were sent, and what they wait for. */
class Sent {
  readonly names: string[][] = [];
  readonly ends: (() => void)[] = [];

  newGroup = () => {
    const joined: string[] = [];
    return {
      join: (name: string) => void joined.push(name),
      send: () => {
        this.names.push(joined);
        return new Promise<void>((resolve) => this.ends.push(resolve));
      },
    };
  };
}

describe('short searches of one turn of the event loop', () => {
  /** Names of those that ran here, in order. */
  async function ran(short: ShortSearches<ReturnType<Sent['newGroup']>>, names: string[], ms: number, here: string[]) {
    await Promise.all(
      names.map(async (name) => {
        const turn = short.turn(ms);
        const group = turn && (await turn);
        if (group === undefined) here.push(name);
        else group.join(name);
      }),
    );
  }

  it('run here at once while it is young', async () => {
    const short = new ShortSearches(1, new Sent().newGroup);
    let turns = 0;
    do
      await othersTurn(); // a young one
    while (overdue(0.5) && ++turns < 1000); // but where the system took the processor
    assert.equal(short.turn(0.1), undefined);
  });

  it('wait for the next one when it is over, and a thread takes those of the first half in one message', async () => {
    const sent = new Sent();
    const short = new ShortSearches(1, sent.newGroup);
    spend();
    const here: string[] = [];
    const all = ran(short, ['a', 'b', 'c', 'd'], 0.25, here);
    await undefined;
    assert.deepEqual([here, sent.names], [[], []], 'nothing runs in a turn that is over');
    await all;
    assert.deepEqual([here, sent.names], [['c', 'd'], [['a', 'b']]]);
  });

  it('run here, one after the other, while the threads are busy, alone, and where they are too few for a message', async () => {
    const sent = new Sent();
    const short = new ShortSearches(1, sent.newGroup);
    const here: string[] = [];
    spend();
    await ran(short, ['a'], 0.25, here);
    spend();
    await ran(short, ['b', 'c'], 0.25, here);
    spend();
    await ran(short, ['d', 'e'], 0.25, here);
    assert.deepEqual([here, sent.names], [['a', 'c', 'd', 'e'], [['b']]]);
    sent.ends[0]!();
    await nextTurn();
    spend();
    await ran(short, ['f', 'g'], 0.25, here);
    assert.deepEqual(sent.names, [['b'], ['f']]);
    sent.ends[1]!();
    await nextTurn();
    spend();
    await ran(short, ['h', 'i'], 0.1, here);
    assert.deepEqual([here.slice(-3), sent.names.length], [['g', 'h', 'i'], 2], 'so little is worth no message');
  });

  it('take no more than their share of a turn, and who came first goes first', async () => {
    const sent = new Sent();
    const short = new ShortSearches(2, sent.newGroup);
    const here: string[] = [];
    const names = Array.from({ length: 40 }, (_, i) => String(i));
    spend();
    await ran(short, names, 0.25, here);
    assert.deepEqual(sent.names, [names.slice(0, 4), names.slice(4, 8)]);
    assert.deepEqual(here, names.slice(8));
  });
});

describe('many short searches in flight', () => {
  const dim = 256;
  const count = 3000;

  it('are answered as one by one, and the fault of one is not that of the others', async (t) => {
    const random = new Random(SEED);
    const index = await FunnelIndex.create(':memory:', { dim, autoOptimize: false });
    await index.upsert({ ids: Array.from({ length: count }, (_, i) => i), vectors: random.vector(count * dim) });
    await index.optimize();
    const { inline, live, pool } = partsOf(index) as OpenIndex;
    const vectors = Array.from({ length: 64 }, () => random.vector(dim));
    const filter = { must: [{ key: 'none', match: { value: 1 } }] };
    const requests = vectors.map((vector, i) => ({ vector, limit: 10, ...(i % 5 === 4 && { filter }) }));
    const alone = requests.map((request) => index.querySync(request).hits);
    const measured = () => {
      const rowsOfNow = { values: live.unindexed.length * dim, segments: live.segments };
      for (let i = 0; i < 12; i++) inline.measured([query()], 0.05, rowsOfNow);
    };
    let groups = 0;
    let failing = false;
    const search = pool.search.bind(pool);
    t.mock.method(pool, 'search', (...[snapshot, tasks]: Parameters<typeof search>) => {
      if (tasks.length > 1) groups++;
      return failing && tasks.length > 1 ? Promise.reject(new Error('of one of them')) : search(snapshot, tasks);
    });
    for (failing of [false, true]) {
      const before = groups;
      for (let round = 0; round < 20 && groups === before; round++) {
        measured();
        spend();
        const answers = await Promise.all(requests.map((request) => index.query(request)));
        assert.deepEqual(
          answers.map(({ hits }) => hits),
          alone,
        );
      }
      assert.ok(groups > before, 'no message had several searches');
    }
    await index.close();
  });
});

describe('helpers of a short search', () => {
  it('are asked where they are awake, or worth waking, and where no other search is under way', () => {
    const inline = new InlineSearches();
    inline.underWay = 1;
    inline.hasEnded(100);
    assert.equal(inline.gainsByHelp(0.1, 100.03), true, 'searches in a row');
    assert.equal(inline.gainsByHelp(0.05, 101), false, 'asleep, for so little');
    assert.equal(inline.gainsByHelp(0.1, 101), true, 'for so much they are woken');
    inline.underWay = 2;
    assert.equal(inline.gainsByHelp(0.3, 100.03), false, 'others have use for the processors');
  });

  it('sleep on where searches come between requests to somebody else', async (t) => {
    const dim = 256;
    const count = 2000; // more than is searched without asking
    const random = new Random(SEED);
    const index = await FunnelIndex.create(':memory:', { dim, autoOptimize: false });
    await index.upsert({ ids: Array.from({ length: count }, (_, i) => i), vectors: random.vector(count * dim) });
    await index.optimize();
    const { codes, inline, live } = partsOf(index) as OpenIndex;
    if (codes.team === undefined) return t.skip('these kernels have no team');
    const team = t.mock.method(codes as Required<typeof codes>, 'team');
    const asked = () => team.mock.calls.filter(({ arguments: [threads] }) => threads > 1).length;
    const vector = random.vector(dim);
    const search = async () => {
      const rowsOfNow = { values: live.unindexed.length * dim, segments: live.segments };
      for (let i = 0; i < 12; i++) inline.measured([query()], 0.05, rowsOfNow); // whatever a busy machine has measured
      const before = asked();
      await index.query({ vector });
      return asked() > before;
    };
    await search();
    let helped = 0;
    for (let i = 0; i < 20; i++) {
      await pause(2);
      if (await search()) helped++;
    }
    assert.equal(helped, 0);
    await index.close();
  });
});

describe('a search that was asked for before closeSync()', () => {
  for (const rowsOf of [50, 5000]) {
    it(`is refused, of ${rowsOf} rows`, async () => {
      const dim = 64;
      const random = new Random(SEED);
      const index = await FunnelIndex.create(':memory:', { dim, autoOptimize: false });
      await index.upsert({ ids: Array.from({ length: rowsOf }, (_, i) => i), vectors: random.vector(rowsOf * dim) });
      for (let i = 0; i < 3; i++) await index.query({ vector: random.vector(dim) });
      const asked = index.query({ vector: random.vector(dim) });
      index.closeSync();
      await assert.rejects(asked, { code: 'CLOSED' });
    });
  }
});

describe('a short search with large payloads', () => {
  it('gives the event loop its turn while its answer is put together', async () => {
    const dim = 8;
    const count = 20_000;
    const limit = 400;
    const random = new Random(SEED);
    const index = await FunnelIndex.create(':memory:', { dim, autoOptimize: false });
    const values = Array.from({ length: 4000 }, (_, i) => `value ${i}`);
    const vectors = random.vector(count * dim);
    const ids = Array.from({ length: count }, (_, i) => i);
    vectors.fill(0, limit * dim);
    await index.upsert({ ids, vectors, payloads: ids.map((id) => (id < limit ? { values } : {})) });
    const { inline, live } = partsOf(index) as OpenIndex;
    const isKnown = { values: live.unindexed.length * dim, segments: live.segments };
    inline.measured([query({ k: limit })], 0.01, isKnown);
    let turns = 0;
    let isDone = false;
    const turning = (async () => {
      while (!isDone) {
        await nextTurn();
        turns++;
      }
    })();
    await nextTurn();
    const before = turns;
    const { hits } = await index.query({ vector: random.vector(dim), limit, withPayload: true });
    const during = turns - before;
    isDone = true;
    await turning;
    assert.equal(hits.length, limit);
    assert.ok(during >= 3, `${during} turns`);
    await index.close();
  });
});

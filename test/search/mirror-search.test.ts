/** FunnelSearch with `search: 'mirror'`: what runs on the mirror, what the database is still asked for, and what stats tell. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  type Filter,
  FunnelSearch,
  type FunnelSearchOptions,
  type Id,
  type SearchRequest,
  type Source,
} from 'funnelvec';
import { embeddedSource, FunnelIndex } from 'funnelvec/store';
import { Random, SEED } from '../random.js';
import { refused } from '../refused.js';

const DIM = 32;
const COUNT = 3000;
const random = new Random(SEED);

type Calls = Partial<Record<'info' | 'head' | 'fetch' | 'scan' | 'count', number>>;

/** A source that counts what it is asked for; `ids` turns its ids into others, as another database would have them. */
function watched(source: Source, ids?: { out: (id: Id) => Id; in: (id: Id) => Id; kind: 'string' }) {
  const calls: Calls = {};
  const counted = <T>(name: keyof Calls, run: () => T): T => {
    calls[name] = (calls[name] ?? 0) + 1;
    return run();
  };
  const out = <R extends { ids?: ArrayLike<Id> | undefined }>(rows: R): R =>
    ids && rows.ids ? { ...rows, ids: Array.from(rows.ids, ids.out) } : rows;
  const own: Source & { calls: Calls } = {
    calls,
    name: source.name,
    scope: source.scope,
    info: async (options) => {
      const info = await counted('info', () => source.info(options));
      return ids ? { ...info, idKind: ids.kind } : info;
    },
    head: async (request) => {
      const answer = await counted('head', () => source.head(request));
      return { ...answer, candidates: out(answer.candidates) };
    },
    full: (request) => source.full(request),
    fetch: async (request) => {
      const asked = ids ? { ...request, ids: request.ids.map(ids.in) } : request;
      const answer = await counted('fetch', () => source.fetch(asked));
      return { ...answer, rows: out(answer.rows) };
    },
    scan: async (request) => {
      const answer = await counted('scan', () => source.scan(request));
      return { ...answer, rows: out(answer.rows) };
    },
    count: (request) => counted('count', () => source.count!(request)),
  };
  return own;
}

const payloadOf = (n: number) => ({
  n,
  year: 1900 + (n % 120),
  by: { name: `author ${n % 40}` },
  text: 'x'.repeat(20),
});

async function collectionOf(count = COUNT): Promise<FunnelIndex> {
  const index = await FunnelIndex.create(':memory:', { dim: DIM });
  await index.upsert(
    Array.from({ length: count }, (_, n) => ({ id: n, vector: random.vector(DIM), payload: payloadOf(n) })),
  );
  return index;
}

async function mirrorOf(source: Source, options: Parameters<FunnelIndex['syncFrom']>[1] = {}): Promise<FunnelIndex> {
  const index = await FunnelIndex.create(':memory:', { dim: DIM });
  await index.syncFrom(source, options);
  return index;
}

const since2000: Filter = { must: [{ key: 'year', range: { gte: 2000 } }] };
const MODES = ['funnel', 'exact'] as const;

describe("a FunnelSearch with search: 'mirror'", () => {
  let collection!: FunnelIndex;
  let mirror!: FunnelIndex;
  let rich!: FunnelIndex;
  const opened: FunnelIndex[] = [];
  before(async () => {
    collection = await collectionOf();
    mirror = await mirrorOf(embeddedSource(collection));
    rich = await mirrorOf(embeddedSource(collection), { withPayload: ['year', 'by', 'n'] });
    await mirror.optimize(); // with codes, of which more rows are scored than are asked for
    opened.push(collection, mirror, rich);
  });
  after(() => Promise.all(opened.map((index) => index.close())));

  const make = (more: Partial<FunnelSearchOptions> = {}, ids?: Parameters<typeof watched>[1]) => {
    const source = watched(embeddedSource(collection, { head: 8 }), ids);
    return { source, search: new FunnelSearch({ source, mirror, search: 'mirror', ...more }) };
  };
  /** The answer of the index of the collection itself, without its positions. */
  const truth = async (query: Parameters<FunnelIndex['query']>[0]) =>
    (await collection.query({ mode: 'exact', ...query })).hits.map(({ id, score, payload }) => ({
      id,
      score,
      payload,
    }));
  const plain = (hits: readonly { id: Id; score: number; payload?: unknown }[]) =>
    hits.map(({ id, score, payload }) => ({ id, score, payload }));

  it('asks the database for nothing where no payload is wanted, and answers as the index does', async () => {
    const { source, search } = make();
    for (let round = 0; round < 20; round++) {
      const vector = random.vector(DIM);
      for (const mode of MODES) {
        const { hits, stats } = await search.query({ vector, mode });
        assert.deepEqual(plain(hits), plain((await mirror.query({ vector, mode })).hits));
        if (mode === 'exact') assert.deepEqual(plain(hits), await truth({ vector }));
        assert.equal(stats.exact, mode === 'exact' ? 'certified' : undefined);
        assert.equal(stats.vectorsFrom, 'mirror');
        assert.equal(stats.mirror!.searched, 'mirror');
        assert.equal(stats.mirror!.reason, undefined);
      }
    }
    assert.deepEqual(source.calls, {});
  });

  it('answers plain searches as it answers all others, by a shorter way, and tells the same of them', async () => {
    const texts = { out: (id: Id) => String(id), in: (id: Id) => Number(id), kind: 'string' } as const;
    const named = watched(embeddedSource(collection), texts);
    const few = await collectionOf(7);
    const pairs: [string, FunnelSearch][] = [
      ['coded', make().search],
      ['uncoded', make({ mirror: rich }).search],
      ['other ids', new FunnelSearch({ source: named, mirror: await mirrorOf(named), search: 'mirror' })],
    ];
    const source = embeddedSource(few);
    pairs.push(['few rows', new FunnelSearch({ source, mirror: await mirrorOf(source), search: 'mirror' })]);
    for (const [name, search] of pairs) {
      for (const limit of [undefined, 1, 10, 50]) {
        for (const withPayload of [false, ['text'], ['year', 'by'], { include: ['n'] }]) {
          for (const filter of [undefined, { must_not: [{ has_id: [1, 2] }] }]) {
            const vector = random.vector(DIM);
            const request = { vector, withPayload, ...(limit && { limit }), ...(filter && { filter }) };
            const told = [];
            const timed = { ...request, timeout: 60_000, signal: new AbortController().signal };
            // Who wants an explanation takes the way that all others take.
            const explained = await search.query({ ...request, explain: true });
            const [batch] = await search.queryBatch([request]);
            const all = [explained, await search.query(request), await search.query(timed), batch!];
            for (const { hits, stats } of all) {
              for (const stage of stats.stages) delete stage.ms;
              if (stats.filter) Object.assign(stats.filter, { cached: false, ms: 0 }); // who asks first works
              delete stats.mirror!.age;
              told.push({ hits, stats });
            }
            assert.deepEqual(told[1], told[0], `${name} ${limit} ${withPayload} ${filter}`);
            assert.deepEqual(told[2], told[0], `${name} ${limit} ${withPayload} ${filter}`);
            assert.deepEqual(told[3], told[0], `batch ${name} ${limit} ${withPayload} ${filter}`);
          }
        }
      }
      await assert.rejects(search.query({ vector: random.vector(DIM + 1) }), refused('BAD_DIMS', /32 dims/));
      await assert.rejects(search.query({ vector: new Float32Array(DIM) }), refused('ZERO_QUERY', /zeros/));
      const endless = search.query({ vector: random.vector(DIM), timeout: null as never });
      await assert.rejects(endless, refused('BAD_ARGUMENT', /timeout/));
      const using = search.query({ vector: random.vector(DIM), using: 'x' });
      await assert.rejects(using, { message: /x|using|layout/ });
    }
  });

  it('tells the same of pages, thresholds, vectors and plans of one scale by the shorter way', async () => {
    const { search } = make();
    const requests: Omit<SearchRequest, 'vector'>[] = [
      { offset: 3, limit: 4 },
      { offset: 3, limit: 4, maxDepth: 12, withPayload: ['text'] },
      { scoreThreshold: 0.1 },
      { withVector: true, limit: 3 },
      { withVector: true, withPayload: ['year'], filter: { must_not: [{ has_id: [1, 2] }] } },
      { plan: { scales: [DIM], keep: 1, candidates: 40 } },
      { plan: { head: 8, scales: [DIM], keep: { count: 20 }, candidates: 40, limit: 6 } },
      { mode: 'exact' },
      { mode: 'exact', offset: 2, limit: 3, withVector: true },
      { params: { exact: true } },
      { params: { probes: 2 }, limit: 4 },
    ];
    for (const more of requests) {
      const vector = random.vector(DIM);
      const request = { vector, ...more };
      const told = [];
      const ways = [
        await search.query({ ...request, explain: true }),
        await search.query(request),
        ...(await search.queryBatch([request])),
      ];
      for (const { hits, stats } of ways) {
        for (const stage of stats.stages) delete stage.ms;
        if (stats.filter) Object.assign(stats.filter, { cached: false, ms: 0 });
        delete stats.mirror!.age;
        told.push({ hits, stats });
      }
      assert.ok(told[0]!.hits.length > 0);
      assert.deepEqual(told[1], told[0], JSON.stringify(more));
      assert.deepEqual(told[2], told[0], `batch ${JSON.stringify(more)}`);
    }
  });

  it('searches for plain requests of a batch, and by an id, as it does for one by a vector', async () => {
    const { search } = make();
    for (const more of [{}, { limit: 50 }, { withPayload: ['text'] }, { stages: 'mirror' as const }]) {
      const vectors = [0, 1].map(() => random.vector(DIM));
      const requests = vectors.map((vector) => ({ vector, ...more }));
      for (const some of [requests.slice(0, 1), requests]) {
        for (const [i, { hits, stats }] of (await search.queryBatch(some)).entries()) {
          const one = await search.query(some[i]!);
          assert.deepEqual(hits, one.hits);
          const counts = (of: typeof stats) => of.stages.map((stage) => ({ ...stage, ms: undefined }));
          assert.deepEqual(counts(stats), counts(one.stats), JSON.stringify(more));
        }
      }
      const byId = await search.query({ id: 7, ...more });
      assert.equal(byId.stats.stages[0]?.in, more.limit === 50 ? 100 : 32);
    }
  });

  it('tells the sync mark and the age of the mirror', async () => {
    const before = Date.now();
    const young = await mirrorOf(embeddedSource(collection));
    const after = Date.now();
    const { search } = make({ mirror: young });
    const { mirror: told } = (await search.query({ vector: random.vector(DIM) })).stats;
    const { source, at, rows } = told!.mark!;
    assert.deepEqual([source, rows], [collection.path === ':memory:' ? 'the index in memory' : '', COUNT]);
    assert.ok(at >= before && at <= after, `${before} ${at} ${after}`);
    assert.ok(told!.age! >= 0 && told!.age! <= Date.now() - at);
    assert.deepEqual(young.syncMark, { source, at, rows });
    await young.close();
  });

  it('asks the database for the payloads of the final hits alone, in one call, in a batch too', async () => {
    const { source, search } = make();
    const vectors = Array.from({ length: 8 }, () => random.vector(DIM));
    const requests: SearchRequest[] = vectors.map((vector) => ({
      vector,
      mode: 'exact',
      withPayload: ['year'],
      limit: 5,
    }));
    const [first] = await Promise.all([search.query(requests[0]!)]);
    assert.deepEqual(source.calls, { fetch: 1 });
    assert.deepEqual(plain(first!.hits), await truth({ vector: vectors[0]!, withPayload: ['year'], limit: 5 }));
    assert.deepEqual(first!.stats.stages.at(-1)!.name, 'payloads');
    const all = await search.queryBatch(requests);
    assert.deepEqual(source.calls, { fetch: 2 });
    for (const [i, { hits }] of all.entries()) {
      assert.deepEqual(plain(hits), await truth({ vector: vectors[i]!, withPayload: ['year'], limit: 5 }));
    }
  });

  it('filters, groups and reads payloads on a mirror that keeps them', async () => {
    const { source, search } = make({ mirror: rich });
    for (const mode of MODES) {
      const vector = random.vector(DIM);
      const request = { vector, mode, filter: since2000, withPayload: { include: ['year', 'by.name'] } };
      const { hits, stats } = await search.query(request);
      assert.equal(stats.mirror!.searched, 'mirror');
      assert.ok(hits.length === 10 && hits.every(({ payload }) => (payload as { year: number }).year >= 2000));
      if (mode === 'exact') assert.deepEqual(plain(hits), await truth(request));
      const grouped = await search.queryGroups({ ...request, groupBy: 'by.name', limit: 4 });
      const want = await collection.queryGroups({ ...request, groupBy: 'by.name', limit: 4 });
      assert.equal(grouped.stats.mirror!.searched, 'mirror');
      if (mode === 'exact') {
        const told = (groups: typeof want.groups) => groups.map(({ id, hits: own }) => [id, plain(own)]);
        assert.deepEqual(told(grouped.groups), told(want.groups));
      }
    }
    assert.deepEqual(source.calls, {});
    // The parts that it does not keep come from the database, in groups too.
    const vector = random.vector(DIM);
    const whole = await search.queryGroups({ vector, groupBy: 'by.name', withPayload: true, limit: 3 });
    for (const { hits } of whole.groups) {
      for (const { id, payload } of hits) assert.deepEqual(payload, payloadOf(id as number));
    }
    assert.deepEqual(source.calls, { fetch: 1 });
  });

  it('goes to the database, and says why, with what the mirror cannot do; or refuses that by name', async () => {
    const vector = random.vector(DIM);
    const cases: [Omit<SearchRequest, 'vector'>, RegExp][] = [
      [{ filter: since2000 }, /the filter looks at "year", which the mirror does not keep/],
      [
        { filter: { must: [{ nested: { key: 'list', filter: { must: [{ key: 'a', match: { value: 1 } }] } } }] } },
        /"list\[\]\.a"/,
      ],
      [
        { nativeFilter: { must: [{ key: 'year', range: { gte: 2000 } }] } },
        /nativeFilter is in the database's own form/,
      ],
    ];
    for (const [more, why] of cases) {
      const { source, search } = make();
      const { hits, stats } = await search.query({ vector, ...more });
      const want = await new FunnelSearch({ source: embeddedSource(collection, { head: 8 }) }).query({
        vector,
        ...more,
      });
      assert.deepEqual(hits, want.hits);
      assert.equal(stats.mirror!.searched, 'source');
      assert.match(stats.mirror!.reason!, why);
      assert.equal(source.calls.head, 1);
      const strict = make({ fallback: 'fail' });
      await assert.rejects(strict.search.query({ vector, ...more }), refused('UNSUPPORTED', why));
      await assert.rejects(strict.search.queryBatch([{ vector }, { vector, ...more }]), /requests\[1\].*mirror/);
      assert.deepEqual(strict.source.calls, {});
    }
    const { source, search } = make();
    const [here, there] = await search.queryBatch([{ vector }, { vector, filter: since2000 }]);
    assert.deepEqual([here!.stats.mirror!.searched, there!.stats.mirror!.searched], ['mirror', 'source']);
    assert.equal(source.calls.head, 1);
    const groups = await search.queryGroups({ vector, groupBy: 'year' });
    assert.match(groups.stats.mirror!.reason!, /groupBy looks at "year"/);
    // Params of the database are its own; those of an index act on the mirror.
    await assert.rejects(
      search.query({ vector, params: { hnsw_ef: 64 } }),
      refused('UNSUPPORTED', /hnsw_ef.*nothing that it could act on/),
    );
    assert.equal((await search.query({ vector, params: { probes: 2 } })).stats.mirror!.searched, 'mirror');
  });

  it('does not search a mirror that is older than maxAge', async () => {
    const vector = random.vector(DIM);
    const own = await mirrorOf(embeddedSource(collection));
    const young = make({ mirror: own, maxAge: 60_000 });
    assert.equal((await young.search.query({ vector })).stats.mirror!.searched, 'mirror');
    await new Promise((resolve) => setTimeout(resolve, 15));
    const old = make({ mirror: own, maxAge: 5 });
    const { hits, stats } = await old.search.query({ vector });
    assert.deepEqual(
      hits,
      (await new FunnelSearch({ source: embeddedSource(collection, { head: 8 }) }).query({ vector })).hits,
    );
    assert.match(stats.mirror!.reason!, /the mirror is \d+ ms old, more than maxAge \(5 ms\)/);
    assert.ok(stats.mirror!.age! > 5);
    // Vectors of a mirror that is too old are not believed either.
    assert.equal(stats.vectorsFrom, 'hits');
    const strict = make({ mirror: own, maxAge: 5, fallback: 'fail' });
    await assert.rejects(strict.search.query({ vector }), refused('STALE', /more than maxAge/));
    await assert.rejects(strict.search.recommend({ positive: [1] }), refused('STALE', /more than maxAge/));
    await own.syncFrom(embeddedSource(collection));
    assert.equal((await make({ mirror: own, maxAge: 5000 }).search.query({ vector })).stats.mirror!.searched, 'mirror');
    await own.close();
  });

  it('does not take for a mirror what was not filled to the end, or from other rows', async () => {
    const vector = random.vector(DIM);
    const reason = async (index: FunnelIndex, source: Source) =>
      (await new FunnelSearch({ source, mirror: index, search: 'mirror' }).query({ vector })).stats.mirror!.reason;
    const source = embeddedSource(collection);
    const index = await FunnelIndex.create(':memory:', { dim: DIM });
    assert.match((await reason(index, source))!, /the mirror is empty/);
    // A filter of the source is a part of what the mirror holds.
    const tenant = embeddedSource(collection, { nativeFilter: since2000 });
    await index.syncFrom(tenant, { withPayload: true });
    assert.equal(await reason(index, tenant), undefined);
    assert.match((await reason(index, source))!, /through another filter/);
    const controller = new AbortController();
    const cut = index.syncFrom(source, {
      batch: 100,
      withPayload: true,
      signal: controller.signal,
      onProgress: () => controller.abort(),
    });
    await assert.rejects(cut, { code: 'ABORTED' });
    assert.equal(index.syncMark, undefined);
    await index.syncFrom(source, { withPayload: ['n'] });
    assert.equal(await reason(index, source), undefined);
    const search = new FunnelSearch({ source, mirror: index, search: 'mirror' });
    assert.match((await search.query({ vector, filter: since2000 })).stats.mirror!.reason!, /"year"/);
    // While another selection is being written, none is complete.
    const again = new AbortController();
    const other = index.syncFrom(source, {
      batch: 100,
      withPayload: ['year'],
      signal: again.signal,
      onProgress: () => again.abort(),
    });
    await assert.rejects(other, { code: 'ABORTED' });
    const n: Filter = { must: [{ key: 'n', range: { gte: 5 } }] };
    assert.match((await search.query({ vector, filter: n })).stats.mirror!.reason!, /"n"/);
    assert.equal((await index.syncFrom(source, { withPayload: ['n'] })).resumed, false);
    assert.equal((await search.query({ vector, filter: n })).stats.mirror!.reason, undefined);
    await index.close();
  });

  it('does not search a mirror that a first sync, a sync of other rows or a follower is still filling', async () => {
    const vector = random.vector(DIM);
    const [a, b] = [await collectionOf(20), await collectionOf(20)];
    const stats = async (index: FunnelIndex, source: Source) =>
      (await new FunnelSearch({ source, mirror: index, search: 'mirror' }).query({ vector })).stats.mirror!;
    const cutOff = async (index: FunnelIndex, source: Source) => {
      const controller = new AbortController();
      const options = { batch: 5, signal: controller.signal, onProgress: () => controller.abort() };
      await assert.rejects(index.syncFrom(source, options), { code: 'ABORTED' });
    };
    const index = await FunnelIndex.create(':memory:', { dim: DIM });
    await cutOff(index, embeddedSource(a));
    assert.equal(index.count, 5);
    let told = await stats(index, embeddedSource(a));
    assert.equal(told.searched, 'source');
    assert.match(told.reason!, /begun and not completed/);
    await index.syncFrom(embeddedSource(a));
    assert.equal((await stats(index, embeddedSource(a))).searched, 'mirror');
    await cutOff(index, embeddedSource(b)); // rows of both
    for (const source of [a, b]) {
      told = await stats(index, embeddedSource(source));
      assert.equal(told.searched, 'source');
      assert.match(told.reason!, /begun and not completed/);
    }
    const followed = await FunnelIndex.create(':memory:', { dim: DIM });
    const follower = followed.follow(embeddedSource(a), { rate: 1, batch: 5 });
    while (followed.count === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.match((await stats(followed, embeddedSource(a))).reason!, /begun and not completed/);
    await follower.stop();
    for (const one of [a, b, index, followed]) await one.close();
  });

  it('tells indexes of one name apart, and takes no filter of the source for kept by hand', async () => {
    const vector = random.vector(DIM);
    const [a, b] = [await collectionOf(20), await collectionOf(20)];
    const index = await mirrorOf(embeddedSource(a));
    const reason = async (mirror: FunnelIndex, source: Source) =>
      (await new FunnelSearch({ source, mirror, search: 'mirror' }).query({ vector })).stats.mirror!.reason;
    assert.equal(await reason(index, embeddedSource(a)), undefined);
    assert.match((await reason(index, embeddedSource(b)))!, /from another index of that name/);
    const byHand = await FunnelIndex.create(':memory:', { dim: DIM });
    await byHand.upsert([{ id: 1, vector }]);
    assert.equal(await reason(byHand, embeddedSource(a)), undefined);
    const narrow = embeddedSource(a, { nativeFilter: since2000 });
    assert.match(
      (await reason(byHand, narrow))!,
      /no sync filled the mirror through the filter of the index in memory/,
    );
    for (const one of [a, b, index, byHand]) await one.close();
  });

  it('runs all stages where it searches, whatever is said of them, and refuses those of the database', async () => {
    const vector = random.vector(DIM);
    const plan = { candidates: 64, scales: [8, DIM], keep: [0.5, 1] };
    const { search } = make();
    for (const stages of [undefined, 'auto', 'client', 'mirror'] as const) {
      const { stats } = await search.query({ vector, plan, ...(stages && { stages }) });
      assert.deepEqual(stats.ran, { on: 'mirror', why: 'the mirror searched' });
    }
    const why = refused('BAD_ARGUMENT', /no stages: 'server' beside search: 'mirror'/);
    await assert.rejects(search.query({ vector, stages: 'server' }), why);
    assert.throws(() => make({ stages: 'server' }), why);
    // The database alone, and the database with vectors of the mirror.
    const old = make({ maxAge: 0 });
    await new Promise((resolve) => setTimeout(resolve, 2));
    const alone = await old.search.query({ vector, stages: 'mirror' });
    assert.deepEqual([alone.stats.mirror!.searched, alone.stats.ran.on], ['source', 'client']);
    const both = await search.query({ vector, stages: 'mirror', nativeFilter: since2000 });
    assert.deepEqual([both.stats.mirror!.searched, both.stats.ran.on], ['source', 'mirror']);
  });

  it('recommends, and searches by id, with points that it has, and with those that only the database has', async () => {
    const own = await mirrorOf(embeddedSource(collection));
    await own.delete([7]);
    const { source, search } = make({ mirror: own });
    const exact = { mode: 'exact' as const, limit: 12 };
    for (const strategy of ['average_vector', 'best_score', 'sum_scores'] as const) {
      const request = { positive: [3, 9, random.vector(DIM)], negative: [12], strategy, ...exact };
      const { hits } = await search.recommend(request);
      const want = await collection.recommend(request);
      assert.deepEqual(plain(hits), plain(want.hits.filter(({ id }) => id !== 7)).slice(0, hits.length));
    }
    assert.deepEqual(source.calls, {});
    const { hits } = await search.query({ id: 7, ...exact });
    const [point] = await collection.get([7]);
    assert.deepEqual(
      plain(hits),
      (await truth({ vector: point!.vector, limit: 13 })).filter(({ id }) => id !== 7),
    );
    assert.deepEqual(source.calls, { fetch: 1 });
    await assert.rejects(search.query({ id: 99_999 }), refused('NOT_FOUND', /99999/));
    await own.close();
  });

  it('pages, thresholds, vectors, explanations and plans are as over the index', async () => {
    const { search } = make({ mirror: rich });
    const over = new FunnelSearch({ source: embeddedSource(rich) });
    const vector = random.vector(DIM);
    const requests: SearchRequest[] = [
      { vector, offset: 5, maxDepth: 40, limit: 7 },
      { vector, mode: 'exact', scoreThreshold: 0.3 },
      { vector, withVector: true, withPayload: ['n'] },
      { vector, plan: { scales: [16, 32], keep: 0.5, candidates: 64 }, limit: 8 },
    ];
    for (const request of requests) {
      const want = await over.query({ ...request, ...(request.plan || request.mode ? {} : { params: {} }) });
      const { hits } = await search.query(request);
      if (request.plan || request.mode) assert.deepEqual(hits, want.hits);
      else assert.deepEqual(hits.map(({ id }) => id).slice(0, 3), want.hits.map(({ id }) => id).slice(0, 3));
    }
    // The head of a plan is the database's.
    const planned = make({ mirror: rich, plan: { head: 8, candidates: 64, scales: [16, 32], keep: 0.5, limit: 6 } });
    const { hits, stats } = await planned.search.query({ vector });
    assert.equal(hits.length, 6);
    assert.deepEqual(
      stats.stages.map(({ name }) => name),
      ['head', 'decode', 'scale 16', 'scale 32', 'funnel'],
    );
    const { explanation } = await planned.search.query({ vector, explain: true });
    assert.equal((await explanation!.trace(hits[0]!.id)).outcome, 'hit');
    assert.equal((await explanation!.trace(99_999)).outcome, 'no such point');
  });

  it('leaves out, and counts, hits that the database does not have any more when it is asked for payloads', async () => {
    const lesser = await collectionOf(200);
    const own = await mirrorOf(embeddedSource(lesser), { withPayload: ['n'] });
    const vector = random.vector(DIM);
    const first = (await own.query({ vector, mode: 'exact' })).hits.map(({ id }) => id);
    await lesser.delete([first[0]!, first[4]!]);
    const search = new FunnelSearch({ source: embeddedSource(lesser), mirror: own, search: 'mirror' });
    const request = { vector, mode: 'exact', withPayload: true } as const;
    const { hits, stats } = await search.query(request);
    assert.deepEqual(
      hits.map(({ id }) => id),
      first.filter((_, i) => i !== 0 && i !== 4),
    );
    assert.equal(stats.mirror!.gone, 2);
    const { groups } = await search.queryGroups({ ...request, groupBy: 'n', limit: 10 });
    assert.deepEqual(
      groups.map(({ id }) => id),
      first.filter((_, i) => i !== 0 && i !== 4),
    );
    await own.close();
    await lesser.close();
  });

  it('hands out ids as the source does, whatever kind the mirror keeps', async () => {
    const strings = { out: (id: Id) => String(id), in: (id: Id) => Number(id), kind: 'string' as const };
    const source = watched(embeddedSource(collection), strings);
    const own = await mirrorOf(source, { idKind: 'number' });
    assert.equal(own.idKind, 'number');
    const search = new FunnelSearch({ source, mirror: own, search: 'mirror' });
    const vector = random.vector(DIM);
    const { hits } = await search.query({ vector, mode: 'exact', withPayload: ['n'] });
    const want = await truth({ vector, withPayload: ['n'] });
    assert.deepEqual(
      plain(hits),
      want.map((hit) => ({ ...hit, id: String(hit.id) })),
    );
    const left = await search.query({
      id: hits[0]!.id,
      mode: 'exact',
      filter: { must_not: [{ has_id: [hits[1]!.id as string] }] },
    });
    const ids = left.hits.map(({ id }) => id);
    assert.ok(!ids.includes(hits[0]!.id) && !ids.includes(hits[1]!.id), String(ids));
    await own.close();
  });

  it('compares a mirror that no sync filled with the collection, once', async () => {
    const own = await FunnelIndex.create(':memory:', { dim: DIM });
    await own.upsert([{ id: 1, vector: random.vector(DIM), payload: payloadOf(1) }]);
    const { source, search } = make({ mirror: own });
    for (let i = 0; i < 3; i++) {
      const { hits, stats } = await search.query({ vector: random.vector(DIM) });
      assert.deepEqual(
        hits.map(({ id }) => id),
        [1],
      );
      assert.deepEqual([stats.mirror!.mark, stats.mirror!.age], [undefined, undefined]);
    }
    assert.deepEqual(source.calls, { info: 1 });
    const { stats } = await search.query({ vector: random.vector(DIM), filter: since2000 });
    assert.match(stats.mirror!.reason!, /"year", which the mirror does not keep/);
    const strict = make({ mirror: own, maxAge: 5, fallback: 'fail' });
    await assert.rejects(strict.search.query({ vector: random.vector(DIM) }), refused('STALE', /nobody knows its age/));
    const dot = await FunnelIndex.create(':memory:', { dim: DIM, metric: 'dot' });
    await dot.upsert([{ id: 1, vector: random.vector(DIM) }]);
    const wrong = make({ mirror: dot });
    await assert.rejects(
      wrong.search.query({ vector: random.vector(DIM) }),
      refused('BAD_ARGUMENT', /metric 'cosine'/),
    );
    await own.close();
    await dot.close();
  });

  it('refuses options that mean nothing, before any work', () => {
    const source = embeddedSource(collection);
    const bad: [object, RegExp][] = [
      [{ search: 'mirror' }, /a FunnelIndex .* beside search: 'mirror' for mirror but received undefined/],
      [{ mirror, search: 'index' }, /'source' or 'mirror' for search but received "index"/],
      [{ mirror, maxAge: 5 }, /nothing without search: 'mirror' for maxAge/],
      [{ mirror, search: 'mirror', maxAge: -1 }, /milliseconds, 0 or more, for maxAge/],
      [{ mirror, search: 'mirror', fallback: 'server' }, /'source' or 'fail' for fallback/],
      [
        { mirror: { dim: DIM, metric: 'cosine', gather: () => [], someIds: () => [] }, search: 'mirror' },
        /a FunnelIndex of this copy/,
      ],
    ];
    for (const [more, why] of bad) {
      assert.throws(() => new FunnelSearch({ source, ...more } as never), refused('BAD_ARGUMENT', why));
    }
  });
});

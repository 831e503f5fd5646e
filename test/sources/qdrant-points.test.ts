/** Points as people have them in Qdrant: ids in every spelling and of both kinds, points without a vector, one vector alone. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { QdrantClient as GrpcClient } from '@qdrant/js-client-grpc';
import { QdrantClient } from '@qdrant/js-client-rest';
import { type Filter, FunnelSearch, funnel, type Id, type Metric } from 'funnelvec';
import { fromQdrant, type QdrantSourceOptions, qdrantSource } from 'funnelvec/qdrant';
import { embeddedSource, FunnelIndex } from 'funnelvec/store';
import { random, randomVector } from '#dist/conformance/data.js';
import { rejects } from '#dist/conformance/failures.js';
import { qdrantMark, startQdrant } from './servers.js';

const DECODES = ['fast', 'client'] as const;
const HEAD = 8;
const DIM = 24;
const UUIDS = [0xa1, 0xb2, 0xc3, 0xd4].map((n) => `67e55044-10b1-426f-9247-bb680e5fe0${n.toString(16)}`);
/** The forms that the server reads; the first is the one that it answers. */
const SPELLINGS: ((uuid: string) => string)[] = [
  (uuid) => uuid,
  (uuid) => uuid.toUpperCase(),
  (uuid) => uuid.replaceAll('-', ''),
  (uuid) => uuid.replaceAll('-', '').toUpperCase(),
  (uuid) => `urn:uuid:${uuid}`,
  (uuid) => `{${uuid.toUpperCase()}}`,
];
/** Forms of ids that the server does not read. */
const NO_IDS = [
  ...UUIDS.slice(0, 1).flatMap((uuid) => [
    `URN:UUID:${uuid}`,
    `urn:uuid:${uuid.replaceAll('-', '')}`,
    `{${uuid.replaceAll('-', '')}}`,
    uuid.replace('-', ''),
    ` ${uuid}`,
    uuid.slice(1),
  ]),
  'film',
  '',
  '7',
];

interface Point {
  id: string | number;
  payload?: Record<string, unknown>;
  /** Parts of the head and the full vector that this point lacks. */
  without?: ('head' | 'full' | 'tail')[];
}

const one = random(3);
const vectors = Array.from({ length: 40 }, () => Array.from(randomVector(DIM, one)));
const query = randomVector(DIM, random(77));

describe(`Qdrant's points${qdrantMark}`, { timeout: 120_000 }, () => {
  let server: Awaited<ReturnType<typeof startQdrant>>;
  let rest: QdrantClient;
  let grpc: GrpcClient;
  const made: string[] = [];
  before(async () => {
    server = await startQdrant();
    rest = new QdrantClient({ url: server.url, checkCompatibility: false });
    grpc = new GrpcClient({
      host: server.grpcHost,
      port: server.grpcPort,
      checkCompatibility: false,
      compression: false,
    });
  });
  after(async () => {
    for (const name of made) await rest.deleteCollection(name);
    await server?.stop();
  });

  const create = async (name: string, config: object): Promise<string> => {
    const collection = `points_${name}_${process.pid}`;
    await rest.createCollection(collection, config as never);
    made.push(collection);
    return collection;
  };
  /** With a head and a full vector each, the n-th of `vectors`. */
  const fill = async (name: string, points: readonly Point[], distance = 'Dot'): Promise<string> => {
    const collection = await create(name, {
      vectors: { head: { size: HEAD, distance }, full: { size: DIM, distance } },
    });
    await rest.upsert(collection, {
      wait: true,
      points: points.map(({ id, payload = {}, without = [] }, n) => {
        const all = { head: vectors[n]!.slice(0, HEAD), full: vectors[n]! };
        const vector = Object.fromEntries(Object.entries(all).filter(([key]) => !without.includes(key as 'head')));
        return { id, payload: { n, ...payload }, vector };
      }),
    });
    return collection;
  };
  const named = { head: 'head', full: 'full' };
  /** The test, over both clients. */
  const over = (name: string, body: (open: Open, kind: 'REST' | 'gRPC') => Promise<void>) => {
    for (const kind of ['REST', 'gRPC'] as const) {
      test(`${name}, over ${kind}`, () =>
        body((options) => qdrantSource(kind === 'REST' ? rest : grpc, options as QdrantSourceOptions), kind));
    }
  };
  type Open = (options: Partial<QdrantSourceOptions> & { collection: string }) => ReturnType<typeof qdrantSource>;
  const idsOf = ({ hits }: { hits: readonly { id: Id }[] }) => hits.map(({ id }) => id);

  describe('ids', () => {
    let films: string;
    let people: string;
    before(async () => {
      films = await fill(
        'films',
        UUIDS.map((id, n) => ({ id, payload: { by: SPELLINGS[n]!(UUIDS[n]!), all: SPELLINGS.map((of) => of(id)) } })),
      );
      people = await fill(
        'people',
        UUIDS.map((id) => ({ id })),
      );
    });

    over('a UUID is one id in every spelling: queries, examples, look-ups, filters, explanations', async (open) => {
      const source = open({ collection: films, ...named });
      const search = new FunnelSearch({ source });
      const other = open({ collection: people, ...named });
      const [a, b] = UUIDS as [string, string];
      const byId = await search.query({ id: a, withVector: true });
      const liked = await search.recommend({ positive: [a], negative: [b], strategy: 'best_score' });
      const elsewhere = await search.recommend({ positive: [a], lookupFrom: other });
      assert.equal(byId.hits.length, 3);
      assert.equal(elsewhere.hits.length, 4);
      for (const spelled of SPELLINGS) {
        const text = spelled(a);
        assert.deepEqual((await search.query({ id: text, withVector: true })).hits, byId.hits, text);
        const batch = await search.queryBatch([{ id: text }, { id: spelled(b) }]);
        assert.deepEqual(
          batch.map(idsOf).map((ids) => ids.length),
          [3, 3],
        );
        const like = await search.recommend({ positive: [text], negative: [spelled(b)], strategy: 'best_score' });
        assert.deepEqual(like.hits, liked.hits);
        assert.deepEqual((await search.recommend({ positive: [text], lookupFrom: other })).hits, elsewhere.hits);
        const { rows } = await source.fetch({ ids: [spelled(b), text, text], withPayload: ['n'] });
        assert.deepEqual(
          [rows.ids, rows.payloads],
          [
            [b, a, a],
            [{ n: 1 }, { n: 0 }, { n: 0 }],
          ],
        );
        const filter: Filter = { must: { has_id: [text] } };
        assert.deepEqual(idsOf(await search.query({ vector: query, filter })), [a]);
        const { explanation, hits } = await search.query({ vector: query, explain: true });
        const rank = hits.findIndex(({ id }) => id === a);
        assert.deepEqual(explanation!.find(text), { outcome: 'hit', rank, score: hits[rank]!.score });
        assert.equal((await explanation!.trace(text)).outcome, 'hit');
      }
    });

    over('a group that names a point in any spelling is joined with it', async (open) => {
      const search = new FunnelSearch({ source: open({ collection: films, ...named }) });
      const withLookup = { source: open({ collection: people, ...named }), withPayload: ['n'] };
      const each = await search.queryGroups({ vector: query, groupBy: 'by', withLookup });
      assert.equal(each.groups.length, 4);
      for (const { id, lookup } of each.groups) {
        const n = UUIDS.findIndex((uuid, i) => SPELLINGS[i]!(uuid) === id);
        assert.deepEqual(lookup, { id: UUIDS[n], payload: { n } }, String(id));
      }
      // Several groups may name one point.
      const all = await search.queryGroups({ vector: query, groupBy: 'all', limit: 30, withLookup });
      assert.equal(all.groups.length, UUIDS.length * SPELLINGS.length);
      for (const { hits, lookup } of all.groups) assert.equal(lookup?.id, hits[0]!.id);
    });

    over('what the server does not read as an id is refused before it is asked', async (open, kind) => {
      const source = open({ collection: films, ...named });
      const search = new FunnelSearch({ source });
      for (const id of [...NO_IDS, -1, 2n ** 64n, -1n]) {
        const what = /integer or a UUID/;
        await rejects(search.query({ id }), 'BAD_ID', what);
        await rejects(search.recommend({ positive: [UUIDS[0]!, id] }), 'BAD_ID', what);
        await rejects(source.fetch({ ids: [UUIDS[0]!, id] }), 'BAD_ID', /ids\[1\]/);
        await rejects(search.query({ vector: query, filter: { must: { has_id: [id] } } }), 'BAD_ID', what);
      }
      await rejects(source.fetch({ ids: [2 ** 53] }), 'BAD_ID', /bigint/);
      if (kind === 'gRPC') return;
      // The server agrees on what is none.
      for (const id of NO_IDS) await assert.rejects(rest.retrieve(films, { ids: [id] }), { status: 400 });
      for (const spelled of SPELLINGS) {
        const found = await rest.retrieve(films, { ids: [spelled(UUIDS[0]!)] });
        assert.deepEqual(
          found.map(({ id }) => id),
          UUIDS.slice(0, 1),
        );
      }
    });

    over('an id beyond 2^53 is looked up over gRPC, and refused over REST with that remedy', async (open, kind) => {
      const source = open({ collection: films, ...named });
      const search = new FunnelSearch({ source });
      const big = 2n ** 60n + 1n;
      const { explanation } = await search.query({ vector: query, explain: true });
      const index = await FunnelIndex.create(':memory:', { dim: DIM });
      await index.upsert([{ id: 1, vector: vectors[0]!, payload: { by: big } }]);
      const calls: [string, () => Promise<unknown>, string][] = [
        ['query', () => search.query({ id: big }), 'NOT_FOUND'],
        ['queryBatch', () => search.queryBatch([{ id: UUIDS[0]! }, { id: big }]), 'NOT_FOUND'],
        ['recommend', () => search.recommend({ positive: [big] }), 'NOT_FOUND'],
        ['negatives', () => search.recommend({ positive: [UUIDS[0]!], negative: [big] }), 'NOT_FOUND'],
        ['lookupFrom', () => search.recommend({ positive: [big], lookupFrom: source }), 'NOT_FOUND'],
        ['has_id', () => search.query({ vector: query, filter: { must: { has_id: [big] } } }), ''],
        ['fetch', () => source.fetch({ ids: [big] }), ''],
        ['trace', () => explanation!.trace(big), ''],
        [
          'withLookup',
          () =>
            new FunnelSearch({ source: embeddedSource(index) }).queryGroups({
              vector: query,
              groupBy: 'by',
              withLookup: source,
            }),
          '',
        ],
      ];
      for (const [name, call, code] of calls) {
        if (kind === 'REST') await rejects(call(), 'BAD_ID', /gRPC/);
        else if (code === '') await assert.doesNotReject(call(), name);
        else await rejects(call(), code, /1152921504606846977/);
      }
      await index.close();
      if (kind === 'gRPC') return;
      // An object that is passed on unchanged has no other form.
      for (const more of [{ nativeFilter: { must: [{ has_id: [big] }] } }, { params: { hnsw_ef: 1n } }]) {
        const own = open({ collection: films, ...named, ...more } as never);
        await rejects(own.head({ vector: query, candidates: 3 }), 'BAD_ARGUMENT', /no bigint.*gRPC/);
      }
    });

    over('integers and UUIDs stand side by side in one collection', async (open, kind) => {
      const ids = [1, UUIDS[0]!, 2, UUIDS[1]!, 3, UUIDS[2]!, 4, UUIDS[3]!];
      const collection = await fill(
        `mixed_${kind}`,
        ids.map((id) => ({ id, payload: { by: id } })),
      );
      const own = (id: string | number): Id => (typeof id === 'number' && kind === 'gRPC' ? BigInt(id) : id);
      const all = new Set(ids.map(own));
      const clients = [{}, { decode: 'client' }] as const;
      for (const client of clients) {
        const source = open({ collection, ...named, ...client });
        const search = new FunnelSearch({ source });
        const { hits } = await search.query({ vector: query, withPayload: true, withVector: true });
        assert.deepEqual(new Set(idsOf({ hits })), all);
        for (const { id, payload } of hits) assert.equal(own((payload as { by: string | number }).by), id);
        for (const id of ids) {
          assert.deepEqual(new Set([...idsOf(await search.query({ id })), own(id)]), all);
        }
        const like = await search.recommend({ positive: [1, UUIDS[0]!.toUpperCase()], negative: [2n, UUIDS[1]!] });
        assert.deepEqual(new Set(idsOf(like)), new Set([3, UUIDS[2]!, 4, UUIDS[3]!].map(own)));
        const { rows } = await source.fetch({ ids: [UUIDS[2]!, 4, UUIDS[0]!, 99, 1] });
        assert.deepEqual(rows.ids, [UUIDS[2]!, own(4), UUIDS[0]!, own(1)]);
        const pages: Id[] = [];
        for (let from: string | undefined; ; ) {
          const page = await source.scan({ after: from, limit: 3 });
          pages.push(...page.rows.ids);
          if (page.next === undefined) break;
          from = page.next;
        }
        assert.deepEqual([new Set(pages), pages.length], [all, 8]);
        const { groups } = await search.queryGroups({ vector: query, groupBy: 'by', withLookup: source });
        assert.ok(groups.every(({ id, lookup }) => lookup?.id === own(id as string | number)));
        const { explanation } = await search.query({ vector: query, explain: true });
        for (const id of ids) assert.equal(explanation!.find(own(id)).outcome, 'hit');
        for (const id of ids) assert.equal((await explanation!.trace(id)).outcome, 'hit');
      }
    });

    over(
      'a mirror of such a collection holds text, or says that it cannot before a row is written',
      async (open, kind) => {
        const ids = [1, UUIDS[0]!, 2, UUIDS[1]!, 3];
        const collection = await fill(
          `mirrored_${kind}`,
          ids.map((id) => ({ id })),
        );
        const source = open({ collection, ...named });
        for (const idKind of [undefined, kind === 'REST' ? 'number' : 'bigint'] as const) {
          const index = await FunnelIndex.create(':memory:', { dim: DIM, metric: 'dot' });
          const options = { batch: 2, ...(idKind && { idKind }) };
          await rejects(index.syncFrom(source, options), 'BAD_ID', /integers and UUIDs.*idKind: 'string'/);
          assert.equal(index.count, 0);
          await index.close();
        }
        const index = await FunnelIndex.create(':memory:', { dim: DIM, metric: 'dot' });
        assert.equal((await index.syncFrom(source, { idKind: 'string', batch: 2 })).written, 5);
        assert.equal((await index.syncFrom(source)).written, 0);
        // A hit's `index` is its place among the candidates, which only this process sees.
        const plain = await new FunnelSearch({ source, stages: 'client' }).query({ vector: query });
        const through = await new FunnelSearch({ source, mirror: index }).query({ vector: query });
        assert.deepEqual(through.hits, plain.hits);
        assert.deepEqual(through.stats.mirror, { found: 5, fetched: 0, gone: 0 });
        // A mirror of one kind has the points of that kind; the others are fetched.
        const half = await FunnelIndex.create(':memory:', { dim: DIM, metric: 'dot' });
        const own = (id: number) => (kind === 'REST' ? id : BigInt(id));
        await half.upsert([0, 2, 4].map((n) => ({ id: own(ids[n] as number), vector: vectors[n]! })));
        const some = await new FunnelSearch({ source, mirror: half }).query({ vector: query });
        assert.deepEqual([some.hits, some.stats.mirror], [plain.hits, { found: 3, fetched: 2, gone: 0 }]);
        await index.close();
        await half.close();
      },
    );

    test('an answer with both kinds of id is ranked as it is', async () => {
      const points = [1, UUIDS[0]!, 2].map((id, n) => ({ id, score: 1, vector: vectors[n]! }));
      const hits = funnel(fromQdrant({ points }), query, { scales: [DIM], keep: 1, metric: 'dot' });
      assert.deepEqual(new Set(idsOf({ hits })), new Set([1, UUIDS[0]!, 2]));
      const rows = points.map(({ id, vector }) => ({ id, vector }));
      assert.deepEqual(
        idsOf({ hits: funnel(rows, query, { scales: [DIM], keep: 1, metric: 'dot' }) }),
        idsOf({ hits }),
      );
      const big = fromQdrant({ points: [...points, { id: 2n ** 60n, score: 1, vector: vectors[3]! }] });
      assert.deepEqual(big.ids, [1n, UUIDS[0]!, 2n, 2n ** 60n]);
      // '7' and 7, or two kinds of integers, may be one id by mistake.
      for (const ids of [
        [7, '7'],
        [7, 7n],
        [7, 7n, UUIDS[0]!],
        [7, 'film'],
        [UUIDS[0]!, 2 ** 53],
      ] as Id[][]) {
        const list = ids.map((id, n) => ({ id, vector: vectors[n]! }));
        assert.throws(() => funnel(list, query), { code: 'BAD_ID' });
      }
    });
  });

  describe('a point without the full vector', () => {
    const lacking = [3, 7];
    const points: Point[] = Array.from({ length: 12 }, (_, n) => ({
      id: n + 1,
      payload: { kind: n % 2 === 0 ? 'even' : 'odd' },
      ...(lacking.includes(n + 1) && { without: ['full'] as const }),
      // No search finds this one; it has what is ranked.
      ...(n + 1 === 5 && { without: ['head'] as const }),
    })) as Point[];
    let collection: string;
    before(async () => {
      collection = await fill('lacking', points);
    });

    over('is named, with what can be done', async (open) => {
      for (const decode of DECODES) {
        const source = open({ collection, ...named, decode });
        const search = new FunnelSearch({ source });
        const what = /"full" in point [37] of Qdrant collection .*missingVectors: 'skip'/;
        // The first over gRPC is always the client's.
        for (let i = 0; i < 2; i++) await rejects(search.query({ vector: query }), 'BAD_RESPONSE', what);
        await rejects(search.queryBatch([{ vector: query }, { vector: query }]), 'BAD_RESPONSE', what);
        await rejects(search.query({ id: 3 }), 'BAD_RESPONSE', /point 3/);
        await rejects(source.fetch({ ids: [1, 7] }), 'BAD_RESPONSE', /point 7/);
        const index = await FunnelIndex.create(':memory:', { dim: DIM, metric: 'dot' });
        await rejects(index.syncFrom(source), 'BAD_RESPONSE', /point 3/);
        await index.close();
      }
    });

    over('is left out and counted, where that is wanted', async (open, kind) => {
      const own = (id: number): Id => (kind === 'gRPC' ? BigInt(id) : id);
      const best = vectors
        .slice(0, 12)
        .map((vector, n) => ({ id: n + 1, score: vector.reduce((sum, x, i) => sum + x * query[i]!, 0) }))
        .filter(({ id }) => !lacking.includes(id))
        .sort((a, b) => b.score - a.score)
        .map(({ id }) => own(id));
      const found = best.filter((id) => id !== own(5));
      for (const decode of DECODES) {
        const source = open({ collection, ...named, decode, missingVectors: 'skip' });
        const search = new FunnelSearch({ source, plan: { candidates: 12, scales: [12, DIM], keep: 1 } });
        for (let i = 0; i < 2; i++) {
          const { hits, stats } = await search.query({ vector: query, limit: 12, withVector: true, withPayload: true });
          assert.deepEqual(idsOf({ hits }), found);
          assert.equal(stats.missingVectors, 2);
          assert.deepEqual(
            stats.stages.slice(0, 2).map(({ in: read, out }) => [read, out]),
            [
              [12, 11],
              [11, 9],
            ],
          );
          for (const { id, vector, payload } of hits) {
            assert.deepEqual(vector, Float32Array.from(vectors[Number(id) - 1]!));
            assert.equal((payload as { n: number }).n, Number(id) - 1);
          }
          const batch = await search.queryBatch([
            { vector: query, limit: 12 },
            { vector: query, limit: 12, filter: { must: { has_id: [3, 7] } } },
            { vector: query, limit: 12, filter: { must: { has_id: [1, 2] } } },
          ]);
          assert.deepEqual(batch.map(idsOf), [found, [], found.filter((id) => id === own(1) || id === own(2))]);
          assert.deepEqual(
            batch.map((one) => one.stats.missingVectors),
            [2, 2, 0],
          );
        }
        const exact = await search.query({ vector: query, mode: 'exact', limit: 12 });
        assert.deepEqual([idsOf(exact), exact.stats.missingVectors], [best, 0]);
        const { groups, stats } = await search.queryGroups({ vector: query, groupBy: 'kind', groupSize: 12 });
        assert.equal(
          groups.reduce((sum, { hits }) => sum + hits.length, 0),
          9,
        );
        assert.deepEqual([stats.missingVectors, stats.groups.complete], [2, false]); // no search finds point 5
        const filter: Filter = { must_not: { has_id: [5] } };
        assert.ok((await search.queryGroups({ vector: query, groupBy: 'kind', filter })).stats.groups.complete);
        const answer = await source.fetch({ ids: [1, 7, 3, 2] });
        assert.deepEqual(answer.rows.ids, [1, 2].map(own));
        assert.deepEqual(new Set(answer.lacking), new Set([3, 7].map(own)));
        // An example cannot be left out.
        await rejects(search.query({ id: 3 }), 'BAD_RESPONSE', /point 3/);
        await rejects(search.recommend({ positive: [1, 7] }), 'BAD_RESPONSE', /point 7/);
        const index = await FunnelIndex.create(':memory:', { dim: DIM, metric: 'dot' });
        const want = { rows: 10, written: 10, deleted: 0, resumed: false, missingVectors: 2 };
        assert.deepEqual(await index.syncFrom(source, { batch: 4 }), want);
        const through = new FunnelSearch({ source, mirror: index, plan: { candidates: 12, scales: [DIM], keep: 1 } });
        const mirrored = await through.query({ vector: query, limit: 12 });
        assert.deepEqual(idsOf(mirrored), found);
        assert.deepEqual(mirrored.stats.mirror, { found: 9, fetched: 0, gone: 0 });
        assert.equal(mirrored.stats.missingVectors, 2);
        await index.close();
      }
    });

    over('that had one is taken out of a mirror, also by a sync that goes on', async (open, kind) => {
      const changing = await fill(
        `changing_${kind}`,
        Array.from({ length: 12 }, (_, n) => ({ id: n + 1 })),
      );
      const source = open({ collection: changing, ...named, missingVectors: 'skip' });
      const index = await FunnelIndex.create(':memory:', { dim: DIM, metric: 'dot' });
      assert.equal((await index.syncFrom(source)).missingVectors, 0);
      await rest.upsert(changing, {
        wait: true,
        points: [2, 11].map((id) => ({ id, vector: { head: vectors[id - 1]!.slice(0, HEAD) }, payload: {} })),
      });
      const stop = new AbortController();
      const cut = index.syncFrom(source, { batch: 4, signal: stop.signal, onProgress: () => stop.abort() });
      await rejects(cut, 'ABORTED', /sync/);
      const { resumed, missingVectors, deleted } = await index.syncFrom(source, { batch: 4 });
      assert.deepEqual([resumed, missingVectors, deleted], [true, 1, 1]);
      const { missingVectors: all, deleted: rest_ } = await index.syncFrom(source);
      assert.deepEqual([all, rest_, index.count], [2, 1, 10]);
      await index.close();
    });

    over('lacks its tail, too', async (open, kind) => {
      const tails = await create(`tails_${kind}`, {
        vectors: { head: { size: HEAD, distance: 'Cosine' }, tail: { size: DIM - HEAD, distance: 'Dot' } },
      });
      await rest.upsert(tails, {
        wait: true,
        points: [1, 2, 3, 4].map((id) => ({
          id,
          vector: { head: vectors[id]!.slice(0, HEAD), ...(id !== 2 && { tail: vectors[id]!.slice(HEAD) }) },
          payload: { norm: 2 },
        })),
      });
      for (const decode of DECODES) {
        const layout = { collection: tails, head: 'head', full: { tail: 'tail', headNorm: 'norm' }, decode };
        for (let i = 0; i < 2; i++) {
          const strict = open(layout).head({ vector: query, candidates: 9 });
          await rejects(strict, 'BAD_RESPONSE', /"tail" in point 2 of .*carries only "head"/);
        }
        const source = open({ ...layout, missingVectors: 'skip' });
        for (let i = 0; i < 2; i++) {
          const { candidates, lacking: left } = await source.head({ vector: query, candidates: 9 });
          assert.deepEqual([candidates.ids!.length, candidates.vectors.length], [3, 3 * DIM]);
          assert.deepEqual(left!.map(Number), [2]);
          const at = Array.from(candidates.ids!, Number).indexOf(4);
          const row = (candidates.vectors as Float32Array).subarray(at * DIM, (at + 1) * DIM);
          assert.deepEqual(Array.from(row.subarray(HEAD)), vectors[4]!.slice(HEAD));
        }
      }
    });

    test('is not one whose vector is of another kind, and the option has two values', async () => {
      const sparse = { indices: [1], values: [1] };
      const client = {
        getCollection: async () => ({
          config: { params: { vectors: { head: { size: 2, distance: 'Dot' }, full: { size: 4, distance: 'Dot' } } } },
        }),
        scroll: async () => ({ points: [] }),
        query: async () => ({ points: [{ id: 1, score: 1, vector: { full: sparse } }] }),
      };
      const source = qdrantSource(client, { collection: 'c', ...named, missingVectors: 'skip' });
      const vector = Float32Array.of(1, 0, 0, 0);
      await rejects(source.head({ vector, candidates: 2 }), 'BAD_RESPONSE', /point 1 under "full".*sparse/);
      const make = (options: object) => () => qdrantSource(client, { collection: 'c', ...options } as never);
      assert.throws(make({ missingVectors: 'ignore' }), { code: 'BAD_ARGUMENT', message: /'error' or 'skip'/ });
      assert.throws(make({ missingVector: 'skip' }), { code: 'BAD_ARGUMENT', message: /missingVector/ });
    });
  });

  describe('names of vectors', () => {
    over('may be left out of a collection with one vector, un-named or named', async (open, kind) => {
      for (const [name, wrap] of [
        ['', (vector: number[]) => vector],
        ['text', (vector: number[]) => ({ text: vector })],
      ] as const) {
        for (const [distance, metric] of [
          ['Cosine', 'cosine'],
          ['Euclid', 'euclid'],
        ] as [string, Metric][]) {
          const config = { size: DIM, distance };
          const collection = await create(`one_${name}_${distance}_${kind}`, {
            vectors: name === '' ? config : { [name]: config },
          });
          const points = vectors.map((vector, n) => ({ id: n + 1, vector: wrap(vector), payload: { n } }));
          await rest.upsert(collection, { wait: true, points });
          const source = open({ collection });
          const { dim, headDim, metric: by } = await source.info();
          assert.deepEqual([dim, headDim, by], [DIM, DIM, metric]);
          const search = new FunnelSearch({ source });
          const { hits } = await search.query({ vector: query, withVector: true });
          const spelled = new FunnelSearch({ source: open({ collection, head: name, full: name }) });
          assert.deepEqual((await spelled.query({ vector: query, withVector: true })).hits, hits);
          assert.deepEqual(idsOf(await search.query({ vector: query, mode: 'exact' })), idsOf({ hits }));
          // The server searches all dims: the scales of a plan re-rank, and a shorter head is nobody's.
          const plan = { scales: [12, DIM], keep: 0.5, candidates: 40 };
          assert.equal((await search.query({ vector: query, plan })).hits.length, 10);
          await rejects(search.query({ vector: query, plan: { ...plan, head: 8 } }), 'BAD_PLAN', /24.*leave it out/);
          const index = await FunnelIndex.create(':memory:', { dim: DIM, metric });
          assert.equal((await index.syncFrom(source)).written, 40);
          await index.close();
        }
      }
    });

    over('are what errors have, with the options to write', async (open) => {
      const two = await fill('two', [{ id: 1 }]).catch(() => `points_two_${process.pid}`);
      const bare = await create('bare', { vectors: { size: DIM, distance: 'Dot' } }).catch(
        () => `points_bare_${process.pid}`,
      );
      const single = await create('single', { vectors: { text: { size: DIM, distance: 'Dot' } } }).catch(
        () => `points_single_${process.pid}`,
      );
      const write = /"head" \(8 dims\), "full" \(24 dims\).*head: "head", full: "full"/;
      await rejects(open({ collection: two }).info(), 'BAD_ARGUMENT', write);
      await rejects(open({ collection: two }).head({ vector: query, candidates: 3 }), 'BAD_ARGUMENT', write);
      await rejects(open({ collection: two, head: 'head', full: 'ful' }).info(), 'NO_FIELD', write);
      const un = /"head" .*one un-named vector \(24 dims\).*head: "", full: "", or leave both out/;
      await rejects(open({ collection: bare, ...named }).info(), 'NO_FIELD', un);
      const only = /"text" \(24 dims\).*head: "text", full: "text", or leave both out/;
      await rejects(open({ collection: single, ...named }).info(), 'NO_FIELD', only);
      for (const names of [{ full: 'text' }, { vectors: { a: {} } }, { vectors: { a: 3 } }]) {
        const make = () => open({ collection: single, ...names } as never);
        assert.throws(make, { code: 'BAD_ARGUMENT' });
      }
      assert.throws(() => open({ collection: single, heads: 'text' } as never), { message: /heads/ });
    });

    over('stand for uint8 and float16 vectors, too', async (open, kind) => {
      for (const datatype of ['uint8', 'float16']) {
        const config = { size: DIM, distance: 'Dot', datatype };
        const collection = await create(`${datatype}_${kind}`, { vectors: config });
        const rows = vectors.map((vector) => vector.map((x) => (datatype === 'uint8' ? Math.round(100 * x + 100) : x)));
        const points = rows.map((vector, n) => ({ id: n + 1, vector }));
        await rest.upsert(collection, { wait: true, points });
        for (const decode of DECODES) {
          const search = new FunnelSearch({ source: open({ collection, decode }) });
          const asked = datatype === 'uint8' ? query.map((x) => Math.round(100 * x + 100)) : query;
          for (let i = 0; i < 2; i++) {
            const { hits } = await search.query({ vector: asked, withVector: true });
            for (const { id, vector } of hits) {
              const row = rows[Number(id) - 1]!;
              const off = Math.max(...vector!.map((x, j) => Math.abs(x - row[j]!)));
              assert.ok(off < (datatype === 'uint8' ? 1e-9 : 1e-3), `${datatype}: ${off}`);
            }
          }
        }
      }
    });

    test('of sparse vectors and multivectors are refused as what they are', async () => {
      const params = {
        vectors: {
          dense: { size: 4, distance: 'Cosine' },
          late: { size: 4, distance: 'Cosine', multivector_config: { comparator: 'max_sim' } },
        },
        sparse_vectors: { bm25: {} },
      };
      const map = {
        dense: { size: 4n, distance: 1 },
        late: { size: 4n, distance: 1, multivectorConfig: { comparator: 0 } },
      };
      const inGrpc = {
        vectorsConfig: { config: { case: 'paramsMap', value: { map } } },
        sparseVectorsConfig: { map: { bm25: {} } },
      };
      const clients = [
        {
          getCollection: async () => ({ config: { params } }),
          scroll: async () => ({ points: [] }),
          query: async () => ({}),
        },
        {
          api: () => ({
            get: async () => ({ result: { config: { params: inGrpc } } }),
            scroll: async () => ({ result: [] }),
          }),
        },
      ];
      for (const client of clients) {
        const info = (names: object) => qdrantSource(client as never, { collection: 'c', ...names } as never).info();
        await rejects(info({ head: 'dense', full: 'bm25' }), 'BAD_ARGUMENT', /"bm25" .*sparse/);
        await rejects(info({ head: 'late', full: 'dense' }), 'BAD_ARGUMENT', /"late" .*multivector/);
        await rejects(info({ head: 'no', full: 'no' }), 'NO_FIELD', /"dense" \(4 dims\)/);
        // Beside them, one dense vector is the one.
        assert.equal((await info({})).dim, 4);
      }
    });
  });
});

/** What every source must do, as one suite. Its oracle is a full scan in this process over the same rows. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { Id, Metric, PackedCandidates } from '../../types.js';
import type { HeadRequest, PackedRows, Source } from '../source.js';
import type { Backend, CollectionSpec, OpenOptions, Row } from './backend.js';
import { COUNT, DIM, HEAD, random, randomVector, rows } from './data.js';
import { blackHole, closedPort, type Failure, rejects, within } from './failures.js';
import { featureConformance } from './features.js';
import { type FunnelData, funnelConformance } from './funnels.js';
import { mirrorConformance } from './mirror.js';

/** Options of the suite beside the backend. */
export interface SuiteOptions {
  /** Of made-up vectors. @default 20261122 */
  seed?: number;
  /** More rows and queries for the comparison of funnels over the source with a plain one. */
  funnels?: readonly FunnelData[];
}

/**
 * Runs the suite over a source, with node:test: to be awaited at the top of a test file. Collections are small, of 60 rows
 * mostly, and made by the backend; all that a source says it supports must be right, and all that it refuses be refused.
 *
 * @param name of the source, for the tests' names
 * @param start makes the backend. Where it fails the suite is skipped with the reason, and with `CI` set in the environment
 *   the failure is thrown
 *
 * @example
 * // my-source.test.mjs, to be run by `node --test`
 * await sourceConformance('My database', async () => ({ supports: { idKinds: { number: 'number' }, exact: 'server' }, ...rest }));
 */
export async function sourceConformance(
  name: string,
  start: () => Promise<Backend>,
  options: SuiteOptions = {},
): Promise<void> {
  let backend!: Backend;
  let reason = '';
  try {
    backend = await start();
  } catch (error) {
    // Continuous integration promises the servers; a laptop may lack them.
    if (process.env['CI']) throw error;
    reason = `the server did not start: ${(error as Error).message}`;
  }
  describe(name, { skip: reason || false }, () => suite(backend, options));
}

function suite(backend: Backend, { seed = 20261122, funnels = [] }: SuiteOptions): void {
  const { supports, filters } = backend;
  const { idKinds } = supports;
  const it = (name: string, body: () => Promise<void>, skip: string | false = false) =>
    void test(name, { skip, timeout: 60_000 }, body);
  /** For tests of what a source need not have. */
  const where =
    (has: unknown, what: string) =>
    (name: string, body: () => Promise<void>): void =>
      it(name, body, has ? false : `no ${what}`);
  const withStrings = where(idKinds.string, 'ids that are strings');
  const withBigIds = where(idKinds.big, 'ids beyond 2^53');
  const withFilters = where(filters, 'native filters');
  const withTails = where(supports.tails, 'layout of head and tail');
  const withDecoders = where(supports.decoders, 'two ways to read vectors');
  const withCollections = where(supports.collections, 'names of collections and vectors');
  const withServer = where(supports.server, 'server');
  const layouts = supports.tails ? (['full', 'tail'] as const) : (['full'] as const);
  const supported = (parts: [string, Partial<CollectionSpec>][]) =>
    parts.filter(
      ([, { ids = 'number', layout }]) => idKinds[ids] !== undefined && (layout !== 'tail' || supports.tails),
    );
  after(() => backend.stop());

  const made = new Map<string, Promise<CollectionSpec>>();
  /** Made once, shared by tests that only read. */
  const shared = (key: string, part: Partial<CollectionSpec> = {}): Promise<CollectionSpec> => {
    let spec = made.get(key);
    if (!spec) {
      spec = make(key, part);
      made.set(key, spec);
    }
    return spec;
  };
  const make = async (key: string, part: Partial<CollectionSpec> = {}): Promise<CollectionSpec> => {
    const spec: CollectionSpec = {
      collection: `conformance_${key}`,
      metric: 'cosine',
      headDim: HEAD,
      dim: DIM,
      layout: 'full',
      ids: 'number',
      rows: [],
      ...part,
    };
    spec.rows = part.rows ?? rows(COUNT, spec.dim, spec.ids, 7);
    await backend.create(spec);
    return spec;
  };
  const open = (spec: CollectionSpec, options: Partial<OpenOptions> = {}): Source =>
    backend.source({
      collection: spec.collection,
      ...(spec.layout === 'tail' ? { full: { tail: 'tail', headNorm: 'norm' } } : {}),
      ...options,
    });
  const head = async (source: Source, request: HeadRequest) => unpacked((await source.head(request)).candidates);
  const query = (dim = DIM) => randomVector(dim, random(99));

  it('info() names head, dims, metric and kind of id', async () => {
    for (const metric of ['cosine', 'dot', 'euclid'] as const) {
      const spec = await shared(metric, { metric });
      assert.deepEqual(await open(spec).info(), {
        headDim: HEAD,
        dim: DIM,
        metric,
        idKind: idKinds.number,
      });
    }
  });

  for (const metric of ['cosine', 'dot', 'euclid'] as const) {
    it(`head() finds what a full scan over the heads finds, under ${metric}, with the full vectors`, async () => {
      const spec = await shared(metric, { metric });
      const vector = query();
      const answer = await open(spec).head({ vector, candidates: 20 });
      const best = scan(spec, vector, HEAD).slice(0, 20);
      const candidates = unpacked(answer.candidates);
      sameOrder(candidates.ids, best, backend);
      assert.equal(candidates.dim, DIM);
      assert.equal(candidates.payloads, undefined);
      assert.ok(answer.headMs >= 0 && answer.decodeMs >= 0);
      candidates.ids.forEach((id, i) => {
        const row = rowOf(spec, id, backend);
        sameVector(
          candidates.vectors.subarray(i * DIM, (i + 1) * DIM),
          row.vector,
          supports.normalises === true && metric === 'cosine',
        );
        const score = scoreOf(metric, vector, row.vector, HEAD);
        assert.ok(
          Math.abs(candidates.headScores![i]! - score) < 1e-4,
          `head score ${candidates.headScores![i]} for ${score}`,
        );
      });
    });
  }

  it('a payload comes as it was asked for: none, all of it, or some fields', async () => {
    const spec = await shared('cosine');
    const vector = query();
    const source = open(spec);
    const all = await head(source, { vector, candidates: 5, withPayload: true });
    const some = await head(source, { vector, candidates: 5, withPayload: ['title', 'even'] });
    const none = await head(source, { vector, candidates: 5, withPayload: false });
    assert.equal(none.payloads, undefined);
    all.ids.forEach((id, i) => {
      const full = backend.payloadOf(rowOf(spec, id, backend));
      assert.deepEqual(all.payloads![i], full);
      assert.deepEqual(some.payloads![i], { title: full['title'], even: full['even'] });
    });
  });

  withFilters('the filter of the request, of the source, and both together restrict what is found', async () => {
    const spec = await shared('cosine');
    const vector = query();
    const { even, small } = filters!;
    const found = async (standing: unknown, requested: unknown) => {
      const source = open(spec, standing === undefined ? {} : { nativeFilter: standing });
      const candidates = await head(source, { vector, candidates: 100, nativeFilter: requested });
      return candidates.ids.map((id) => rowOf(spec, id, backend).n).sort((a, b) => a - b);
    };
    const ns = (keep: (row: Row) => boolean) => spec.rows.filter(keep).map((row) => row.n);
    assert.deepEqual(
      await found(undefined, even),
      ns((row) => row.even),
    );
    assert.deepEqual(
      await found(small, undefined),
      ns((row) => row.n < 10),
    );
    assert.deepEqual(
      await found(small, even),
      ns((row) => row.even && row.n < 10),
    );
  });

  it('more candidates than points are answered with all points', async () => {
    const spec = await shared('cosine');
    const candidates = await head(open(spec), { vector: query(), candidates: 16_384 });
    assert.equal(candidates.ids.length, COUNT);
    assert.equal(candidates.vectors.length, COUNT * DIM);
  });

  withFilters('a filter that matches nothing gives no candidates, of the right dims', async () => {
    const spec = await shared('cosine');
    const candidates = await head(open(spec), {
      vector: query(),
      candidates: 10,
      nativeFilter: filters!.nothing,
      withPayload: true,
    });
    assert.deepEqual(candidates.ids, []);
    assert.deepEqual(candidates.payloads, []);
    assert.equal(candidates.vectors.length, 0);
    assert.equal(candidates.dim, DIM);
  });

  withStrings('ids that are strings keep their kind', async () => {
    const spec = await shared('strings', { ids: 'string' });
    const source = open(spec);
    assert.equal((await source.info()).idKind, idKinds.string);
    const { ids } = await head(source, { vector: query(), candidates: 10 });
    sameOrder(ids, scan(spec, query(), HEAD).slice(0, 10), backend);
  });

  withBigIds('ids beyond 2^53 arrive exactly', async () => {
    const spec = await shared('big', { ids: 'big' });
    const source = open(spec);
    assert.equal((await source.info()).idKind, idKinds.big);
    const { ids } = await head(source, { vector: query(), candidates: 10 });
    sameOrder(ids, scan(spec, query(), HEAD).slice(0, 10), backend);
  });

  where(supports.refusesBigIds, 'ids that are refused')(
    'ids beyond 2^53 are refused over JSON, with the remedy',
    async () => {
      const spec = await shared('big', { ids: 'big' });
      for (const decode of ['fast', 'client'] as const) {
        await rejects(
          open(spec, { decode }).head({ vector: query(), candidates: 10 }),
          'BAD_ID',
          supports.refusesBigIds!,
        );
      }
    },
  );

  withTails('head and tail are joined to the full vector, whatever the server compares heads by', async () => {
    for (const metric of ['cosine', 'dot', 'euclid'] as const) await joined(metric);
  });

  const joined = async (by: Metric) => {
    const spec = await shared(by === 'cosine' ? 'tail' : `tail_${by}`, { layout: 'tail', metric: by });
    const source = open(spec);
    assert.deepEqual(await source.info(), {
      headDim: HEAD,
      dim: DIM,
      metric: 'cosine',
      idKind: idKinds.number,
    });
    for (const withPayload of [false, true, ['title']]) {
      const candidates = await head(source, { vector: query(), candidates: 20, withPayload });
      sameOrder(candidates.ids, scan(spec, query(), HEAD).slice(0, 20), backend);
      candidates.ids.forEach((id, i) => {
        const row = rowOf(spec, id, backend);
        const joined = candidates.vectors.subarray(i * DIM, (i + 1) * DIM) as Float32Array;
        near(joined.subarray(0, HEAD), row.vector.subarray(0, HEAD), 1e-6);
        assert.deepEqual(joined.subarray(HEAD), row.vector.subarray(HEAD));
        // The length is asked for on our behalf and must not show.
        if (Array.isArray(withPayload)) assert.deepEqual(candidates.payloads![i], { title: row.title });
      });
    }
    await rejects(source.full({ vector: query(), limit: 5 }), 'BAD_ARGUMENT', /tail/);
  };

  it('full() finds what a full scan over the whole vectors finds', async () => {
    for (const metric of ['cosine', 'dot', 'euclid'] as const) {
      const spec = await shared(metric, { metric });
      const vector = query();
      const { ids, scores } = await open(spec).full({ vector, limit: 7 });
      sameOrder(ids, scan(spec, vector, DIM).slice(0, 7), backend);
      ids.forEach((id, i) => {
        const score = scoreOf(metric, vector, rowOf(spec, id, backend).vector, DIM);
        assert.ok(Math.abs(scores[i]! - score) < 1e-4, `score ${scores[i]} for ${score}`);
      });
    }
  });

  withDecoders('reading the bytes gives the candidates that the client gives, bit for bit', async () => {
    const big = await shared('wide', { headDim: 128, dim: 768, rows: rows(150, 768, 'number', 11) });
    const tail = await shared('tail', { layout: 'tail' });
    for (const [spec, dim] of [
      [big, 768],
      [tail, DIM],
    ] as const) {
      const fast = open(spec, { decode: 'fast' });
      const plain = open(spec, { decode: 'client' });
      const request = { vector: query(dim), candidates: 128, withPayload: true };
      // The first search over gRPC is always the client's.
      await fast.head(request);
      backend.clientDecoded!();
      const one = await head(fast, request);
      assert.deepEqual(backend.clientDecoded!(), [false], 'the client decoded what should have been read as bytes');
      const other = await head(plain, request);
      assert.deepEqual(backend.clientDecoded!(), [true]);
      assert.deepEqual(one, other);
      const bits = (vectors: ArrayBufferView) =>
        new Uint32Array(vectors.buffer.slice(vectors.byteOffset, vectors.byteOffset + vectors.byteLength));
      assert.deepEqual(bits(one.vectors), bits(other.vectors));
    }
  });

  withDecoders(
    'a batch read as bytes gives what the client gives, and what single searches give, bit for bit',
    async () => {
      for (const key of ['cosine', 'tail'] as const) {
        const spec = await shared(key, key === 'tail' ? { layout: 'tail' } : {});
        const fast = open(spec, { decode: 'fast' });
        const plain = open(spec, { decode: 'client' });
        const requests = Array.from({ length: 5 }, (_, i) => ({
          vector: randomVector(DIM, random(300 + i)),
          candidates: 11,
          withPayload: ['title'],
        }));
        const parts = async (source: Source) =>
          (await source.headBatch!(requests)).map(({ candidates }) => unpacked(candidates));
        // The first over gRPC is always the client's.
        await parts(fast);
        backend.clientDecoded!();
        const one = await parts(fast);
        assert.deepEqual(backend.clientDecoded!(), [false], 'the client decoded what should have been read as bytes');
        assert.deepEqual(await parts(plain), one);
        assert.deepEqual(backend.clientDecoded!(), [true]);
        // A server may add up a batch in another order, so not their head scores.
        for (const [i, request] of requests.entries()) {
          assert.deepEqual({ ...(await head(fast, request)), headScores: [] }, { ...one[i], headScores: [] });
        }
        // Where some have no hits, or none has.
        const { nothing, small } = filters!;
        for (const filters of [
          [nothing, small],
          [nothing, nothing],
        ]) {
          const some = filters.map((nativeFilter) => ({ ...requests[0]!, nativeFilter }));
          const found = (await fast.headBatch!(some)).map(({ candidates }) => candidates.ids!.length);
          assert.deepEqual(
            found,
            filters.map((filter) => (filter === small ? 10 : 0)),
          );
        }
        assert.deepEqual(await fast.headBatch!([]), []);
      }
    },
  );

  it('a head search without vectors gives the same candidates, without them', async () => {
    for (const layout of layouts) {
      const spec = await shared(layout === 'tail' ? 'tail' : 'cosine', { layout });
      const source = open(spec);
      for (const withPayload of [false, true, ['title']]) {
        const request = { vector: query(), candidates: 20, withPayload };
        const { vectors, ...rest } = await head(source, request);
        assert.equal(vectors.length, 20 * DIM);
        const bare = await head(source, { ...request, vectors: false });
        assert.equal(bare.vectors.length, 0);
        assert.deepEqual({ ...bare, vectors: undefined }, { ...rest, vectors: undefined });
      }
    }
  });

  it('fetch() gives rows by id, in the order asked, and leaves out those that are gone', async () => {
    for (const [key, part] of supported([
      ['cosine', {}],
      ['strings', { ids: 'string' }],
      ['tail', { layout: 'tail' }],
    ])) {
      const spec = await shared(key, part);
      const source = open(spec);
      const pool = await head(source, { vector: query(), candidates: 12, withPayload: true });
      const gone = backend.idOf(rows(COUNT + 5, 2, spec.ids, 1).at(-1)!);
      const order = [7, 2, 11, 0].map((i) => pool.ids[i]!);
      for (const decode of ['fast', 'client'] as const) {
        const { rows: found, ms } = await open(spec, { decode }).fetch({
          ids: [...order.slice(0, 2), gone, ...order.slice(2)],
          withPayload: true,
        });
        assert.deepEqual(found.ids, order);
        assert.deepEqual(
          found.payloads,
          [7, 2, 11, 0].map((i) => pool.payloads![i]),
        );
        sameRows(found, (i) => pool.vectors.subarray([7, 2, 11, 0][i]! * DIM, ([7, 2, 11, 0][i]! + 1) * DIM));
        assert.ok(ms >= 0);
      }
      const none = await source.fetch({ ids: [gone] });
      assert.deepEqual([none.rows.ids, none.rows.vectors.length, none.rows.payloads], [[], 0, undefined]);
      assert.deepEqual((await source.fetch({ ids: [] })).rows.ids, []);
    }
  });

  it('scan() gives every row once, page by page, as the source’s filter lets it through', async () => {
    for (const [key, part] of [
      // Not in the order of insertion.
      ['backwards', { rows: rows(COUNT, DIM, 'number', 7).reverse() }],
      ['strings', { ids: 'string' }],
      ['tail', { layout: 'tail' }],
    ] as [string, Partial<CollectionSpec>][]) {
      const spec = await shared(key, part);
      const source = open(spec);
      const pool = await head(source, { vector: query(), candidates: COUNT, withPayload: true });
      const place = new Map(pool.ids.map((id, i) => [id, i]));
      const pages = await scanned(source, { limit: 7, withPayload: true });
      assert.ok(pages.length >= 9, `${pages.length} pages`);
      const seen = pages.flatMap(({ ids }) => ids);
      assert.deepEqual(new Set(seen), new Set(pool.ids));
      assert.equal(seen.length, COUNT);
      for (const page of pages) {
        sameRows(page, (i) => {
          const at = place.get(page.ids[i]!)!;
          assert.deepEqual(page.payloads![i], pool.payloads![at]);
          return pool.vectors.subarray(at * DIM, (at + 1) * DIM);
        });
      }
      const bare = await scanned(source, { limit: 25, vectors: false });
      assert.deepEqual(
        bare.flatMap(({ ids }) => ids),
        seen,
      );
      assert.ok(bare.every((page) => page.vectors.length === 0 && page.payloads === undefined && page.dim === DIM));
    }
    if (filters === undefined) return;
    const spec = await shared('cosine');
    const small = await scanned(open(spec, { nativeFilter: filters.small }), { limit: 4 });
    assert.deepEqual(
      small.flatMap(({ ids }) => ids.map((id) => rowOf(spec, id, backend).n)).sort((a, b) => a - b),
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    );
    const none = await scanned(open(spec, { nativeFilter: filters.nothing }), { limit: 4 });
    assert.deepEqual(
      none.flatMap(({ ids }) => ids),
      [],
    );
  });

  withBigIds('ids beyond 2^53 are scanned and fetched exactly', async () => {
    const spec = await shared('big', { ids: 'big' });
    const source = open(spec);
    const ids = (await scanned(source, { limit: 9 })).flatMap((page) => page.ids);
    assert.deepEqual(new Set(ids), new Set(spec.rows.map((row) => backend.idOf(row))));
    assert.equal(ids.length, COUNT);
    assert.deepEqual((await source.fetch({ ids: ids.slice(3, 6) })).rows.ids, ids.slice(3, 6));
  });

  it('a senseless page or id never leaves the process', async () => {
    const source = open(await shared('cosine'));
    for (const limit of [0, -1, 1.5, Number.NaN]) await rejects(source.scan({ limit }), 'BAD_ARGUMENT', /limit/);
    await rejects(source.fetch({ ids: [1, 'a'] }), 'BAD_ID', /ids\[1\]/);
    await rejects(source.fetch({ ids: [1], withPayload: 3 as never }), 'BAD_ARGUMENT', /withPayload/);
  });

  mirrorConformance(it, backend, supported, make, open);

  it('searches side by side do not mix', async () => {
    const spec = await shared('cosine');
    const source = open(spec);
    const vectors = Array.from({ length: 12 }, (_, i) => randomVector(DIM, random(1000 + i)));
    const answers = await Promise.all(
      vectors.map((vector, i) => source.head({ vector, candidates: 5 + i, withPayload: i % 2 === 0 })),
    );
    answers.forEach(({ candidates }, i) => {
      sameOrder(Array.from(candidates.ids!), scan(spec, vectors[i]!, HEAD).slice(0, 5 + i), backend);
      assert.equal(candidates.payloads !== undefined, i % 2 === 0);
    });
  });

  funnelConformance(backend, seed, funnels);

  featureConformance(it, backend, make, open);

  withCollections('a missing collection is named', async () => {
    const source = backend.source({ collection: 'nowhere' });
    await rejects(source.info(), 'NO_COLLECTION', /nowhere/);
    await rejects(source.head({ vector: query(), candidates: 5 }), 'NO_COLLECTION', /nowhere/);
  });

  withCollections('a missing vector is named, with those that exist', async () => {
    const spec = await shared('cosine');
    await rejects(open(spec, { head: 'haed' }).info(), 'NO_FIELD', /"haed".*"head"/);
    await rejects(open(spec, { full: 'ful' }).head({ vector: query(), candidates: 5 }), 'NO_FIELD', /"ful".*"full"/);
  });

  it('a query of other dims, with NaN, or a senseless count never leaves the process', async () => {
    const spec = await shared('cosine');
    const source = open(spec);
    await rejects(source.head({ vector: query(DIM - 1), candidates: 5 }), 'BAD_DIMS', /24 dims/);
    const broken = query();
    broken[3] = Number.NaN;
    await rejects(source.head({ vector: broken, candidates: 5 }), 'NOT_FINITE', /dim 3/);
    await rejects(source.full({ vector: broken, limit: 5 }), 'NOT_FINITE', /dim 3/);
    for (const candidates of [0, -1, 1.5, Number.NaN]) {
      await rejects(source.head({ vector: query(), candidates }), 'BAD_ARGUMENT', /candidates/);
    }
  });

  where(supports.limit, 'limit')('a limit beyond the database is refused before the search', async () => {
    const spec = await shared('cosine');
    await rejects(open(spec).head({ vector: query(), candidates: 16_385 }), 'BAD_ARGUMENT', /16384/);
    await rejects(open(spec).scan({ limit: 16_385 }), 'BAD_ARGUMENT', /16384/);
  });

  where(filters?.bad, 'filter that the database refuses')(
    'a filter that the database does not understand is refused in its words',
    async () => {
      const spec = await shared('cosine');
      const source = open(spec);
      await assert.rejects(
        source.head({ vector: query(), candidates: 5, nativeFilter: filters!.bad }),
        (error: Failure) => {
          assert.equal(error.name, 'FunnelError');
          assert.ok(['REFUSED', 'BAD_RESPONSE'].includes(error.code), error.code);
          return true;
        },
      );
      // And the next one works.
      await source.head({ vector: query(), candidates: 5 });
    },
  );

  where(supports.loading, 'collection out of memory')(
    'a collection that is not loaded is an error of its own',
    async () => {
      const spec = await make('unloaded');
      const source = open(spec);
      await source.head({ vector: query(), candidates: 5 });
      await backend.unload!(spec.collection);
      await rejects(source.head({ vector: query(), candidates: 5 }), 'NOT_LOADED', /unloaded.*load/);
    },
  );

  withCollections('a collection that was dropped, or made anew with other dims, is noticed', async () => {
    const spec = await make('changing');
    const source = open(spec);
    await source.head({ vector: query(), candidates: 5 });
    await backend.drop(spec.collection);
    await rejects(source.head({ vector: query(), candidates: 5 }), 'NO_COLLECTION', /changing/);
    await backend.create({ ...spec, dim: DIM + 2, rows: rows(COUNT, DIM + 2, 'number', 7) });
    await rejects(source.head({ vector: query(), candidates: 5 }), 'BAD_DIMS', /26 dims/);
    assert.equal((await source.info()).dim, DIM + 2);
    await source.head({ vector: query(DIM + 2), candidates: 5 });
  });

  withCollections('a collection made anew under a source that knows it is noticed on the next search', async () => {
    const spec = await make('swapped');
    const source = open(spec);
    await source.head({ vector: query(), candidates: 5 });
    await backend.drop(spec.collection);
    await backend.create({ ...spec, headDim: HEAD + 1, dim: DIM + 2, rows: rows(COUNT, DIM + 2, 'number', 7) });
    await rejects(source.head({ vector: query(), candidates: 5 }), 'BAD_DIMS', /26/);
  });

  withServer('a server that is down is unreachable', async () => {
    const port = await closedPort();
    const source = backend.elsewhere!(port, { collection: 'any' });
    await rejects(source.info(), 'UNREACHABLE', /any/);
    await rejects(source.head({ vector: query(), candidates: 5 }), 'UNREACHABLE', /any/);
  });

  withServer('a server that never answers runs into the timeout, of the request or of the source', async () => {
    const hole = await blackHole();
    try {
      const source = backend.elsewhere!(hole.port, { collection: 'any', timeout: 300 });
      await rejects(within(2_000, source.info()), 'TIMEOUT', /any.*300 ms/);
      await rejects(within(2_000, source.head({ vector: query(), candidates: 5, timeout: 100 })), 'TIMEOUT', /100 ms/);
    } finally {
      hole.close();
    }
  });

  it('a call is not begun under a signal that was aborted, nor with a senseless deadline', async () => {
    const source = open(await shared('cosine'));
    const request = { vector: query(), candidates: 5 };
    await rejects(source.head({ ...request, signal: AbortSignal.abort() }), 'ABORTED', /aborted/);
    await rejects(source.fetch({ ids: [1], signal: AbortSignal.abort() }), 'ABORTED', /aborted/);
    for (const timeout of [0, -5, Number.NaN]) {
      await rejects(source.head({ ...request, timeout }), 'BAD_ARGUMENT', /timeout/);
      await rejects(source.scan({ limit: 5, timeout }), 'BAD_ARGUMENT', /timeout/);
    }
  });

  withServer('an aborted call ends at once, before it began or while it waits', async () => {
    const hole = await blackHole();
    try {
      const source = backend.elsewhere!(hole.port, { collection: 'any' });
      await rejects(source.head({ vector: query(), candidates: 5, signal: AbortSignal.abort() }), 'ABORTED', /any/);
      const controller = new AbortController();
      const waiting = source.head({ vector: query(), candidates: 5, signal: controller.signal });
      setTimeout(() => controller.abort(new Error('enough')), 50);
      await rejects(within(1_000, waiting), 'ABORTED', /any/);
      await waiting.catch((error: Failure) => assert.equal((error.cause as Error).message, 'enough'));
    } finally {
      hole.close();
    }
  });
}

/** All pages of a source. */
async function scanned(source: Source, request: Omit<Parameters<Source['scan']>[0], 'after'>): Promise<PackedRows[]> {
  const pages: PackedRows[] = [];
  for (let after: string | undefined; ; ) {
    const { rows: page, next } = await source.scan({ ...request, after });
    pages.push(page);
    if (next === undefined) return pages;
    assert.equal(typeof next, 'string');
    after = next;
  }
}

/** Bit for bit. */
function sameRows(rows: PackedRows, want: (row: number) => ArrayLike<number>): void {
  assert.equal(rows.vectors.length, rows.ids.length * rows.dim);
  rows.ids.forEach((_, i) => {
    const vector = (rows.vectors as Float32Array).subarray(i * rows.dim, (i + 1) * rows.dim);
    assert.deepEqual(vector, want(i));
  });
}

/** Candidates of a source in their plain form. */
function unpacked(candidates: PackedCandidates) {
  const { vectors, ids, ...rest } = candidates;
  assert.ok(vectors instanceof Float32Array || vectors instanceof Uint16Array);
  return { ...rest, vectors, ids: Array.from(ids!) };
}

// Oracle

function scoreOf(metric: Metric, a: Float32Array, b: Float32Array, dims: number): number {
  let [dot, aa, bb, squares] = [0, 0, 0, 0];
  for (let i = 0; i < dims; i++) {
    dot += a[i]! * b[i]!;
    aa += a[i]! * a[i]!;
    bb += b[i]! * b[i]!;
    squares += (a[i]! - b[i]!) ** 2;
  }
  return metric === 'dot' ? dot : metric === 'cosine' ? dot / Math.sqrt(aa * bb) : Math.sqrt(squares);
}

interface Scored {
  row: Row;
  score: number;
}

function scan({ metric, rows, layout }: CollectionSpec, vector: Float32Array, dims: number): Scored[] {
  // Heads of the tail layout are normalised, so they rank by cosine under every metric.
  const by = layout === 'tail' ? 'cosine' : metric;
  const sign = by === 'euclid' ? 1 : -1;
  return rows
    .map((row) => ({ row, score: scoreOf(by, vector, row.vector, dims) }))
    .sort((a, b) => sign * (a.score - b.score));
}

/** The same ids in the same order; rows whose scores a float32 cannot tell apart may be swapped. */
function sameOrder(ids: readonly Id[], best: readonly Scored[], backend: Backend): void {
  assert.equal(ids.length, best.length);
  const scores = new Map(best.map(({ row, score }) => [backend.idOf(row), score]));
  best.forEach(({ row, score }, i) => {
    if (ids[i] === backend.idOf(row)) return;
    const there = scores.get(ids[i]!);
    assert.ok(
      there !== undefined && Math.abs(there - score) < 1e-6,
      `Expected id ${backend.idOf(row)} at ${i}, got ${ids[i]}`,
    );
  });
}

function rowOf(spec: CollectionSpec, id: Id, backend: Backend): Row {
  const row = spec.rows.find((one) => backend.idOf(one) === id);
  assert.ok(row, `an id that was never stored: ${String(id)} (${typeof id})`);
  return row;
}

function sameVector(actual: Float32Array | Uint16Array, stored: Float32Array, normalised: boolean): void {
  if (!normalised) assert.deepEqual(actual, stored);
  else {
    const norm = Math.sqrt(stored.reduce((sum, x) => sum + x * x, 0));
    near(
      actual as Float32Array,
      stored.map((x) => x / norm),
      1e-6,
    );
  }
}

function near(actual: Float32Array, expected: Float32Array, tolerance: number): void {
  assert.equal(actual.length, expected.length);
  actual.forEach((value, i) => {
    assert.ok(Math.abs(value - expected[i]!) <= tolerance, `dim ${i}: ${value} for ${expected[i]}`);
  });
}

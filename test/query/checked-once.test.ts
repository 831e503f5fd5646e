/** A request is checked once: what calls of the package's own functions, and turns of its loops, one search costs. */
import assert from 'node:assert/strict';
import { Session } from 'node:inspector/promises';
import { after, describe, it } from 'node:test';
import { FunnelError, FunnelSearch, type SearchRequest, type Source } from 'funnelvec';
import { embeddedSource, FunnelIndex } from 'funnelvec/store';
import { checkedSearch, filtersOf } from '#dist/query/request.js';
import { Random, SEED } from '../random.js';

/** Long, so that a loop over a vector turns more often than any other. */
const DIM = 3000;
const PLAN = { scales: [1000, DIM], keep: 0.5, limit: 5 };

interface Counts {
  /** Calls of the package's functions, by name. */
  calls: Map<string, number>;
  /** Functions outside the kernels with a loop that turned at least so often as one over a vector, eight dims a turn. */
  loops: string[];
}

/** Started before the first call: turns of loops are counted in functions that are compiled from now on. */
const session = new Session();
session.connect();
await session.post('Profiler.enable');
await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
after(() => session.disconnect());

/** The calls that V8 counted while `run` ran. */
async function counted(run: () => unknown): Promise<Counts> {
  await session.post('Profiler.takePreciseCoverage');
  await run();
  const { result } = await session.post('Profiler.takePreciseCoverage');
  const calls = new Map<string, number>();
  const loops: string[] = [];
  for (const { url, functions } of result) {
    if (!url.includes('/dist/esm/')) continue;
    for (const { functionName, ranges } of functions) {
      const [whole] = ranges;
      if (whole!.count > 0) calls.set(functionName, (calls.get(functionName) ?? 0) + whole!.count);
      const turns = Math.max(...ranges.map(({ count }) => count));
      if (turns >= DIM / 8 && !url.includes('/kernels/')) loops.push(functionName);
    }
  }
  return { calls, loops };
}

function calls({ calls: of }: Counts, ...names: string[]): number[] {
  return names.map((name) => of.get(name) ?? 0);
}

/** A source of somebody else's. */
function sourceOf(random: Random): Source {
  const vectors = random.vector(8 * DIM);
  return {
    name: 'memory',
    info: async () => ({ headDim: DIM, dim: DIM, metric: 'cosine', idKind: 'number' }),
    head: async () => ({
      candidates: { vectors: vectors.slice(), dim: DIM, ids: [0, 1, 2, 3, 4, 5, 6, 7] },
      headMs: 0,
      decodeMs: 0,
    }),
    full: () => assert.fail('not asked for'),
    fetch: async ({ ids }) => {
      const rows = { vectors: random.vector(ids.length * DIM), dim: DIM, ids: [...ids] };
      return { rows, ms: 0 };
    },
    scan: () => assert.fail('not asked for'),
  };
}

async function indexOf(random: Random): Promise<FunnelIndex> {
  const index = await FunnelIndex.create(':memory:', { dim: DIM });
  await index.upsert(Array.from({ length: 8 }, (_, id) => ({ id, vector: random.vector(DIM) })));
  return index;
}

describe('one search', () => {
  it('looks once at its query vector, whatever it is searched by', async () => {
    const random = new Random(SEED);
    const search = new FunnelSearch({ source: sourceOf(random), plan: PLAN });
    const vector = random.vector(DIM);
    const requests: SearchRequest[] = [{ vector }, { vector, plan: PLAN }, { id: 3 }, { vector, offset: 0, limit: 3 }];
    for (const request of requests) {
      await search.query(request); // what is made once is not counted
      const counts = await counted(() => search.query(request));
      assert.deepEqual(counts.loops, ['measure'], Object.keys(request).join());
      assert.deepEqual(calls(counts, 'measure', 'checkQuery', 'allFinite', 'isZero'), [1, 0, 0, 0]);
    }
    // That of an array is in the pass that makes floats of it, too.
    const given = { vector: Array.from(vector) };
    assert.deepEqual((await counted(() => search.query(given))).loops.sort(), ['measure', 'packNumbers']);
  });

  it('over an index looks once at its query vector, and so do a batch, a recommendation and groups', async () => {
    const random = new Random(SEED + 1);
    const index = await indexOf(random);
    const [vector, other] = [random.vector(DIM), random.vector(DIM)];
    const search = new FunnelSearch({ source: embeddedSource(index), plan: PLAN });
    const filter = { must: [{ has_id: [1, 2, 3, 4] }] };
    const cases: [string, number, () => Promise<unknown>][] = [
      ['query', 1, () => search.query({ vector })],
      ['query under a filter', 1, () => search.query({ vector, filter })],
      ['exact query', 1, () => search.query({ vector, mode: 'exact' })],
      ['batch', 2, () => search.queryBatch([{ vector }, { vector: other }])],
      ['groups', 1, () => search.queryGroups({ vector, groupBy: 'x' })],
      // One for each example, and one for the vector that is made of them.
      ['recommendation', 3, () => search.recommend({ positive: [vector], negative: [other] })],
      ['recommendation by strategy', 3, () => search.recommend({ positive: [vector, other], strategy: 'best_score' })],
      ['the index itself', 1, () => index.query({ vector })],
      ['its recommendation', 1, () => index.recommend({ positive: [vector] })],
    ];
    for (const [name, looks, run] of cases) {
      await run();
      const counts = await counted(run);
      assert.deepEqual(calls(counts, 'measure', 'checkQuery', 'allFinite'), [looks, 0, 0], name);
    }
    await index.close();
  });

  it('has its plan checked once, and that of the search is checked when the search is made', async () => {
    const random = new Random(SEED + 2);
    const source = sourceOf(random);
    const vector = random.vector(DIM);
    const own = await counted(() => new FunnelSearch({ source, plan: PLAN }));
    assert.deepEqual(calls(own, 'checkPlan'), [1]);
    const search = new FunnelSearch({ source, plan: PLAN });
    assert.deepEqual(calls(await counted(() => search.query({ vector })), 'checkPlan'), [0]);
    assert.deepEqual(calls(await counted(() => search.query({ vector, plan: PLAN })), 'checkPlan'), [1]);
  });

  it('goes by the plan that it was given, whatever becomes of the object', async () => {
    const random = new Random(SEED + 3);
    const plan = { ...PLAN, scales: [...PLAN.scales] };
    const search = new FunnelSearch({ source: sourceOf(random), plan });
    plan.scales[1] = DIM + 1;
    plan.limit = 1;
    assert.equal((await search.query({ vector: random.vector(DIM) })).hits.length, 5);
  });

  it('has a plan that is too long for the vectors refused in the same words, whoever gave it', async () => {
    const random = new Random(SEED + 4);
    const source = sourceOf(random);
    const vector = random.vector(DIM);
    const plan = { scales: [8, DIM + 1], keep: 0.5 };
    const message = `Expected a prefix length in 1..${DIM} (the vectors have ${DIM} dims) for scales[1] but received 3001 of type number`;
    await assert.rejects(new FunnelSearch({ source, plan }).query({ vector }), { code: 'BAD_PLAN', message });
    await assert.rejects(new FunnelSearch({ source }).query({ vector, plan }), { code: 'BAD_PLAN', message });
    const head = { head: DIM + 1, scales: [8], keep: 0.5 };
    const refused = {
      code: 'BAD_PLAN',
      message: `Expected a prefix length in 1..${DIM} for head but received 3001 of type number`,
    };
    await assert.rejects(new FunnelSearch({ source, plan: head }).query({ vector }), refused);
  });
});

describe('a source that is asked by others than a search', () => {
  it('still refuses a vector with NaN, of other dims, of zeros, or none at all', async () => {
    const random = new Random(SEED + 5);
    const index = await indexOf(random);
    const source = embeddedSource(index);
    const vector = random.vector(DIM);
    vector[7] = Number.NaN;
    await assert.rejects(source.head({ vector, candidates: 3 }), { code: 'NOT_FINITE' });
    await assert.rejects(source.head({ vector: vector.slice(0, 5), candidates: 3 }), { code: 'BAD_DIMS' });
    await assert.rejects(source.head({ vector: undefined as never, candidates: 3 }), { code: 'BAD_ARGUMENT' });
    await assert.rejects(index.query({ vector: new Float32Array(DIM) }), { code: 'ZERO_QUERY' });
    await assert.rejects(source.head({ vector: new Float32Array(DIM), candidates: 3 }), { code: 'ZERO_QUERY' });
    await index.close();
  });

  it('refuses what lost its memory on the way to it', async () => {
    const random = new Random(SEED + 6);
    const index = await indexOf(random);
    const inner = embeddedSource(index);
    const source: Source = {
      name: inner.name,
      info: (options) => inner.info(options),
      full: (request) => inner.full(request),
      fetch: (request) => inner.fetch(request),
      scan: (request) => inner.scan(request),
      head: (request) => {
        structuredClone(request.vector, { transfer: [request.vector.buffer as ArrayBuffer] });
        return inner.head(request);
      },
    };
    await assert.rejects(
      new FunnelSearch({ source }).query({ vector: random.vector(DIM) }),
      (error) => error instanceof FunnelError && error.code === 'DETACHED_BUFFER',
    );
    await index.close();
  });
});

describe('keys that requests to databases have', () => {
  it('are refused by both classes, with what they are called here', async () => {
    const random = new Random(SEED + 7);
    const index = await indexOf(random);
    const search = new FunnelSearch({ source: embeddedSource(index) });
    const vector = random.vector(DIM);
    const cases: [object, string, string][] = [
      [{ top: 5 }, 'limit', 'top'],
      [{ topK: 5 }, 'limit', 'topK'],
      [{ top_k: 5 }, 'limit', 'top_k'],
      [{ k: 5 }, 'limit', 'k'],
      [{ where: {} }, 'filter', 'where'],
      [{ score_threshold: 0.5 }, 'scoreThreshold', 'score_threshold'],
      [{ with_payload: true }, 'withPayload', 'with_payload'],
      [{ with_vectors: true }, 'withVector', 'with_vectors'],
      [{ max_depth: 5, other: 1 }, 'maxDepth', 'max_depth'],
    ];
    for (const [extra, ours, theirs] of cases) {
      const request = { vector, ...extra };
      await assert.rejects(search.query(request), {
        code: 'BAD_ARGUMENT',
        message: `Expected ${ours} in the request but received ${theirs}: its name here is ${ours}`,
      });
      await assert.rejects(index.query(request), {
        code: 'BAD_ARGUMENT',
        message: `Expected ${ours} in the query of an embedded index but received ${theirs}`,
      });
    }
    await index.close();
  });

  it('and other names of the vector, or the vector itself, too', async () => {
    const random = new Random(SEED + 9);
    const index = await indexOf(random);
    const search = new FunnelSearch({ source: embeddedSource(index) });
    const vector = random.vector(DIM);
    for (const store of [search, index]) {
      for (const name of ['embedding', 'queryVector']) {
        await assert.rejects(store.query({ [name]: vector } as never), {
          code: 'BAD_ARGUMENT',
          message: new RegExp(`^Expected vector, an array of numbers, in .* but received ${name}`),
        });
      }
      for (const given of [vector, Array.from(vector)]) {
        await assert.rejects(store.query(given as never), {
          code: 'BAD_ARGUMENT',
          message:
            /^Expected \{ vector, limit, \.\.\. \} for the (request|query) but received an? (array|Float32Array)/i,
        });
      }
    }
    await index.close();
  });

  it('and pages too deep are refused by both classes in the same words', async () => {
    const random = new Random(SEED + 8);
    const index = await indexOf(random);
    const search = new FunnelSearch({ source: embeddedSource(index) });
    const request = { vector: random.vector(DIM), offset: 95 };
    const refused = {
      code: 'TOO_DEEP',
      message:
        'Expected offset + limit of at most maxDepth (100) but received 95 + 10: pages are cut from one list of that ' +
        'depth; ask with maxDepth: 105 or more, the same for every page',
    };
    await assert.rejects(search.query(request), refused);
    await assert.rejects(index.query(request), refused);
    await index.close();
  });

  it('keeps options of any request in objects of one shape, since V8 makes a map for each copy that gets more keys', () => {
    const vector = new Float32Array(4).fill(1);
    const { signal } = new AbortController();
    const requests: SearchRequest[] = [
      { vector },
      { limit: 3, vector, withPayload: true },
      { vector, offset: 0, filter: { must: [{ key: 'a', match: { value: 1 } }] }, timeout: 5, signal },
      { id: 7, mode: 'exact', explain: true },
    ];
    const shapes = requests.map((request) => Object.keys(checkedSearch(request, filtersOf(false)).options));
    for (const keys of shapes) assert.deepEqual(keys, shapes[0]);
    assert.equal(shapes[0]!.includes('vector'), false);
  });
});

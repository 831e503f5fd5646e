/** Where stages run, over a source in memory: what a source of one's own is asked, and what is refused. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FunnelSearch, funnel, type HeadRequest, type Source, type StagedRequest } from 'funnelvec';
import { Random, SEED } from '../random.js';

const [HEAD, DIM, COUNT] = [8, 32, 300];
const rows = Array.from({ length: COUNT }, () => new Random(SEED).vector(DIM));
const random = new Random(SEED + 1);
for (const row of rows) row.set(random.vector(DIM));
const vector = random.vector(DIM);

/** Ranks in double precision, or by scores that are off. */
function rankingSource(off = 0) {
  const asked: (HeadRequest | StagedRequest)[] = [];
  const best = (some: readonly number[], dims: number, limit: number) =>
    funnel(
      some.map((id) => ({ id, vector: rows[id]! })),
      vector,
      { scales: [dims], keep: 1, limit },
    );
  const answer = (hits: ReturnType<typeof best>, vectors = true) => ({
    candidates: {
      vectors: Float32Array.from(vectors ? hits.flatMap(({ id }) => Array.from(rows[Number(id)]!)) : []),
      dim: DIM,
      ids: hits.map(({ id }) => id),
      headScores: hits.map(({ score }, i) => score + (i % 2 === 0 ? off : -off)),
    },
    headMs: 1,
    decodeMs: 1,
  });
  const all = rows.map((_, i) => i);
  const source = {
    name: 'the shelf',
    info: async () => ({ headDim: HEAD, dim: DIM, metric: 'cosine', idKind: 'number' }),
    head: async (request: HeadRequest) => {
      asked.push(request);
      return answer(best(all, HEAD, request.candidates), request.vectors);
    },
    serverScales: async () => ({ scales: [16, DIM], metric: 'cosine' }),
    funnel: async (request: StagedRequest) => {
      asked.push(request);
      let some = best(all, HEAD, request.candidates);
      for (const { scale, keep } of request.stages) {
        some = best(
          some.map(({ id }) => Number(id)),
          scale,
          keep,
        );
      }
      return answer(some.slice(request.offset ?? 0), request.vectors);
    },
    fetch: async () => assert.fail('nothing to fetch'),
  };
  return { source: source as never as Source, asked };
}

const ranked = ({ hits }: { hits: readonly { id: unknown; score: number }[] }) =>
  hits.map(({ id, score }) => [id, score]);

describe('stages that a source runs', () => {
  it('are those of the plan that prune, by the scales that it has', async () => {
    const { source, asked } = rankingSource();
    const search = new FunnelSearch({ source, rescore: true });
    const plan = { scales: [12, 16, DIM], keep: [1, 0.25, 0.5], candidates: 100 };
    const answer = await search.query({ vector, plan });
    assert.equal(answer.stats.ran.on, 'server');
    const [request] = asked as [StagedRequest];
    assert.equal(request.candidates, 100);
    assert.deepEqual(request.stages, [
      { scale: 16, keep: 25 },
      { scale: DIM, keep: 11 },
    ]);
    assert.deepEqual([request.offset, request.vectors], [0, true]);
    assert.deepEqual(ranked(answer), ranked(await search.query({ vector, plan, stages: 'client' })));
  });

  it('end where its scores tell rows apart; else the same stages run here', async () => {
    const { source, asked } = rankingSource(0.01);
    const search = new FunnelSearch({ source, rescore: true });
    const plan = { scales: [16, DIM], keep: [0.5, 1], candidates: 100 };
    const answer = await search.query({ vector, plan });
    assert.equal(answer.stats.ran.on, 'client');
    assert.match(answer.stats.ran.why, /float32/);
    assert.equal(asked.length, 2);
    assert.deepEqual(ranked(answer), ranked(await search.query({ vector, plan, stages: 'client' })));
    const [one, two] = await search.queryBatch([
      { vector, plan },
      { vector, plan, rescore: false },
    ]);
    assert.deepEqual(ranked(one!), ranked(answer));
    assert.deepEqual([one!.stats.ran.on, two!.stats.ran.on, two!.stats.scores], ['client', 'server', 'server']);
  });

  it('are not asked for where they are not offered', async () => {
    for (const missing of ['funnel', 'serverScales'] as const) {
      const { source, asked } = rankingSource();
      const search = new FunnelSearch({ source: { ...source, [missing]: undefined } as never });
      const { stats } = await search.query({ vector });
      assert.deepEqual(stats.ran, { on: 'client', why: 'the shelf cannot run stages' });
      assert.ok(!('stages' in asked[0]!));
      await assert.rejects(search.query({ vector, stages: 'server' }), {
        code: 'UNSUPPORTED',
        message: /stages: 'server' but the shelf cannot run stages: ask for stages 'auto' or 'client'/,
      });
    }
    const { source } = rankingSource();
    const why = 'it is a shelf';
    const told = { ...source, serverScales: async () => ({ scales: [16], metric: 'cosine' as const, why }) };
    assert.deepEqual((await new FunnelSearch({ source: told }).query({ vector })).stats.ran, { on: 'client', why });
  });

  it('have a default in the constructor, which a request may change', async () => {
    const { source } = rankingSource();
    const search = new FunnelSearch({ source, stages: 'client' });
    assert.deepEqual((await search.query({ vector })).stats.ran, { on: 'client', why: 'as was asked for' });
    assert.equal((await search.query({ vector, stages: 'auto' })).stats.ran.on, 'server');
    for (const given of [{}, { rescore: false }]) {
      const usual = new FunnelSearch({ source, ...given });
      const { hits, stats } = await usual.query({ vector });
      assert.deepEqual([hits.length, stats.scores], [10, 'server']);
    }
    const theirs = new FunnelSearch({ source, rescore: false });
    assert.equal((await theirs.query({ vector, rescore: true })).stats.scores, undefined);
    assert.equal((await theirs.query({ vector, stages: 'client' })).stats.scores, undefined);
    const server = new FunnelSearch({ source, stages: 'server' });
    await assert.rejects(server.query({ vector, explain: true }), { code: 'UNSUPPORTED', message: /explain/ });
    await assert.rejects(server.queryGroups({ vector, groupBy: 'x' }), { code: 'UNSUPPORTED', message: /groups/ });
  });

  it('are run here where the database tells no scores to compare with', async () => {
    const { source } = rankingSource();
    const silent = {
      ...source,
      funnel: async (request: StagedRequest) => {
        const answer = await source.funnel!(request);
        return { ...answer, candidates: { ...answer.candidates, headScores: undefined } };
      },
    } as Source;
    const here = await new FunnelSearch({ source }).query({ vector, stages: 'client' });
    const { hits, stats } = await new FunnelSearch({ source: silent, rescore: true }).query({ vector });
    assert.deepEqual([ranked({ hits }), stats.ran.on], [ranked(here), 'client']);
  });

  it('that make no sense are refused before any work', async () => {
    const { source, asked } = rankingSource();
    const bad = { code: 'BAD_ARGUMENT' };
    assert.throws(() => new FunnelSearch({ source, stages: 'sever' as never }), { ...bad, message: /stages.*sever/ });
    assert.throws(() => new FunnelSearch({ source, stages: 'mirror' }), { ...bad, message: /mirror/ });
    assert.throws(() => new FunnelSearch({ source, rescore: 1 as never }), { ...bad, message: /rescore/ });
    assert.throws(() => new FunnelSearch({ source, stages: 'client', rescore: false }), { ...bad, message: /rescore/ });
    const search = new FunnelSearch({ source });
    for (const request of [
      { stages: 'mirror' },
      { stages: 0 },
      { rescore: 'yes' },
      { stages: 'client', rescore: false },
      { mode: 'exact', stages: 'server' },
      { mode: 'exact', rescore: false },
    ]) {
      await assert.rejects(search.query({ vector, ...request } as never), bad, JSON.stringify(request));
    }
    const here = new FunnelSearch({ source, stages: 'client' });
    const unused = { ...bad, message: /true or nothing beside stages 'client'.*rescore/ };
    await assert.rejects(here.query({ vector, rescore: false }), unused);
    await assert.rejects(here.queryBatch([{ vector }, { vector, rescore: false }]), {
      ...bad,
      message: /requests\[1\]/,
    });
    await assert.rejects(here.queryGroups({ vector, rescore: false, groupBy: 'n' }), unused);
    await assert.rejects(here.recommend({ positive: [vector], rescore: false }), unused);
    assert.equal(asked.length, 0);
    // The request's own word on stages comes first.
    await here.query({ vector, stages: 'auto', rescore: false });
    assert.equal(asked.length, 1);
  });
});

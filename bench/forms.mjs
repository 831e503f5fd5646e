// Every form of a request to a FunnelSearch over an index, or on a mirror, beside the index's own query for the same hits: the
// microseconds that the search adds. Where an index cannot say a form, the nearest that it can say stands beside it, and why.
import { quantile } from './measure.mjs';

const [LIMIT, POOL] = [10, 128];
/** Rows that a request scores in full where it names none. */
const SCORED = { index: 128, mirror: 32 };

/**
 * Forms: `over` is asked of the search; `own` of the index, given the rows that the search scores, `scored` where that is not SCORED;
 * `nearest` says why that is no equal.
 */
function formsOf({ dim, funnel, mean }) {
  const { signal } = new AbortController();
  const filter = { must: [{ key: 'tag', range: { gte: 10 } }] };
  const oneScale = { scales: [dim], keep: 1, candidates: POOL };
  const plan = { scales: [dim / 4, dim / 2, dim], keep: 0.5, candidates: POOL };
  const own = (more) => (index, vector, candidates) =>
    index.query({ vector, limit: LIMIT, params: { candidates }, ...more });
  const exact = (more) => (index, vector) => index.query({ vector, limit: LIMIT, mode: 'exact', ...more });
  const pool = (index, vector) => index.query({ vector, limit: POOL, params: { candidates: POOL }, withVector: true });
  const without = (ids) => (index, _, candidates) =>
    index.query({ vector: mean, limit: LIMIT, params: { candidates }, filter: { must_not: [{ has_id: ids }] } });
  const ranked = async (index, vector) => {
    const { hits } = await pool(index, vector);
    const vectors = new Float32Array(hits.length * dim);
    for (const [i, hit] of hits.entries()) vectors.set(hit.vector, i * dim);
    return funnel({ vectors, dim, ids: hits.map(({ id }) => id) }, vector, { ...plan, limit: LIMIT });
  };
  const deep = { index: 400, mirror: 200 };
  const limits = 'an index knows no limits of a call';
  const best = `its ${POOL} best with their vectors`;
  return [
    { name: 'plain', over: {}, own: own({}) },
    { name: 'a plan of one scale', over: { plan: oneScale }, own: own({}), scored: { index: POOL, mirror: POOL } },
    { name: '`limit: 100`', over: { limit: 100 }, own: own({ limit: 100 }), scored: deep },
    { name: '`filter`', over: { filter }, own: own({ filter }) },
    { name: '`withPayload`', over: { withPayload: true }, own: own({ withPayload: true }) },
    { name: '`withPayload` of a path', over: { withPayload: ['text'] }, own: own({ withPayload: ['text'] }) },
    { name: '`withVector`', over: { withVector: true }, own: own({ withVector: true }) },
    { name: '`scoreThreshold`', over: { scoreThreshold: 0.1 }, own: own({ scoreThreshold: 0.1 }) },
    { name: '`offset`', over: { offset: 10 }, own: own({ offset: 10 }), scored: deep },
    { name: '`rescore: true`', over: { rescore: true }, own: own({}) },
    { name: "`stages: 'client'`", over: { stages: 'client' }, own: own({}) },
    { name: "`mode: 'exact'`", over: { mode: 'exact' }, own: exact({}) },
    {
      name: '`params.probes`',
      over: { params: { probes: 4 } },
      own: (index, vector, candidates) => index.query({ vector, limit: LIMIT, params: { candidates, probes: 4 } }),
    },
    {
      name: '`params.exact`',
      over: { params: { exact: true } },
      own: (index, vector, candidates) => exact({ limit: candidates })(index, vector),
      nearest: 'all candidates are certified: as many hits',
    },
    { name: '`queryBatch()` of 8, a query', batch: 8, over: {}, own: own({}) },
    { name: '`timeout`', over: { timeout: 60_000 }, own: own({}), nearest: limits },
    { name: '`signal`', over: { signal }, own: own({}), nearest: limits },
    { name: '`timeout` and `signal`', over: { timeout: 60_000, signal }, own: own({}), nearest: limits },
    {
      name: 'a plan of three scales',
      over: { plan },
      own: ranked,
      nearest: `an index ranks by all dims; ${best}, and funnel()`,
    },
    { name: '`explain`', over: { explain: true }, own: pool, nearest: `an index explains nothing; ${best}` },
    { name: 'by `id`', by: { id: 5 }, over: {}, own: without([5]), nearest: 'by a vector, without the point' },
    {
      name: '`recommend()` by three',
      call: 'recommend',
      by: { positive: [1, 2], negative: [3] },
      over: {},
      own: without([1, 2, 3]),
      nearest: "an index's own is this; by a vector, without the points",
    },
    {
      name: '`queryGroups()`',
      call: 'queryGroups',
      over: { groupBy: 'tag', groupSize: 2, limit: 5 },
      own: exact({ limit: 40, withPayload: true }),
      nearest: "an index's own is this; its 40 best, exactly, with payloads",
    },
  ];
}

/** @param places the search over, and the index of, each of `index` and `mirror` */
export async function measureForms(places, { asked, dim, funnel, random, turns }) {
  const measured = [];
  for (const form of formsOf({ dim, funnel, mean: asked[0] })) {
    const one = { ...form, at: {} };
    for (const [where, { search, index }] of Object.entries(places)) {
      one.at[where] = await inPairs(form, search, index, form.scored?.[where] ?? SCORED[where], {
        asked,
        random,
        turns,
      });
    }
    measured.push(one);
  }
  return measured;
}

/** Microseconds of the search and of the index, by turn. */
async function inPairs(form, search, index, candidates, { asked, random, turns }) {
  const { batch = 1, over, by, call = 'query', own } = form;
  const vectorOf = (q) => asked[q % asked.length];
  const requestOf = (q) => ({ ...(by ?? { vector: vectorOf(q) }), limit: LIMIT, ...over });
  const many = (of) => (q) => Array.from({ length: batch }, (_, i) => of(q + i));
  const ownOf = (q) => ({ vector: vectorOf(q), limit: LIMIT, params: { candidates } });
  const ways = [
    batch > 1 ? (q) => search.queryBatch(many(requestOf)(q)) : (q) => search[call](requestOf(q)),
    batch > 1 ? (q) => index.queryBatch(many(ownOf)(q)) : (q) => own(index, vectorOf(q), candidates),
  ];
  const taken = [[], []];
  for (let turn = -turns; turn < turns; turn++) {
    const first = random() < 0.5 ? 0 : 1;
    for (const way of [first, 1 - first]) {
      const began = performance.now();
      await ways[way](turn + turns);
      if (turn >= 0) taken[way].push((1000 * (performance.now() - began)) / batch);
    }
  }
  const [ours, theirs] = taken;
  return {
    own: quantile(theirs, 0.5),
    added: quantile(
      ours.map((value, turn) => value - theirs[turn]),
      0.5,
    ),
    quiet: quantile(ours, 0.1) - quantile(theirs, 0.1),
  };
}

/** A row a form; what has an equal is to add at most so much. */
export function formsTable(measured) {
  const places = Object.keys(measured[0].at);
  const heads = places.flatMap((where) => [`own, ${where}`, `added, ${where}`, 'of p10']);
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const rows = measured.map(({ name, at, nearest = '' }) => {
    const cells = places.flatMap((where) => {
      const { own, added, quiet } = at[where];
      return [own, added, quiet].map((value) => value.toFixed(0));
    });
    return line([name, ...cells, nearest]);
  });
  return [line(['µs', ...heads, 'beside']), line(['---', ...heads.map(() => '--:'), '---']), ...rows].join('\n');
}

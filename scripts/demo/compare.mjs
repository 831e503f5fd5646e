// The three searches side by side, as plain data.
import { FunnelSearch, funnel } from 'funnelvec';
import { median } from './numbers.mjs';

/** Pools whose recall is told apart in the summary. */
const POOLS = [32, 64, 128, 256, 512];
const WARM_UP = 3;

/** @param {{ source, plan, describe: (id: number) => { word: string, gloss: string } }} options */
export function makeComparison({ source, plan, describe }) {
  const search = new FunnelSearch({ source, plan });
  const { limit } = plan;
  const withPayload = ['word', 'gloss'];

  /** The three lists, each from a call of its own, so that each time is a whole one. */
  async function searchThreeWays(vector) {
    const head = await source.head({ vector, candidates: limit, withPayload });
    const funnelled = await search.query({ vector, withPayload });
    const full = await source.full({ vector, limit });
    const ms = (name) => funnelled.stats.stages.find((stage) => stage.name === name).ms;
    const times = {
      headOnly: head.headMs + head.decodeMs,
      funnel: { head: ms('head'), decode: ms('decode'), rerank: ms('funnel') },
      full: full.ms,
    };
    times.funnel.total = times.funnel.head + times.funnel.decode + times.funnel.rerank;
    return { head: head.candidates, hits: funnelled.hits, stats: funnelled.stats, full, times };
  }

  return {
    /** The first calls of a process pay for connections and compilation. */
    async warmUp(vectors) {
      for (const vector of vectors.slice(0, WARM_UP)) {
        await searchThreeWays(vector);
        await search.query({ vector, explain: true });
      }
    },

    async compare({ text, vector }) {
      const { head, hits, full, times } = await searchThreeWays(vector);
      // Explaining runs the stages one by one, which takes longer: another call, whose total is not told.
      const { explanation } = await search.query({ vector, explain: true });
      const fullIds = full.ids.map(Number);
      const headIds = Array.from(head.ids, Number);
      const hitIds = hits.map((hit) => Number(hit.id));
      return {
        text,
        head: headIds.map((id, i) => ({
          id,
          ...head.payloads[i],
          score: head.headScores[i],
          inFull: fullIds.includes(id),
        })),
        funnel: hits.map(({ score, payload, index }, i) => ({
          id: hitIds[i],
          ...payload,
          score,
          headRank: index,
          inFull: fullIds.includes(hitIds[i]),
        })),
        full: fullIds.map((id, i) => ({
          id,
          ...describe(id),
          score: full.scores[i],
          inHead: headIds.includes(id),
          inFunnel: hitIds.includes(id),
        })),
        kept: { head: common(headIds, fullIds), funnel: common(hitIds, fullIds), of: fullIds.length },
        times: rounded(times),
        stages: explanation.stages.map((stage) => ({
          scale: stage.scale,
          in: stage.in,
          out: stage.out,
          ms: round(stage.ms),
        })),
        missed: full.ids.flatMap((id, fullRank) => {
          const fate = explanation.find(id);
          return fate.outcome === 'hit' ? [] : [{ id: Number(id), ...describe(Number(id)), fullRank, fate }];
        }),
      };
    },

    async summarise(vectors, rows, onProgress = () => {}) {
      const pools = [...new Set([...POOLS, plan.candidates])]
        .filter((pool) => pool >= limit && pool <= rows)
        .sort((a, b) => a - b);
      const kept = { head: 0, funnel: 0, pools: pools.map(() => 0) };
      const lost = { total: 0, notInPool: 0, dropped: 0 };
      const times = [];
      for (const [i, vector] of vectors.entries()) {
        const found = await searchThreeWays(vector);
        times.push(found.times);
        const { ids } = found.full;
        kept.head += good(scored(found.head, vector), found.full);
        const hitIds = found.hits.map((hit) => hit.id);
        const right = good(found.hits, found.full);
        kept.funnel += right;

        // One wide head search is enough for every pool: a smaller pool is its beginning.
        const { candidates } = await source.head({ vector, candidates: pools.at(-1) });
        for (const [p, pool] of pools.entries()) {
          kept.pools[p] += good(funnel(firstOf(candidates, pool), vector, plan), found.full);
        }
        const pool = Array.from(candidates.ids).slice(0, plan.candidates);
        // Best first: what others of the same score stand in for comes last.
        for (const id of ids.filter((id) => !hitIds.includes(id)).slice(0, ids.length - right)) {
          lost.total++;
          if (pool.includes(id)) lost.dropped++;
          else lost.notInPool++;
        }
        onProgress(i + 1, vectors.length);
      }
      const wanted = vectors.length * limit;
      return {
        queries: vectors.length,
        wanted,
        recall: { head: kept.head / wanted, funnel: kept.funnel / wanted, full: 1 },
        medianMs: rounded({
          headOnly: median(times.map((time) => time.headOnly)),
          funnel: Object.fromEntries(
            ['head', 'decode', 'rerank', 'total'].map((part) => [
              part,
              median(times.map(({ funnel }) => funnel[part])),
            ]),
          ),
          full: median(times.map((time) => time.full)),
        }),
        lost,
        pools: pools.map((candidates, p) => ({ candidates, recall: kept.pools[p] / wanted })),
      };
    },
  };
}

function firstOf({ vectors, dim, ids }, count) {
  return { vectors: vectors.subarray(0, count * dim), dim, ids: Array.from(ids).slice(0, count) };
}

/** Candidates by all their dims. */
function scored({ vectors, dim, ids }, vector) {
  return funnel({ vectors, dim, ids }, vector, { scales: [dim], keep: 1 });
}

/** Servers score in float32: as near as this are equal. */
const TIE = 1e-6;

/** How many hits are as good as the last of a full search. Texts that say the same have one vector, and either is right. */
function good(hits, { scores }) {
  return Math.min(scores.length, hits.filter(({ score }) => score >= scores.at(-1) - TIE).length);
}

function common(a, b) {
  const set = new Set(b);
  return Array.from(a).filter((id) => set.has(id)).length;
}

function rounded(times) {
  return Object.fromEntries(
    Object.entries(times).map(([key, value]) => [key, typeof value === 'object' ? rounded(value) : round(value)]),
  );
}

function round(ms) {
  return Math.round(ms * 10_000) / 10_000;
}

// End to end on both databases: a query in, ten ids out. Contenders take turns, a few queries at a time.
import { Bench } from 'tinybench';
import { startMilvus, startQdrant } from '../test/servers/servers.mjs';
import { quantile } from './measure.mjs';
import { milvusContenders } from './milvus.mjs';
import { qdrantContenders } from './qdrant.mjs';
import { loadCollections } from './vectors.mjs';

const DATABASES = [
  {
    start: startQdrant,
    contendersOf: qdrantContenders,
    real: 'Qdrant',
    ours: 'Qdrant’s engine behind the front of the tests',
  },
  { start: startMilvus, contendersOf: milvusContenders, real: 'Milvus', ours: 'Milvus Lite' },
];

/** Requests at once, where throughput is measured. */
const IN_FLIGHT = 8;

/** @param databases, @param sets those that are measured: real names, names of collections; all without them */
export async function serversSuite({ quick, log, databases, sets, queries = 100 }) {
  const effort = quick ? { queries: 20, rounds: 1, turn: 10 } : { queries, rounds: 3, turn: 20 };
  const all = await loadCollections({ queries: effort.queries, log });
  const collections = all.filter(({ name }) => !sets || sets.includes(name));
  const tables = [];
  for (const database of DATABASES.filter(({ real }) => !databases || databases.includes(real.toLowerCase()))) {
    const server = await database.start({ log });
    const name = server.real ? database.real : database.ours;
    try {
      for (const data of collections) {
        log(`servers: ${name}, ${data.title}`);
        const contenders = await database.contendersOf(server, data);
        log(`servers: measuring ${contenders.contenders.length} contenders`);
        const lines = await compare(contenders, data, effort);
        const { title, dim, levels, candidates, limit } = data;
        tables.push({ server: name, real: server.real, title, dim, levels, candidates, limit, lines });
      }
    } finally {
      await server.stop();
    }
  }
  return { queries: effort.queries, tables };
}

async function compare({ contenders, exact, close }, data, effort) {
  try {
    const queries = rowsOf(data.queries, data.dim);
    const recalls = await firstPass(contenders, exact, queries, data.limit);
    const times = await timed(contenders, queries, effort);
    const speeds = await throughputs(contenders, queries, effort);
    return contenders.map(({ key, label, ours = false, partial = false }, i) => {
      const [p50, p95] = [0.5, 0.95].map((share) => quantile(times[i], share));
      return { key, label, ours, partial, recall: recalls[i], p50, p95, speed: speeds[i] };
    });
  } finally {
    await close();
  }
}

/** Scores as near as this are equal in float32, in which servers score. */
const TIE = 1e-7;

/** Warms everything up, counts what each contender finds, and compares every funnel on this side with the first. */
async function firstPass(contenders, exact, queries, limit) {
  const found = contenders.map(() => 0);
  for (const query of queries) {
    const nearest = (await exact(query)).slice(0, limit);
    const truth = new Set(nearest.map(({ id }) => String(id)));
    const last = nearest.at(-1).score;
    let first;
    for (const [i, { label, run, funnel }] of contenders.entries()) {
      const hits = await run(query);
      // A copy of a row is as good as the row. Scores of others than funnels may be those of heads.
      const good = ({ id, score }) => truth.has(String(id)) || (funnel && score >= last - TIE);
      found[i] += Math.min(limit, hits.filter(good).length);
      first ??= hits;
      if (funnel) sameHits(label, hits, first);
    }
  }
  return found.map((count) => count / (limit * queries.length));
}

/** Two rows that score alike may swap: the loop adds in another order. */
function sameHits(label, hits, first) {
  const same =
    hits.length === first.length &&
    hits.every(({ id, score }, at) => {
      return String(id) === String(first[at].id) || Math.abs(score - first[at].score) < 1e-12;
    });
  if (same) return;
  const list = (all) => all.map(({ id, score }) => `${id}:${score}`).join(' ');
  throw new Error(`${label} returned\n  ${list(hits)}\nbut the usual way\n  ${list(first)}`);
}

/** Milliseconds of every call, contender by contender. */
async function timed(contenders, queries, { rounds, turn }) {
  const times = contenders.map(() => []);
  for (let from = 0; from < rounds * queries.length; from += turn) {
    for (const [i, { run }] of contenders.entries()) {
      let next = from;
      const bench = new Bench({ iterations: turn, time: 0, warmup: false, retainSamples: true, throws: true });
      bench.add('it', async () => void (await run(queries[next++ % queries.length])));
      await bench.run();
      times[i].push(...bench.tasks[0].result.latency.samples);
    }
  }
  return times;
}

/** Answers a second with eight requests under way, contender by contender. */
async function throughputs(contenders, queries, { rounds }) {
  const speeds = contenders.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, { run }] of contenders.entries()) {
      const all = async (count) => {
        let left = count;
        const lane = async () => {
          while (left > 0) await run(queries[--left % queries.length]);
        };
        await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
      };
      await all(2 * IN_FLIGHT); // connections are made, and threads start
      const began = performance.now();
      await all(queries.length);
      speeds[i].push((1000 * queries.length) / (performance.now() - began));
    }
  }
  return speeds.map((some) => quantile(some, 0.5));
}

function rowsOf(values, dim) {
  return Array.from({ length: values.length / dim }, (_, row) => values.slice(row * dim, (row + 1) * dim));
}

// End to end on both databases: a query in, ten ids out. Contenders take turns, a few queries at a time.
import { Bench } from 'tinybench';
import { startMilvus, startQdrant } from '../test/servers/servers.mjs';
import { quantile } from './measure.mjs';
import { milvusContenders } from './milvus.mjs';
import { qdrantContenders } from './qdrant.mjs';
import { loadCollections } from './vectors.mjs';

const LIMIT = 10;
const CANDIDATES = 128;
const KEEP = 0.5;

export async function serversSuite({ quick, log }) {
  const collections = await loadCollections({ queries: quick ? 20 : 100, log });
  const effort = quick ? { rounds: 1, turn: 10 } : { rounds: 3, turn: 20 };
  const tables = [];
  for (const [start, contendersOf, describe] of [
    [
      startQdrant,
      qdrantContenders,
      (server) => (server.real ? 'Qdrant' : 'Qdrant engine behind the Python front of the tests'),
    ],
    [startMilvus, milvusContenders, (server) => (server.real ? 'Milvus' : 'Milvus Lite')],
  ]) {
    const server = await start({ log });
    try {
      for (const data of collections) {
        log(`servers: ${describe(server)}, loading ${data.title}`);
        const plan = { scales: data.levels.slice(1), keep: KEEP };
        const { contenders, exact, close } = await contendersOf(server, data, {
          candidates: CANDIDATES,
          plan,
          limit: LIMIT,
        });
        try {
          const queries = rowsOf(data.queries, data.dim);
          const recalls = await firstPass(contenders, exact, queries, log);
          const times = await timed(contenders, queries, effort);
          const lines = contenders.map(({ key, label, ours = false }, i) => {
            return {
              key,
              label,
              ours,
              recall: recalls[i],
              p50: quantile(times[i], 0.5),
              p95: quantile(times[i], 0.95),
            };
          });
          tables.push({
            server: describe(server),
            real: server.real,
            title: data.title,
            dim: data.dim,
            levels: data.levels,
            lines,
          });
        } finally {
          await close();
        }
      }
    } finally {
      await server.stop();
    }
  }
  return { candidates: CANDIDATES, limit: LIMIT, keep: KEEP, queries: quick ? 20 : 100, tables };
}

/** Warms everything up, counts what each contender finds, and compares ours with the usual way's. */
async function firstPass(contenders, exact, queries, log) {
  const found = contenders.map(() => 0);
  for (const query of queries) {
    const truth = new Set((await exact(query)).map(({ id }) => String(id)));
    let usual;
    for (const [i, { key, label, run, ours }] of contenders.entries()) {
      const hits = await run(query);
      found[i] += hits.filter(({ id }) => truth.has(String(id))).length;
      if (key === 'usual') usual = hits;
      if (ours) sameHits(label, hits, usual);
    }
  }
  log(`servers: every funnelvec contender returned the hits of the usual way, ${queries.length} queries`);
  return found.map((count) => count / (LIMIT * queries.length));
}

/** Two rows that score alike may swap: the loop adds in another order. */
function sameHits(label, hits, usual) {
  const same =
    hits.length === usual.length &&
    hits.every(({ id, score }, at) => {
      return String(id) === String(usual[at].id) || Math.abs(score - usual[at].score) < 1e-12;
    });
  if (same) return;
  const list = (all) => all.map(({ id, score }) => `${id}:${score}`).join(' ');
  throw new Error(`${label} returned\n  ${list(hits)}\nbut the usual way\n  ${list(usual)}`);
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

function rowsOf(values, dim) {
  return Array.from({ length: values.length / dim }, (_, row) => values.slice(row * dim, (row + 1) * dim));
}

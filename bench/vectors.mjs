// The collections of servers.mjs: real 256-d embeddings, and 768-d ones, made up unless FUNNELVEC_BENCH_DATA names a folder
// with docs.f16 and queries.f16 (rows × 768 little-endian float16).
import { readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { funnelPlan } from 'funnelvec';
import { loadGlosses } from '../scripts/data/glosses.mjs';
import { collection, fromHalf } from './data.mjs';

const MAX_ROWS = 20_000;

export async function loadCollections({ queries, log }) {
  return [await glosses(queries, log), wide(queries)];
}

async function glosses(queries, log) {
  const { dim, rows, queryRows } = await loadGlosses({ count: MAX_ROWS, log });
  const title = `${grouped(MAX_ROWS)} WordNet glosses, WordLlama`;
  return { name: 'glosses', title, dim, ...planOf(dim), rows, queries: spread(queryRows, dim, queries) };
}

/** 20,000 rows of 768 dims, and queries. */
export function wide(queries) {
  const dim = 768;
  const common = { name: 'wide', dim, ...planOf(dim) };
  const folder = process.env.FUNNELVEC_BENCH_DATA;
  if (!folder) {
    const made = collection({ count: MAX_ROWS, queries, dim });
    return { ...common, title: `${grouped(MAX_ROWS)} made-up rows (seeded, decaying spectrum)`, ...made };
  }
  const rows = readHalves(join(folder, 'docs.f16')).subarray(0, MAX_ROWS * dim);
  const asked = spread(readHalves(join(folder, 'queries.f16')), dim, queries);
  return {
    ...common,
    title: `${grouped(rows.length / dim)} rows of ${basename(resolve(folder))}`,
    rows,
    queries: asked,
  };
}

/** funnelvec's own default; `levels` are its prefix lengths, head first. */
function planOf(dim) {
  const { head, scales, keep, candidates, limit } = funnelPlan(dim);
  return { levels: [head, ...scales], plan: { scales, keep }, candidates, limit };
}

const grouped = (count) => count.toLocaleString('en');

function readHalves(file) {
  const bytes = readFileSync(file);
  return Float32Array.from({ length: bytes.length / 2 }, (_, i) => fromHalf(bytes.readUInt16LE(2 * i)));
}

/** `count` rows, evenly spread over all. */
function spread(rows, dim, count) {
  const all = rows.length / dim;
  const out = new Float32Array(Math.min(count, all) * dim);
  for (let at = 0; at * dim < out.length; at++) {
    const row = Math.floor((at * all * dim) / out.length);
    out.set(rows.subarray(row * dim, (row + 1) * dim), at * dim);
  }
  return out;
}

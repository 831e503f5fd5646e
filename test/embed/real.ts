/** Real models and texts for the tests, loaded from the repository root, where tests run. Without Python: a reason to skip. */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const load = async <T>(file: string): Promise<T> => (await import(pathToFileURL(resolve(file)).href)) as T;
const models = await load<typeof import('../../scripts/models/models.mjs')>('scripts/models/models.mjs');
const glosses = await load<typeof import('../../scripts/data/glosses.mjs')>('scripts/data/glosses.mjs');

const venv = await load<{ ensureVenv(): Promise<{ python: string }> }>('scripts/setup/venv.mjs');

export const { embedTexts, loadGlosses } = glosses;

/** The interpreter that has the Python libraries. */
export const python = async (): Promise<string> => (await venv.ensureVenv()).python;

/** The folders of the models; or why they are missing, which CI does not accept. */
export async function realModels(): Promise<
  { wordllama: string; minilm: string; missing?: undefined } | { missing: string }
> {
  try {
    return { wordllama: await models.wordllamaFolder(), minilm: await models.minilmFolder() };
  } catch (error) {
    if (process.env['CI'] === 'true') throw error;
    return { missing: (error as Error).message };
  }
}

/** Vectors of Hugging Face's own BERT (golden_minilm.py). */
export function golden(): { texts: string[]; vectors: Float32Array; dim: number } {
  const { dim, texts, vectors } = JSON.parse(readFileSync(resolve('test/models/minilm_golden.json'), 'utf8'));
  const bytes = Uint8Array.from(Buffer.from(vectors, 'base64'));
  return { dim, texts, vectors: new Float32Array(bytes.buffer) };
}

/** Texts that tokenizers stumble over. */
export const HOSTILE: readonly string[] = [
  ...golden().texts,
  ' ',
  '\n',
  '\u00a0\u2003\u3000',
  '\u200d\u200c\ufe0f',
  'a\u0301\u0302\u0303\u0304'.repeat(20),
  '𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝕊𝕡𝕖𝕔𝕚𝕒𝕝𝕤 𐍈 𠜎',
  '👍🏽👩🏿‍🚀🏴󠁧󠁢󠁥󠁮󠁧󠁿',
  'مرحبا שלום mixed עם English و',
  'ﬁ ﬂ ½ ² ™ ㎏ Ⅷ',
  'İstanbul ıssız ß ẞ ŉ ǰ',
  '<s></s><unk> <0x0A> ▁ ▁▁',
  '##ing ##s [UNK]',
  'word'.repeat(200),
  'die Straße '.repeat(120),
  '东京都'.repeat(120),
  '\ufffd\ufffe\uffff',
  '\u2028\u2029 lines',
  "don't can't O'Neill's",
];

/** 1 − cosine, in float64; 0 for two zero vectors. */
export function distance(a: Float32Array, b: Float32Array): number {
  let [dot, aa, bb] = [0, 0, 0];
  for (let d = 0; d < a.length; d++) {
    dot += a[d]! * b[d]!;
    aa += a[d]! ** 2;
    bb += b[d]! ** 2;
  }
  if (aa === 0 && bb === 0) return 0;
  return 1 - dot / Math.sqrt(aa * bb);
}

/** The greatest distance of rows of the same place. */
export function worst(a: Float32Array, b: Float32Array, dim: number): number {
  if (a.length !== b.length) throw new Error(`${a.length} values and ${b.length}`);
  let most = 0;
  for (let at = 0; at < a.length; at += dim) {
    const here = distance(a.subarray(at, at + dim), b.subarray(at, at + dim));
    if (!(here <= most)) most = here; // NaN too
  }
  return most;
}

export const hasPackage = (name: string): boolean => existsSync(resolve('node_modules', name));

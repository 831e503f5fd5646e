// Vectors of a few texts, kept in .cache: Python runs once for them, and not at all the next time.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { DIM, embedTexts } from '../data/glosses.mjs';
import { root } from '../setup/steps.mjs';

/** Files that the vectors depend on. */
const SOURCES = ['scripts/data/embed_glosses.py', 'test/servers/requirements.txt'];

/** `texts.length × DIM`. */
export async function embedOnce(texts) {
  const hash = createHash('sha256').update(JSON.stringify([DIM, texts]));
  for (const source of SOURCES) hash.update(readFileSync(path.join(root, source)));
  const file = path.join(root, '.cache', 'demo-texts', `${hash.digest('hex').slice(0, 16)}.f32`);
  if (!existsSync(file)) {
    const rows = await embedTexts(texts);
    mkdirSync(path.dirname(file), { recursive: true });
    const aside = `${file}.${process.pid}`;
    writeFileSync(aside, new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength));
    renameSync(aside, file);
    return rows;
  }
  const bytes = readFileSync(file);
  const rows = new Float32Array(bytes.length / 4);
  Buffer.from(rows.buffer).set(bytes);
  return rows;
}

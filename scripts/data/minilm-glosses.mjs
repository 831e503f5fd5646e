// WordNet glosses under all-MiniLM-L6-v2, a model that was not trained to be cut. Embedded once, then read from .cache.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { minilmFolder } from '../models/models.mjs';
import { root } from '../setup/steps.mjs';
import { glossTexts } from './glosses.mjs';

/**
 * @param {{ count?: number, maxQueries?: number, log?: (line: string) => void }} [options]
 * @returns {Promise<{ dim: number, rows: Float32Array, queryRows: Float32Array }>} queries are example sentences of glosses
 */
export async function loadMinilmGlosses({ count = 3_000, maxQueries = 1_000, log = () => {} } = {}) {
  const { texts, queries } = glossTexts({ count, maxQueries });
  const asked = queries.map(({ text }) => text);
  const folder = await minilmFolder({ log });
  const key = createHash('sha256')
    .update(JSON.stringify([folder, texts, asked]))
    .digest('hex')
    .slice(0, 16);
  const dir = path.join(root, '.cache', `minilm-glosses-${count}-${key}`);
  if (!existsSync(dir)) await embed(dir, folder, { rows: texts, queries: asked }, log);
  return { dim: 384, rows: floats(path.join(dir, 'rows.f32')), queryRows: floats(path.join(dir, 'queries.f32')) };
}

async function embed(dir, folder, parts, log) {
  const { Embedder } = await import('funnelvec/embed'); // needs the build
  log(`embedding ${parts.rows.length} glosses and ${parts.queries.length} queries with ${path.basename(folder)}`);
  const embedder = await Embedder.load({ path: folder });
  // Written aside and renamed, so that a cache is whole or absent.
  const aside = `${dir}.${process.pid}`;
  mkdirSync(aside, { recursive: true });
  try {
    for (const [name, texts] of Object.entries(parts)) {
      const vectors = await embedder.embed(texts, { role: name === 'rows' ? 'document' : 'query' });
      writeFileSync(
        path.join(aside, `${name}.f32`),
        new Uint8Array(vectors.buffer, vectors.byteOffset, vectors.byteLength),
      );
    }
    renameSync(aside, dir);
  } catch (error) {
    rmSync(aside, { recursive: true, force: true });
    if (!existsSync(dir)) throw error; // else another process was first
  } finally {
    await embedder.close();
  }
}

// Copied: a Buffer need not start on a multiple of four.
function floats(file) {
  const bytes = readFileSync(file);
  const values = new Float32Array(bytes.length / 4);
  Buffer.from(values.buffer).set(bytes);
  return values;
}

/** A model of the index that the tests keep beside it; and how the two are compared. */
import { deepStrictEqual } from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { IndexFiles } from '#dist/store/files/index-files.js';
import { readRow, readRowsSync } from './read-rows.js';

export const DIM = 3;
export const CONFIG = { dim: DIM, metric: 'dot', precision: 'float32', options: { scales: [3] } } as const;

export interface ModelRow {
  ordinal: number;
  version: number;
}

/** The newest version of each id, from which the row's values and payload follow. */
export interface Model {
  rows: number;
  live: Map<string, ModelRow>;
  /** Segment name → the seed of its bytes. */
  segments: Map<string, number>;
  meta: unknown;
}

export const emptyModel = (): Model => ({ rows: 0, live: new Map(), segments: new Map(), meta: null });

export const copyModel = (model: Model): Model => ({
  ...model,
  live: new Map(model.live),
  segments: new Map(model.segments),
});

export function valuesOf(id: string, version: number): Float32Array {
  let hash = version * 7919;
  for (const char of id) hash = Math.imul(hash, 31) + char.charCodeAt(0);
  return Float32Array.from({ length: DIM }, (_, i) => Math.fround(Math.sin(hash + i) * 1000));
}

/** Bytes of each payload beside what tells it from others. */
export const filler = { bytes: 0 };

/** Every third row has none. */
export function payloadOf(id: string, version: number): unknown {
  if (version % 3 === 0) return undefined;
  const text = filler.bytes > 0 ? { text: `${version} `.repeat(filler.bytes / `${version} `.length) } : {};
  return { id, version: BigInt(version), ...text };
}

export function sectionOf(seed: number): Uint8Array {
  return Uint8Array.from({ length: 40 + (seed % 5000) }, (_, i) => (i * 31 + seed) & 0xff);
}

export function appendRequest(entries: readonly (readonly [id: string, version: number])[]) {
  const rows = new Float32Array(entries.length * DIM);
  entries.forEach(([id, version], i) => {
    rows.set(valuesOf(id, version), i * DIM);
  });
  return { ids: entries.map(([id]) => id), rows, payloads: entries.map(([id, version]) => payloadOf(id, version)) };
}

/** The ids must differ. */
export function applyAppend(model: Model, entries: readonly (readonly [id: string, version: number])[]): Model {
  const next = copyModel(model);
  for (const [id, version] of entries) next.live.set(id, { ordinal: next.rows++, version });
  return next;
}

export function applyDelete(model: Model, ids: readonly string[]): Model {
  const next = copyModel(model);
  for (const id of ids) next.live.delete(id);
  return next;
}

/** Why the index does not hold exactly the model; undefined when it does. Errors of the index are thrown. */
export function difference(index: IndexFiles, model: Model): string | undefined {
  if (index.rows !== model.rows) return `${index.rows} rows, not ${model.rows}`;
  if (index.liveCount !== model.live.size) return `${index.liveCount} live rows, not ${model.live.size}`;
  const out = new Float32Array(DIM);
  for (const [id, { ordinal, version }] of model.live) {
    if (index.ordinalOf(id) !== ordinal) return `${id} is row ${index.ordinalOf(id)}, not ${ordinal}`;
    if (index.idOf(ordinal) !== id) return `row ${ordinal} has the id ${index.idOf(ordinal)}, not ${id}`;
    if ((index.alive[ordinal >>> 3]! & (1 << (ordinal & 7))) === 0) return `${id} is dead`;
    readRow(index, ordinal, out);
    const values = valuesOf(id, version);
    if (!out.every((value, i) => value === values[i])) return `${id} has other values`;
    const payload = index.payloadOf(ordinal);
    try {
      deepStrictEqual(payload, payloadOf(id, version));
    } catch {
      return `${id} has another payload`;
    }
  }
  const all = new Float32Array(model.rows * DIM);
  readRowsSync(index, 0, model.rows, all);
  for (const [id, { ordinal, version }] of model.live) {
    const values = valuesOf(id, version);
    for (let i = 0; i < DIM; i++) if (all[ordinal * DIM + i] !== values[i]) return `${id} has other values in bulk`;
  }
  const names = index.segments.map(({ name }) => name).join();
  if (names !== [...model.segments.keys()].join()) return `segments ${names}`;
  for (const [name, seed] of model.segments) {
    if (!Buffer.from(index.readSectionSync(name, 'codes')).equals(sectionOf(seed))) return `${name} has other bytes`;
  }
  if (JSON.stringify(index.meta) !== JSON.stringify(model.meta)) return `meta ${JSON.stringify(index.meta)}`;
  return undefined;
}

/** A folder in memory where there is one: tests sync a lot, and what they test is not the disk. */
export function scratchFolder(): { path: string; remove: () => void } {
  const shm = '/dev/shm';
  const base = existsSync(shm) ? shm : tmpdir();
  let path: string;
  try {
    path = mkdtempSync(join(base, 'funnelvec-'));
  } catch {
    path = mkdtempSync(join(tmpdir(), 'funnelvec-'));
  }
  mkdirSync(path, { recursive: true });
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 5 }) };
}

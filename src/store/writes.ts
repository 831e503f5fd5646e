/** The writes of FunnelIndex, but for codes: rows, deaths, payload indexes. */

import { telling, tellingNow } from '../core/diagnostics.js';
import { expected, FunnelError } from '../core/errors.js';
import { nextTurnIfAny } from '../core/host.js';
import { atOnce, inSlices } from '../core/slices.js';
import { othersTurn, overdue } from '../core/turns.js';
import type { Id } from '../core/types.js';
import { checkKeys, isId, ownListOf } from '../core/validate.js';
import { parsePath } from '../query/filter/path.js';
import { INDEX_TYPES, type PayloadIndexType } from './files/payload-index-type.js';
import { type CheckedFilter, checkedFilter, ELSEWHERE_IN_FILTERED, evaluateFilter } from './filters.js';
import { packPoints } from './input.js';
import type { OpenIndex } from './open-index.js';
import { listOf as rowsOf } from './payload/row-set.js';
import type { OnIndexProgress } from './payload/types.js';
import type { Point, PointBatch } from './types.js';

export interface Written {
  count: number;
  replaced: number;
}

/** Tells of a write: rows are all that it wrote. */
export function writing<T extends { count: number; replaced?: number }>(
  index: OpenIndex,
  operation: string,
  run: () => Promise<T>,
): Promise<T> {
  return telling(['write', `FunnelIndex.${operation}`, index.files.path], run, writtenOf);
}

export function writingNow<T extends { count: number; replaced?: number }>(
  index: OpenIndex,
  operation: string,
  run: () => T,
): T {
  return tellingNow(['write', `FunnelIndex.${operation}`, index.files.path], run, writtenOf);
}

function writtenOf({ count, replaced }: { count: number; replaced?: number }) {
  return { rows: count, ...(replaced !== undefined && { replaced }) };
}

/** @param dying ordinals of rows that die in the same commit */
export async function upsert<Payload>(
  index: OpenIndex,
  points: readonly Point<Payload>[] | PointBatch<Payload>,
  dying?: () => Promise<Iterable<number>>,
): Promise<Written> {
  index.checkOpen();
  const began = performance.now();
  const pack = () => packPoints(points, index.dim, index.live.half);
  const { count, replaced } = await index.files.appendPacked(pack, dying);
  await keepUp(index);
  index.upkeep.written();
  await index.upkeep.rest(performance.now() - began);
  return { count, replaced: replaced.length };
}

export function upsertSync<Payload>(
  index: OpenIndex,
  points: readonly Point<Payload>[] | PointBatch<Payload>,
): Written {
  index.checkOpen();
  const { count, replaced } = index.files.appendSync(atOnce(packPoints(points, index.dim, index.live.half)));
  index.upkeep.written();
  return { count, replaced: replaced.length };
}

export async function deleteRows(index: OpenIndex, rows: unknown): Promise<{ count: number }> {
  const filter = filterOfRows(index, rows, 'delete');
  if (filter === undefined) return deleted(index, await index.files.delete(idListOf(rows)));
  const choose = async () => rowsOf((await index.withinWrite((on) => evaluateFilter(filter, on))).rows);
  return deleted(index, await index.files.deleteRows(choose));
}

export function deleteRowsSync(index: OpenIndex, rows: unknown): { count: number } {
  const filter = filterOfRows(index, rows, 'delete');
  if (filter === undefined) return deleted(index, index.files.deleteSync(idListOf(rows)));
  return deleted(index, index.files.deleteRowsSync(rowsOf(atOnce(evaluateFilter(filter, index.filtered())).rows)));
}

function deleted(index: OpenIndex, { length }: readonly number[]): { count: number } {
  index.upkeep.written();
  return { count: length };
}

/**
 * A filter that passes everything is more likely a mistake than a wish.
 *
 * @returns undefined where they are said by ids
 */
export function filterOfRows(index: OpenIndex, rows: unknown, verb: 'delete' | 'change'): CheckedFilter | undefined {
  index.checkOpen();
  if (typeof rows !== 'object' || rows === null || Array.isArray(rows)) return undefined;
  checkKeys(rows, ['filter'], `what says the rows to ${verb} (ids go in as a list)`, ELSEWHERE_IN_FILTERED);
  index.checkWritable();
  const filter = checkedFilter((rows as { filter?: unknown }).filter);
  if (filter !== undefined) return filter;
  throw new FunnelError('BAD_ARGUMENT', `Expected a filter with conditions: without, this would ${verb} every row`);
}

/** @throws FunnelError BAD_ARGUMENT, BAD_ID */
export function idListOf(ids: unknown): readonly Id[] {
  if (isId(ids)) return [ids];
  if (!Array.isArray(ids)) throw expected('BAD_ARGUMENT', 'an id or an array of ids', 'ids', ids);
  // They may be many, and all are copied in this turn: their places are put into words only where one is wrong.
  const list = ownListOf(ids, isId);
  if (list !== undefined) return list;
  const wrong = ids.findIndex((id) => !isId(id));
  throw expected('BAD_ID', 'a string, number or bigint', `ids[${wrong}]`, ids[wrong]);
}

/** Options of createPayloadIndex(). */
export interface IndexOptions {
  onProgress?: OnIndexProgress;
}

export async function createPayloadIndex(
  index: OpenIndex,
  key: string,
  type: PayloadIndexType,
  options: IndexOptions,
): Promise<void> {
  const onProgress = checkNewIndex(index, key, type, options);
  const told = ['build', 'FunnelIndex.createPayloadIndex', index.files.path] as const;
  await telling(
    told,
    () => index.indexes.create(key, type, onProgress),
    () => rowsOfIndex(index),
  );
  if (overdue()) await othersTurn();
}

export function createPayloadIndexSync(
  index: OpenIndex,
  key: string,
  type: PayloadIndexType,
  options: IndexOptions,
): void {
  const onProgress = checkNewIndex(index, key, type, options);
  const told = ['build', 'FunnelIndex.createPayloadIndexSync', index.files.path] as const;
  tellingNow(
    told,
    () => index.indexes.createNow(key, type, onProgress),
    () => rowsOfIndex(index),
  );
}

/** All rows. */
export function rowsOfIndex({ files }: OpenIndex): { rows: number } {
  return { rows: files.liveCount };
}

export async function deletePayloadIndex(index: OpenIndex, key: string): Promise<boolean> {
  index.checkWritable();
  parsePath(key, 'key');
  const deleted = await index.indexes.delete(key);
  if (overdue()) await othersTurn();
  return deleted;
}

export function deletePayloadIndexSync(index: OpenIndex, key: string): boolean {
  index.checkWritable();
  parsePath(key, 'key');
  return index.indexes.deleteNow(key);
}

function checkNewIndex(index: OpenIndex, key: string, type: PayloadIndexType, options: IndexOptions): OnIndexProgress {
  index.checkWritable();
  parsePath(key, 'key');
  if (!INDEX_TYPES.includes(type)) throw expected('BAD_ARGUMENT', `one of ${INDEX_TYPES.join(', ')}`, 'type', type);
  checkKeys(options, ['onProgress'], 'the options of createPayloadIndex()');
  const { onProgress = () => {} } = options;
  if (typeof onProgress !== 'function') throw expected('BAD_ARGUMENT', 'a function', 'onProgress', onProgress);
  return onProgress;
}

/** Payload indexes take in new rows now, so that searches need not. The next filter tells what fails here. */
async function keepUp(index: OpenIndex): Promise<void> {
  if (index.closed || index.indexes.count === 0) return;
  try {
    await inSlices(index.indexes.catchUp(), index.checkOpen);
  } catch {
    return;
  }
  packIfWorth(index);
}

/** Writes payload indexes whose rows in memory have become many; later, and never in a script that waits for nothing. */
export function packIfWorth(index: OpenIndex): void {
  const { files, indexes } = index;
  const isWorth = () => index.auto && !index.closed && !indexes.busy && indexes.isWorthWriting;
  if (files.readOnly || !isWorth()) return;
  nextTurnIfAny(() => {
    // Searches go on without; the next write tries again.
    if (isWorth()) indexes.write(true).catch(() => {});
  });
}

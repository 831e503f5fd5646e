/** Checks and packs what callers write. */

import { describe, expected, FunnelError } from '../core/errors.js';
import { allFinite } from '../core/finite.js';
import { halfToFloat, toHalf } from '../core/half.js';
import { INDEX_METRICS } from '../core/metrics.js';
import { ownFloats, ownView } from '../core/realm.js';
import type { Sliced } from '../core/slices.js';
import type { Id } from '../core/types.js';
import {
  checkAttached,
  checkId,
  checkInteger,
  checkKeys,
  checkQuery,
  fixedLength,
  honestList,
  ownListOf,
} from '../core/validate.js';
import { MAX_PREFIX } from './engine/shortlist-plane.js';
import type { AppendRequest } from './files/append.js';
import type { FunnelIndexOptions, Head, OpenIndexOptions, Point, PointBatch, Rotation } from './types.js';

type Packed = AppendRequest & { ids: Id[] };

/** Rows, and values, between two looks at the clock. Fewer rows are packed before the call returns. */
const ROWS_AT_ONCE = 256;
const VALUES_AT_ONCE = 1 << 18;
/** Native code looks at so many values in some milliseconds. */
const CHECKED_AT_ONCE = 1 << 23;

/** Rows as the files take them. @throws FunnelError BAD_ARGUMENT, BAD_DIMS, NOT_FINITE, DETACHED_BUFFER */
export function* packPoints(points: readonly Point[] | PointBatch, dim: number, half: boolean): Sliced<Packed> {
  if (Array.isArray(points)) return yield* packRows(points, dim, half);
  if (typeof points !== 'object' || points === null) {
    throw expected('BAD_ARGUMENT', 'an array of points or { ids, vectors }', 'points', points);
  }
  if ('vector' in points) {
    throw expected('BAD_ARGUMENT', 'an array of points ([{ id, vector }]) or { ids, vectors }', 'points', points);
  }
  checkKeys(points, ['ids', 'vectors', 'payloads'], 'points');
  const { ids, vectors: given, payloads } = points as PointBatch;
  const vectors = ArrayBuffer.isView(given) ? fixedLength(ownView(given, 'points.vectors')) : given;
  if (typeof ids !== 'object' || ids === null || typeof ids.length !== 'number') {
    throw expected('BAD_ARGUMENT', 'an array of ids', 'points.ids', ids);
  }
  if (!(vectors instanceof Float32Array) && !(vectors instanceof Uint16Array)) {
    throw expected('BAD_ARGUMENT', 'a Float32Array, or float16 bits in a Uint16Array', 'points.vectors', vectors);
  }
  checkAttached(vectors, 'points.vectors');
  if (vectors.length !== ids.length * dim) {
    throw expected('BAD_DIMS', `${ids.length} × ${dim} values`, 'points.vectors', vectors);
  }
  if (payloads !== undefined && !(typeof payloads === 'object' && payloads?.length === ids.length)) {
    throw expected('BAD_ARGUMENT', `an array of ${ids.length} payloads`, 'points.payloads', payloads);
  }
  const own = {
    ids: Array.from(honestList(ids, 'points.ids')),
    payloads: payloads === undefined ? undefined : Array.from(honestList(payloads, 'points.payloads')),
  };
  for (let from = 0; from < vectors.length; from += CHECKED_AT_ONCE) {
    if (from > 0) yield;
    checkAttached(vectors, 'points.vectors');
    if (!allFinite(vectors, from, Math.min(vectors.length, from + CHECKED_AT_ONCE))) throw notFinite(vectors, dim);
  }
  return { ...own, rows: yield* convert(vectors, dim, half) };
}

/** Keys of points elsewhere, with their names here. */
const ELSEWHERE_IN_POINTS = { metadata: 'payload' };

function* packRows(given: readonly Point[], dim: number, half: boolean): Sliced<Packed> {
  const points: Point[] = [];
  const { length } = given;
  // Before room is made for all: of an array that is long and has holes, say.
  for (let i = 0; i < length; i++) {
    const point = given[i];
    if (typeof point !== 'object' || point === null || Array.isArray(point)) {
      throw expected('BAD_ARGUMENT', '{ id, vector, payload? }', `points[${i}]`, point);
    }
    points.push(point);
  }
  // Where float16 is kept, values are rounded to that at once: by way of float32 some would come out beside it.
  const rows = half ? new Float64Array(length * dim) : new Float32Array(length * dim);
  const ids: Id[] = [];
  const payloads: unknown[] = [];
  for (let i = 0; i < length; i++) {
    if (i % ROWS_AT_ONCE === ROWS_AT_ONCE - 1) yield;
    const point = points[i]!;
    checkKeys(point, ['id', 'vector', 'payload'], `points[${i}]`, ELSEWHERE_IN_POINTS);
    const { id, vector, payload } = point;
    const checked = checkQuery(vector, dim, `points[${i}].vector`);
    rows.set(half ? vector : checked, i * dim);
    ids.push(checkId(id, `points[${i}].id`));
    payloads.push(payload);
  }
  return {
    ids,
    rows: yield* convert(rows, dim, half),
    payloads: payloads.every((payload) => payload === undefined) ? undefined : payloads,
  };
}

function notFinite(vectors: Float32Array | Uint16Array, dim: number): FunnelError {
  for (let i = 0; i < vectors.length; i++) {
    const value = vectors instanceof Uint16Array ? halfToFloat(vectors[i]!) : vectors[i]!;
    if (!Number.isFinite(value)) {
      const where = `dim ${i % dim} of row ${Math.floor(i / dim)} of points.vectors`;
      return expected('NOT_FINITE', 'a finite value', where, value);
    }
  }
  return new FunnelError('NOT_FINITE', 'Expected finite values for points.vectors');
}

/** As the files keep them; Float64Array only where that is float16. @throws FunnelError NOT_FINITE */
export function* convert(
  rows: Float32Array | Float64Array | Uint16Array,
  dim: number,
  half: boolean,
): Sliced<Float32Array | Uint16Array> {
  if (rows instanceof Uint16Array) {
    if (half) return rows;
    const out = new Float32Array(rows.length);
    for (let i = 0; i < rows.length; i++) {
      if (i % VALUES_AT_ONCE === VALUES_AT_ONCE - 1) yield;
      out[i] = halfToFloat(rows[i]!);
    }
    return out;
  }
  if (!half) return rows as Float32Array;
  const out = new Uint16Array(rows.length);
  for (let i = 0; i < rows.length; i++) {
    if (i % VALUES_AT_ONCE === VALUES_AT_ONCE - 1) yield;
    out[i] = toHalf(rows[i]!);
    if ((out[i]! & 0x7fff) === 0x7c00) {
      const where = `dim ${i % dim} of row ${Math.floor(i / dim)}`;
      throw expected('NOT_FINITE', 'a value within the range of float16 (±65504)', where, rows[i]);
    }
  }
  return out;
}

const OPEN_KEYS = [
  'threads',
  'memory',
  'durability',
  'breakLock',
  'autoOptimize',
  'fullScanThreshold',
  'readOnly',
] as const;
const CREATE_KEYS = [
  ...OPEN_KEYS.filter((key) => key !== 'readOnly'),
  ...(['dim', 'metric', 'scales', 'head', 'rotation', 'precision', 'lists'] as const),
];

export function checkOpenOptions(options: OpenIndexOptions & { readOnly?: boolean }, of = 'FunnelIndex.open()'): void {
  checkKeys(options, OPEN_KEYS, `the options of ${of}`);
  checkCommon(options);
}

function checkCommon(options: OpenIndexOptions & { readOnly?: boolean }): void {
  if (options.threads !== undefined) checkInteger(options.threads, 1, 1024, 'threads');
  if (options.memory !== undefined) checkInteger(options.memory, 0, Number.MAX_SAFE_INTEGER, 'memory');
  if (options.fullScanThreshold !== undefined)
    checkInteger(options.fullScanThreshold, 0, 0xffff_ffff, 'fullScanThreshold');
  oneOf(options.durability, ['full', 'relaxed'], 'durability');
  const { autoOptimize } = options;
  if (autoOptimize !== undefined && typeof autoOptimize !== 'boolean' && autoOptimize !== 'codes') {
    throw expected('BAD_ARGUMENT', "a boolean or 'codes'", 'autoOptimize', autoOptimize);
  }
  for (const flag of ['breakLock', 'readOnly'] as const) {
    if (options[flag] !== undefined && typeof options[flag] !== 'boolean') {
      throw expected('BAD_ARGUMENT', 'a boolean', flag, options[flag]);
    }
  }
}

/** The choices that an index is made with, for good: kept with its files. */
export interface IndexConfig {
  /** Dims of the head plane. */
  head: number;
  /** When mode 'funnel' orders by something else. */
  order?: Exclude<Head, number>;
  rotation: Rotation;
  /** Null: by size. 0: none. */
  lists: number | null;
  scales: number[] | null;
}

/** @throws FunnelError BAD_ARGUMENT, BAD_DIMS */
export function checkCreateOptions(options: FunnelIndexOptions): IndexConfig {
  checkKeys(options, CREATE_KEYS, 'the options of FunnelIndex.create()', { dims: 'dim', dimension: 'dim' });
  checkCommon(options);
  if ((options as { readOnly?: boolean }).readOnly) {
    throw expected('BAD_ARGUMENT', 'no readOnly for an index that is made (open() takes it),', 'readOnly', true);
  }
  const dim = options.dim;
  if (typeof dim !== 'number' || !Number.isInteger(dim) || dim < 1 || dim > 65_536) {
    throw expected('BAD_DIMS', '1 to 65536 dims', 'dim', dim);
  }
  oneOf(options.metric, INDEX_METRICS, 'metric');
  oneOf(options.rotation, ['pca', 'none', 'balanced'], 'rotation');
  oneOf(options.precision, ['float32', 'float16'], 'precision');
  const { lists } = options;
  const scales = options.scales === undefined ? null : ownScales(options.scales, dim);
  if (lists !== undefined && lists !== 'auto' && lists !== 'off') checkInteger(lists, 1, 65_536, 'lists');
  const head = typeof options.head === 'object' && options.head !== null ? { ...options.head } : options.head;
  if (head !== undefined) checkHead(head, dim);
  const trained = options.rotation === 'none' ? scales?.find((s) => s >= 64) : undefined;
  return {
    head: typeof head === 'number' ? head : Math.min(dim, trained ?? 128, 512),
    ...(head === undefined || typeof head === 'number' ? {} : { order: head }),
    rotation: options.rotation ?? 'pca',
    lists: lists === undefined || lists === 'auto' ? null : lists === 'off' ? 0 : lists,
    scales,
  };
}

function ownScales(scales: unknown, dim: number): number[] {
  const own = ownListOf(scales, (s): s is number => Number.isInteger(s)) ?? [];
  const ascending = own.every((s, i) => s >= 1 && s <= dim && (i === 0 || s > own[i - 1]!));
  if (own.length > 0 && ascending) return own;
  throw expected('BAD_ARGUMENT', `ascending integers in 1..${dim}`, 'scales', scales);
}

function checkHead(head: unknown, dim: number): void {
  if (typeof head === 'object' && head !== null) {
    checkKeys(head, ['prefix'], 'head');
    checkInteger((head as { prefix?: unknown }).prefix, 1, Math.min(dim, MAX_PREFIX), 'head.prefix');
  } else if (typeof head === 'string') {
    oneOf(head, ['int8', 'binary'], 'head');
  } else {
    checkInteger(head, 1, Math.min(dim, 512), 'head');
  }
}

/** A copy of a sample of queries. @throws FunnelError BAD_ARGUMENT, BAD_DIMS, NOT_FINITE */
export function sampleQueries(queries: unknown, dim: number): Float32Array {
  const given = ownFloats(queries, 'queries');
  if (!(given instanceof Float32Array)) throw expected('BAD_ARGUMENT', 'a Float32Array', 'queries', given);
  checkAttached(given, 'queries');
  const values = fixedLength(given);
  const count = values.length / dim;
  if (!Number.isInteger(count)) throw expected('BAD_DIMS', `rows of ${dim} values`, 'queries', values);
  if (!allFinite(values, 0, values.length)) {
    const at = values.findIndex((value) => !Number.isFinite(value));
    throw expected(
      'NOT_FINITE',
      'a finite value',
      `dim ${at % dim} of row ${Math.floor(at / dim)} of queries`,
      values[at],
    );
  }
  const own = values.slice();
  if (own.every((value) => value === 0)) {
    throw expected('BAD_ARGUMENT', 'at least one query that is not zeros', 'queries', values);
  }
  return own;
}

function oneOf(value: unknown, allowed: readonly string[], where: string): void {
  if (value !== undefined && !allowed.includes(value as string)) {
    const list = allowed.map((name) => `'${name}'`).join(' or ');
    throw expected('BAD_ARGUMENT', list, where, describe(value) && value);
  }
}

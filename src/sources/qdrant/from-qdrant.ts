/** Makes candidates of a Qdrant client's answer, REST or gRPC. */
import { describe, expected, FunnelError } from '../../core/errors.js';
import { setOwn } from '../../core/own.js';
import { dimOf, type PackableRow, packRows } from '../../core/pack.js';
import type { Id, PackedCandidates } from '../../core/types.js';
import { checkDim, checkKeys, uuidOf } from '../../core/validate.js';

/** Which vector of the points is taken. */
export interface FromQdrantOptions {
  /** The named vector to take. Needed when the points carry several; '' is the un-named one. */
  vector?: string;
  /** Dims that every vector must have. @default the dims of the first point, or 1 without points */
  dim?: number;
}

/**
 * Packs what the Qdrant client answered, as it is: `client.query()` (`{ points }`), one entry of `queryBatch()`, the hits of
 * one group, an array of points, or the gRPC client's `{ result: [ScoredPoint…] }`. Rows and REST payloads are kept by
 * reference; gRPC payloads become plain values, with integers as numbers where those are exact and as bigints elsewhere.
 *
 * @example
 * const answer = await client.query('films', { query: head, using: 'head', limit: 128, with_vector: ['full'] });
 * const hits = funnel(fromQdrant(answer, { vector: 'full' }), query, tutorialPlan);
 *
 * @throws FunnelError BAD_RESPONSE (no points in it, a point without the vector), BAD_ID, BAD_DIMS, NOT_FINITE
 */
export function fromQdrant<Point = unknown>(
  response: unknown,
  options: FromQdrantOptions = {},
): PackedCandidates<Point> {
  checkKeys(options, ['vector', 'dim'], 'the options of fromQdrant()');
  const { vector, dim: wanted } = options;
  if (vector !== undefined && typeof vector !== 'string') {
    throw expected('BAD_ARGUMENT', 'the name of a vector', 'vector', vector);
  }
  if (wanted !== undefined) checkDim(wanted, 'dim');
  const points = pointsOf(response) as readonly AnyPoint[];
  const vectors = vectorsOf(points, vector);
  const name = (row: number) => `row ${row} (${pointName(points[row])})`;
  const dim = wanted ?? dimOf(vectors, name);
  const ids = qdrantIds(points);
  return {
    vectors: packRows(vectors, dim, { name }),
    dim,
    ids,
    payloads: payloadsOf(points),
    rows: points as readonly Point[],
    headScores: scoresOf(points),
  };
}

/** A point of either client, as far as it is read here. */
export interface AnyPoint {
  id?: unknown;
  score?: unknown;
  payload?: unknown;
  /** REST */
  vector?: unknown;
  /** gRPC */
  vectors?: unknown;
}

/** The array of points in any answer that has exactly one. */
export function pointsOf(response: unknown, depth = 0): readonly unknown[] {
  const what = 'the answer of a Qdrant query (points)';
  if (Array.isArray(response)) {
    const first = response[0];
    if (isObject(first) && !('id' in first) && ('points' in first || 'hits' in first || 'result' in first)) {
      throw new FunnelError(
        'BAD_RESPONSE',
        `Expected one list of points for the Qdrant answer but received an array of ${response.length} answers: ` +
          'pass them one by one, as in answers.map((answer) => fromQdrant(answer))',
      );
    }
    return response;
  }
  if (!isObject(response)) throw expected('BAD_RESPONSE', what, 'fromQdrant', response);
  const { points, hits, result } = response; // read once
  if (Array.isArray(points)) return points;
  if (Array.isArray(hits)) return hits;
  // gRPC, and the body of a REST answer: { result: … }
  if (result !== undefined && depth < 3) return pointsOf(result, depth + 1);
  if ('groups' in response) {
    throw new FunnelError(
      'BAD_RESPONSE',
      'Expected one list of points for the Qdrant answer but received groups: pass the hits of one group',
    );
  }
  throw expected('BAD_RESPONSE', what, 'fromQdrant', response);
}

/**
 * The ids as numbers, bigints or strings, exact: of one kind, or integers and UUIDs.
 *
 * @param source that answered; undefined for points that a caller brought
 */
export function qdrantIds(points: readonly AnyPoint[], source?: string): Id[] {
  const ids: Id[] = new Array(points.length);
  let numbers = false;
  let strings = false;
  let bigints = false;
  for (let i = 0; i < points.length; i++) {
    const id = idOf(points[i]);
    if (typeof id === 'string') strings = true;
    else if (typeof id === 'bigint') bigints = true;
    else if (typeof id !== 'number') {
      if (source === undefined) throw expected('BAD_ID', 'a number or UUID', `the id of row ${i}`, id);
      throw expected('BAD_RESPONSE', 'a number or UUID', `the id of row ${i} of ${source}`, id);
    } else if (!Number.isSafeInteger(id)) {
      throw new FunnelError(
        'BAD_ID',
        `Expected an integer of at most 2^53 − 1 for the id of row ${i} but received ${id}: JSON has rounded it already. ` +
          'Use the gRPC client, whose ids are bigints, or UUIDs',
      );
    } else numbers = true;
    ids[i] = id as Id;
  }
  if (strings && (numbers || bigints)) {
    const odd = ids.find((id) => typeof id === 'string' && uuidOf(id) === undefined);
    if (odd !== undefined) {
      throw expected('BAD_ID', 'one kind of id, or integers and UUIDs as Qdrant has them,', 'the points', odd);
    }
  }
  // Node 22 reads exactly those integers as bigints that a number cannot hold.
  return numbers && bigints ? ids.map((id) => (typeof id === 'number' ? BigInt(id) : id)) : ids;
}

/** Makes the error for a point without the vector; `others`: the names of those that it has. */
export type Missing = (point: AnyPoint, name: string, others: readonly string[]) => FunnelError;

/** One array of numbers a point; the name is chosen once, by the first point, unless the caller names it. */
export function vectorsOf(points: readonly AnyPoint[], name?: string, missing: Missing = notAsked): PackableRow[] {
  const rows: PackableRow[] = new Array(points.length);
  if (points.length === 0) return rows;
  const wanted = name ?? onlyName(points[0]!);
  for (let i = 0; i < points.length; i++) rows[i] = vectorOf(points[i]!, wanted, missing);
  return rows;
}

/** The error for a point that was asked for its vector, and has none. */
export function missingFrom(source: string): Missing {
  return (point, name, others) =>
    new FunnelError(
      'BAD_RESPONSE',
      `Expected ${vectorName(name)} in ${pointName(point)} of ${source} but ` +
        `${others.length === 0 ? 'it lacks it' : `it carries only ${quoted(others)}`}, as points of Qdrant may. ` +
        "Upsert the vector, or leave such points out with missingVectors: 'skip'",
    );
}

function vectorName(name: string): string {
  return name === '' ? 'an un-named vector' : `vector ${JSON.stringify(name)}`;
}

/** For people: "point 17". */
export function pointName(point: AnyPoint | undefined): string {
  const id = idOf(point);
  if (id === undefined) return 'a point without id';
  return `point ${typeof id === 'string' || typeof id === 'number' || typeof id === 'bigint' ? id : describe(id)}`;
}

function idOf(point: AnyPoint | undefined): unknown {
  const id = point?.id;
  if (!isObject(id)) return id;
  const options = id['pointIdOptions'];
  return isObject(options) ? options['value'] : undefined;
}

/** The vectors that a point carries: one un-named vector, or vectors by name. */
function held(point: AnyPoint): { single: unknown } | { named: Record<string, unknown> } | undefined {
  if (!isObject(point)) return undefined;
  const { vector, vectors } = point;
  if (isObject(vector)) {
    return isRow(vector) || 'indices' in vector ? { single: vector } : { named: vector };
  }
  const options = isObject(vectors) ? vectors['vectorsOptions'] : undefined;
  if (!isObject(options) || !isObject(options['value'])) return undefined;
  if (options['case'] === 'vector') return { single: options['value'] };
  return { named: (options['value']['vectors'] ?? {}) as Record<string, unknown> };
}

function onlyName(point: AnyPoint): string {
  const vectors = held(point);
  if (!vectors || 'single' in vectors) return '';
  const names = Object.keys(vectors.named);
  if (names.length < 2) return names[0] ?? '';
  throw new FunnelError(
    'BAD_RESPONSE',
    `Expected the name of one vector but the points carry ${names.length}: ${quoted(names)}. ` +
      `Choose one, as in fromQdrant(answer, { vector: ${JSON.stringify(names[0])} })`,
  );
}

/** Whether a point carries the vector; '' is the un-named one. */
export function hasVector(point: AnyPoint, name: string): boolean {
  const vectors = held(point);
  if (!vectors) return false;
  return 'named' in vectors ? Object.hasOwn(vectors.named, name) : name === '';
}

function vectorOf(point: AnyPoint, name: string, missing: Missing): PackableRow {
  const vectors = held(point);
  if (!vectors) throw missing(point, name, []);
  const where = name === '' ? '' : ` under ${JSON.stringify(name)}`;
  let value: unknown;
  if ('named' in vectors) {
    if (!Object.hasOwn(vectors.named, name)) throw missing(point, name, Object.keys(vectors.named));
    value = vectors.named[name];
  } else {
    if (name !== '') {
      throw new FunnelError(
        'BAD_RESPONSE',
        `Expected vector ${JSON.stringify(name)} in ${pointName(point)} but it carries one un-named vector: leave the name out`,
      );
    }
    value = vectors.single;
  }
  const row = denseOf(value);
  if (typeof row === 'string') {
    throw new FunnelError('BAD_RESPONSE', `Expected a dense vector in ${pointName(point)}${where} but received ${row}`);
  }
  return row;
}

/** The numbers of a REST vector or of gRPC's VectorOutput, in its new layout and its old one; or what it is instead. */
function denseOf(value: unknown): PackableRow | string {
  if (isRow(value)) return Array.isArray(value) && isRow(value[0]) ? 'a multivector' : value;
  if (!isObject(value)) return describe(value);
  const variant = value['vector'];
  const kind = isObject(variant) ? variant['case'] : undefined;
  if (kind === 'dense') return (variant as { value: { data: PackableRow } }).value.data;
  if (kind === 'sparse' || value['indices']) return 'a sparse vector';
  if (kind === 'multiDense' || value['vectorsCount']) return 'a multivector';
  return isRow(value['data']) ? value['data'] : describe(value);
}

/** The error for an answer that the caller brings: it may not have asked for the vector. */
function notAsked(point: AnyPoint, name: string, others: readonly string[]): FunnelError {
  if (others.length > 0) {
    return new FunnelError(
      'BAD_RESPONSE',
      `Expected ${vectorName(name)} in ${pointName(point)} but it carries only ${quoted(others)}; ` +
        'what with_vector names is sent (gRPC: withVectors)',
    );
  }
  return new FunnelError(
    'BAD_RESPONSE',
    `Expected a vector in ${pointName(point)} but received none: ask for it with ` +
      (name === ''
        ? 'with_vector: true (gRPC: withVectors)'
        : `with_vector: [${JSON.stringify(name)}] (gRPC: withVectors)`) +
      '; where it was asked for, the point has none and is to be left out',
  );
}

/** Undefined where the answer carries no payload at all. */
export function payloadsOf(points: readonly AnyPoint[]): unknown[] | undefined {
  let some = false;
  const payloads = points.map((point) => {
    const payload = point.payload ?? undefined;
    if (!isObject(payload)) return undefined;
    const tagged = '$typeName' in point || isObject(point.id);
    // gRPC answers an empty payload even when none was asked for.
    if (!tagged || Object.keys(payload).length > 0) some = true;
    return tagged ? plainObject(payload) : payload;
  });
  return some ? payloads : undefined;
}

export function scoresOf(points: readonly AnyPoint[]): Float64Array | undefined {
  // Answers of scroll() and retrieve() were not ranked.
  if (points.length > 0 && typeof points[0]!.score !== 'number') return undefined;
  const scores = new Float64Array(points.length);
  for (let i = 0; i < points.length; i++) {
    const { score } = points[i]!;
    scores[i] = typeof score === 'number' ? score : Number.NaN;
  }
  return scores;
}

/** gRPC payload values: tagged, nested. */
function plainObject(fields: Record<string, unknown>): Record<string, unknown> {
  const plain: Record<string, unknown> = {};
  for (const key of Object.keys(fields)) setOwn(plain, key, plainValue(fields[key]));
  return plain;
}

function plainValue(tagged: unknown): unknown {
  const kind = isObject(tagged) ? tagged['kind'] : undefined;
  if (!isObject(kind)) return null;
  const value = kind['value'];
  switch (kind['case']) {
    case 'integerValue':
      return plainInteger(BigInt(value as bigint));
    case 'structValue':
      return plainObject(((value as Record<string, unknown>)['fields'] ?? {}) as Record<string, unknown>);
    case 'listValue':
      return ((value as Record<string, unknown>)['values'] as unknown[]).map(plainValue);
    case 'doubleValue':
    case 'stringValue':
    case 'boolValue':
      return value;
    default:
      return null;
  }
}

/** A number where that is exact. */
export function plainInteger(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function isRow(value: unknown): value is PackableRow {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && 'length' in value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function quoted(names: readonly string[]): string {
  return names.map((name) => JSON.stringify(name)).join(', ');
}

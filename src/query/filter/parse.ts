/** A filter in Qdrant's JSON form, checked and made into nodes. Everything of it is read once. */

import { describe, expected, FunnelError } from '../../core/errors.js';
import { conditionHint, shapeHint } from '../../core/hints.js';
import { isDate } from '../../core/realm.js';
import type { Id } from '../../core/types.js';
import { checkInteger } from '../../core/validate.js';
import { wholeNumber } from '../numbers.js';
import type { Bounds, FilterNode, Path, Scalar } from './ast.js';
import { parseDate } from './dates.js';
import { GEO_TESTS, parseArea } from './geo.js';
import { parsePath } from './path.js';

/** Filters within filters. */
export const MAX_DEPTH = 64;
/** Conditions in all, filters within filters among them. */
export const MAX_CONDITIONS = 65_536;
/** Values of `any`, `except` and `has_id`, and points of polygons, in all. */
export const MAX_VALUES = 1_000_000;

/** How much a filter may still hold, and the place where it is being read. */
interface Reading {
  conditions: number;
  values: number;
  depth: number;
  /** Inside `nested`, where no point is, and so no id. */
  nested: boolean;
}

type Fields = Record<string, unknown>;

/** The empty conjunction is true, and the empty disjunction false. */
const TRUE: FilterNode = { op: 'and', nodes: [] };
const FALSE: FilterNode = { op: 'or', nodes: [] };

const CLAUSES = ['must', 'should', 'must_not', 'min_should'];
const CONDITIONS = ['key', 'is_empty', 'is_null', 'has_id', 'slice', 'nested'];
const TESTS = ['match', 'range', 'values_count', ...GEO_TESTS] as const;
const TEXTS = ['text', 'phrase', 'text_any', 'prefix'] as const;
const MATCHES = ['value', 'any', 'except', ...TEXTS];
const BOUNDS = ['gt', 'gte', 'lt', 'lte'] as const;

/** Conditions that Qdrant has and this language lacks. */
const ELSEWHERE = ['has_vector', 'substring'];

/**
 * Checks a filter; undefined and null are the filter that everything passes.
 *
 * @throws FunnelError BAD_ARGUMENT, BAD_ID, UNSUPPORTED, naming the place: `filter.must[2].match.value`
 */
export function parseFilter(filter: unknown, where = 'filter'): FilterNode {
  if (isNothing(filter)) return TRUE;
  return parseClauses(filter, where, { conditions: MAX_CONDITIONS, values: MAX_VALUES, depth: 1, nested: false });
}

/** Whether a filter lets everything pass by its form alone. */
export function isTrue(node: FilterNode): boolean {
  return node.op === 'and' && node.nodes.length === 0;
}

function parseClauses(filter: unknown, where: string, reading: Reading): FilterNode {
  if (reading.depth > MAX_DEPTH) {
    throw new FunnelError('BAD_ARGUMENT', `Expected filters within filters, ${MAX_DEPTH} deep at most, for ${where}`);
  }
  const fields = readFields(filter, CLAUSES, where);
  const nodes: FilterNode[] = [...parseList(fields['must'], `${where}.must`, reading)];
  const should = parseList(fields['should'], `${where}.should`, reading);
  if (should.length > 0) nodes.push(joined('or', should));
  else if (!isNothing(fields['should'])) nodes.push(emptyClause(reading));
  if (!isNothing(fields['min_should'])) {
    nodes.push(parseMinShould(fields['min_should'], `${where}.min_should`, reading));
  }
  for (const node of parseList(fields['must_not'], `${where}.must_not`, reading)) nodes.push({ op: 'not', node });
  return joined('and', nodes);
}

function joined(op: 'and' | 'or', nodes: FilterNode[]): FilterNode {
  return nodes.length === 1 ? nodes[0]! : { op, nodes };
}

/** One condition or an array of them. */
function parseList(clause: unknown, where: string, reading: Reading): FilterNode[] {
  if (isNothing(clause)) return [];
  if (!Array.isArray(clause)) return [parseCondition(clause, where, reading)];
  const nodes: FilterNode[] = [];
  for (let i = 0, { length } = clause; i < length; i++)
    nodes.push(parseCondition(clause[i], `${where}[${i}]`, reading));
  return nodes;
}

function parseMinShould(raw: unknown, where: string, reading: Reading): FilterNode {
  const fields = readFields(raw, ['conditions', 'min_count'], where);
  const { conditions } = fields;
  if (!Array.isArray(conditions)) throw expected('BAD_ARGUMENT', 'an array', `${where}.conditions`, conditions);
  const nodes = parseList(conditions, `${where}.conditions`, reading);
  const count = checkCount(fields['min_count'], `${where}.min_count`);
  // Qdrant 1.19 refuses a count of 0, and 1.18 takes a count of none for true.
  if (count === 0) return TRUE;
  return nodes.length > 0 ? { op: 'atLeast', count, nodes } : FALSE;
}

/** True; but inside `nested` Qdrant looks for one that holds, among none. */
function emptyClause({ nested }: Reading): FilterNode {
  return nested ? FALSE : TRUE;
}

function parseCondition(raw: unknown, where: string, reading: Reading): FilterNode {
  if (--reading.conditions < 0) throw tooMany(`${MAX_CONDITIONS} conditions`, where);
  const fields = readFields(raw, [...CLAUSES, ...CONDITIONS, ...TESTS], where);
  const kinds = CONDITIONS.filter((kind) => !isNothing(fields[kind]));
  const [kind] = kinds;
  const clauses = CLAUSES.some((clause) => Object.hasOwn(fields, clause));
  const tests = TESTS.some((test) => Object.hasOwn(fields, test));
  if (kinds.length > 1 || (kind !== undefined && clauses) || (kind !== 'key' && tests)) {
    throw new FunnelError(
      'BAD_ARGUMENT',
      `Expected one condition for ${where} but received the keys ${Object.keys(fields).join(', ')}`,
    );
  }
  switch (kind) {
    case undefined:
      return deeper(reading, reading.nested, () => parseClauses(fields, where, reading));
    case 'key':
      return parseField(fields, where, reading);
    case 'is_empty':
      return { op: 'empty', path: parseKey(fields[kind], `${where}.${kind}`) };
    case 'is_null':
      return { op: 'null', path: parseKey(fields[kind], `${where}.${kind}`) };
    case 'has_id': {
      const ids = parseValues(fields[kind], `${where}.has_id`, reading, checkId);
      return reading.nested ? FALSE : { op: 'ids', ids };
    }
    case 'slice': {
      const slice = parseSlice(fields[kind], `${where}.slice`);
      return reading.nested ? FALSE : slice;
    }
    default:
      return parseNested(fields['nested'], `${where}.nested`, reading);
  }
}

function parseKey(raw: unknown, where: string): Path {
  return parsePath(readFields(raw, ['key'], where)['key'], `${where}.key`);
}

function parseSlice(raw: unknown, where: string): FilterNode {
  const { total, index } = readFields(raw, ['total', 'index'], where);
  return {
    op: 'slice',
    total: checkInteger(total, 1, 2 ** 32 - 1, `${where}.total`),
    index: checkInteger(index, 0, Number(total) - 1, `${where}.index`),
  };
}

/** `nested: { key: 'a' }` means the elements of a, `a[]`. */
function parseNested(raw: unknown, where: string, reading: Reading): FilterNode {
  const fields = readFields(raw, ['key', 'filter'], where);
  const { text, steps } = parsePath(fields['key'], `${where}.key`);
  const path = { text, steps: steps.with(-1, { ...steps.at(-1)!, each: true }) };
  const filter = fields['filter'];
  if (isNothing(filter)) throw expected('BAD_ARGUMENT', 'a filter', `${where}.filter`, filter);
  return { op: 'nested', path, node: deeper(reading, true, () => parseClauses(filter, `${where}.filter`, reading)) };
}

function deeper(reading: Reading, nested: boolean, read: () => FilterNode): FilterNode {
  const { nested: before } = reading;
  reading.depth++;
  reading.nested = nested;
  const node = read();
  reading.depth--;
  reading.nested = before;
  return node;
}

function parseField(fields: Fields, where: string, reading: Reading): FilterNode {
  const path = parsePath(fields['key'], `${where}.key`);
  const tests = TESTS.filter((test) => !isNothing(fields[test]));
  const [test] = tests;
  if (test === undefined || tests.length > 1) {
    throw new FunnelError(
      'BAD_ARGUMENT',
      `Expected exactly one of ${TESTS.join(', ')} for ${where} but received ${tests.join(', ') || 'none'}`,
    );
  }
  const at = `${where}.${test}`;
  if (test === 'match') return parseMatch(path, fields[test], at, reading);
  if (test === 'range') return parseRange(path, fields[test], at);
  if (test !== 'values_count') {
    const counted = (points: number) => countValues(points, at, reading);
    return { op: 'geo', path, area: parseArea(test, fields[test], at, readFields, counted) };
  }
  return parseCount(path, readFields(fields[test], BOUNDS, at), at);
}

/** Qdrant 1.19 counts 0 values of a missing key and 1.18 none: said of what is empty, too, it means the same to both. */
function parseCount(path: Path, raw: Fields, where: string): FilterNode {
  const bounds: Bounds = readBounds(raw, where, checkCount);
  const { gt = -1, gte = 0, lt = 1, lte = 0 } = bounds;
  const count: FilterNode = { op: 'count', path, bounds };
  if (gt >= 0 || gte > 0 || lt <= 0 || lte < 0) return count;
  return { op: 'or', nodes: [count, { op: 'empty', path }] };
}

function parseMatch(path: Path, raw: unknown, where: string, reading: Reading): FilterNode {
  const fields = readFields(raw, MATCHES, where);
  const [kind, another] = Object.keys(fields);
  if (kind === undefined || another !== undefined) {
    throw new FunnelError(
      'BAD_ARGUMENT',
      `Expected exactly one of ${MATCHES.join(', ')} for ${where} but received ${Object.keys(fields).join(', ') || 'none'}`,
    );
  }
  const at = `${where}.${kind}`;
  const value = fields[kind];
  if (kind === 'value') {
    if (typeof value === 'boolean') return { op: 'match', path, values: [value] };
    return { op: 'match', path, values: [checkScalar(value, at, 'a string, a boolean or an integer')] };
  }
  const by = TEXTS.find((one) => one === kind);
  if (by !== undefined) {
    if (typeof value !== 'string') throw expected('BAD_ARGUMENT', 'a string', at, value);
    return { op: 'text', path, by, text: checkText(value, at) };
  }
  const values = parseValues(value, at, reading, checkScalar);
  const text = typeof values[0] === 'string';
  const odd = values.findIndex((one) => (typeof one === 'string') !== text);
  if (odd >= 0) {
    throw expected('BAD_ARGUMENT', 'all strings or all integers', `${at}[${odd}]`, values[odd]);
  }
  return { op: kind === 'any' ? 'match' : 'except', path, values };
}

/** Numbers, or dates as strings or Dates. */
function parseRange(path: Path, raw: unknown, where: string): FilterNode {
  const fields = readFields(raw, BOUNDS, where);
  const dates = BOUNDS.some((bound) => isTime(fields[bound]));
  if (!dates) return { op: 'range', path, bounds: readBounds(fields, where, checkNumber) };
  const text = readBounds(fields, where, dateText);
  return { op: 'dates', path, bounds: readBounds(text, where, checkDate), text };
}

function readBounds<T>(fields: Bounds<unknown>, where: string, check: (value: unknown, where: string) => T): Bounds<T> {
  const bounds: Bounds<T> = {};
  for (const bound of BOUNDS) {
    if (!isNothing(fields[bound])) bounds[bound] = check(fields[bound], `${where}.${bound}`);
  }
  return bounds;
}

function parseValues<T>(
  raw: unknown,
  where: string,
  reading: Reading,
  check: (value: unknown, where: string) => T,
): T[] {
  if (!Array.isArray(raw)) throw expected('BAD_ARGUMENT', 'an array', where, raw);
  const { length } = raw;
  countValues(length, where, reading);
  return Array.from({ length }, (_, i) => check(raw[i], `${where}[${i}]`));
}

function countValues(count: number, where: string, reading: Reading): void {
  reading.values -= count;
  if (reading.values < 0) throw tooMany(`${MAX_VALUES} values`, where);
}

/**
 * The own fields of a plain object, each read once; undefined ones left out.
 *
 * @throws FunnelError BAD_ARGUMENT for another key, or UNSUPPORTED
 */
function readFields(value: unknown, allowed: readonly string[], where: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const { message } = expected('BAD_ARGUMENT', 'an object', where, value);
    throw new FunnelError('BAD_ARGUMENT', message + shapeHint(where, value));
  }
  const fields: Fields = Object.create(null);
  for (const key of Object.keys(value)) {
    if (!allowed.includes(key)) throw unknownKey(key, value, allowed, where);
    const part = (value as Fields)[key];
    if (part !== undefined) fields[key] = part;
  }
  return fields;
}

function unknownKey(key: string, fields: object, allowed: readonly string[], where: string): FunnelError {
  if (ELSEWHERE.includes(key)) {
    return new FunnelError(
      'UNSUPPORTED',
      `Expected a condition of funnelvec for ${where} but received ${key}: where the database has it, use nativeFilter`,
    );
  }
  const snake = key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  const isRight = allowed.includes(snake);
  const right = isRight ? snake : `one of ${allowed.join(', ')}`;
  const hint = isRight ? '' : conditionHint(key, fields, allowed);
  return new FunnelError('BAD_ARGUMENT', `Expected ${right} in ${where} but received key ${describe(key)}${hint}`);
}

function checkScalar(value: unknown, where: string, what = 'a string or an integer'): Scalar {
  if (typeof value === 'string') return checkText(value, where);
  if (typeof value === 'bigint' || Number.isSafeInteger(value)) return wholeNumber(value as number | bigint)!;
  const large = Number.isInteger(value) ? ', or a bigint where it is larger, which a number may have rounded,' : '';
  throw expected('BAD_ARGUMENT', `${what} within ±(2^53 − 1)${large}`, where, value);
}

/** Half of a pair of surrogates has no UTF-8: on the way to a server it would become another character. */
function checkText(text: string, where: string): string {
  if (/\p{Surrogate}/u.test(text)) throw expected('BAD_ARGUMENT', 'well-formed text', where, text);
  return text;
}

function checkId(value: unknown, where: string): Id {
  if (typeof value === 'string') return checkText(value, where);
  const fine = typeof value === 'bigint' || Number.isSafeInteger(value);
  if (!fine) throw expected('BAD_ID', 'a string, a bigint or an integer within ±(2^53 − 1)', where, value);
  return value as Id;
}

function checkNumber(value: unknown, where: string): number | bigint {
  if (typeof value === 'bigint') return wholeNumber(value)!;
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw expected('BAD_ARGUMENT', 'a finite number or bigint, or dates for all bounds,', where, value);
  }
  return value;
}

function isTime(bound: unknown): boolean {
  return typeof bound === 'string' || isDate(bound);
}

/** A Date as its text, which is what databases are asked by. */
function dateText(value: unknown, where: string): string {
  if (typeof value === 'string') return value;
  const time = isDate(value) ? timeOf(value) : Number.NaN;
  if (!Number.isNaN(time)) return new Date(time).toISOString();
  const what = isDate(value) ? 'a valid Date' : 'a date, since another bound is one,';
  throw expected('BAD_ARGUMENT', what, where, value);
}

/** NaN also of what only looks like a Date. */
function timeOf(date: Date): number {
  try {
    return Date.prototype.getTime.call(date);
  } catch {
    return Number.NaN;
  }
}

function checkDate(value: unknown, where: string): number {
  const date = typeof value === 'string' ? parseDate(value) : undefined;
  if (date === undefined) {
    throw expected(
      'BAD_ARGUMENT',
      'a number, or a date such as 2024-05-31 or 2024-05-31T23:59:59+02:00,',
      where,
      value,
    );
  }
  return date;
}

function checkCount(value: unknown, where: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw expected('BAD_ARGUMENT', 'an integer of at least 0', where, value);
  }
  return value;
}

function tooMany(limit: string, where: string): FunnelError {
  return new FunnelError('BAD_ARGUMENT', `Expected at most ${limit} in one filter, up to ${where}`);
}

function isNothing(value: unknown): value is undefined | null {
  return value === undefined || value === null;
}

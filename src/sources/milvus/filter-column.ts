/** Conditions on fields of a type of their own. */

import type { Bounds, FilterNode, NumberBounds, Scalar } from '../../query/filter/ast.js';
import { wordsOf } from '../../query/filter/evaluate.js';
import { exactKey } from '../../query/numbers.js';
import type { MilvusField } from './fields.js';
import { and, atom, type FilterPiece, LEAST, list, literal, not, or, unsupported } from './filter-text.js';

/** A condition on one path that holds for some value there. */
export type PathCondition = Extract<
  FilterNode,
  { op: 'match' | 'except' | 'text' | 'range' | 'count' | 'empty' | 'null' }
>;

const BITS: Record<string, number> = { Int8: 8, Int16: 16, Int32: 32, Int64: 64 };
const OPPOSITES: Record<string, string> = {
  '==': '!=',
  in: 'not in',
  '>': '<=',
  '<': '>=',
  '>=': '<',
  '<=': '>',
};
export const SYMBOLS = { gt: '>', gte: '>=', lt: '<', lte: '<=' } as const;

/** `name` can stand as it is. Conditions on what is never of their type come out as false. */
export function columnCondition(node: PathCondition, name: string, field: MilvusField): FilterPiece {
  if (field.type === 'Missing') return node.op === 'count' ? within(0, node.bounds) : node.op === 'empty';
  if (!isKnown(field)) throw unsupported(`conditions on a field of type ${field.element ?? field.type} (${name})`);
  const given = field.nullable ? atom(`${name} is not null`) : true;
  if (node.op === 'null') return not(given);
  if (field.type === 'Array') return arrayCondition(node, name, field.element!, given);
  switch (node.op) {
    case 'empty':
      return not(given);
    case 'count':
      return or(and(given, within(1, node.bounds)), and(not(given), within(0, node.bounds)));
    case 'match':
      return and(given, oneOf(name, field, node.values));
    case 'except':
      return and(given, not(oneOf(name, field, node.values)));
    case 'text':
      return field.type === 'VarChar' && and(given, hasText(name, node, true));
    case 'range':
      return and(given, inRange(name, field, node.bounds));
  }
}

function isKnown({ type, element }: MilvusField): boolean {
  const scalar = type === 'Array' ? element : type;
  return ['Bool', 'Float', 'Double', 'VarChar'].includes(scalar!) || BITS[scalar!] !== undefined;
}

/** Arrays of Milvus have no nulls among their elements. */
function arrayCondition(node: PathCondition, name: string, element: string, given: FilterPiece): FilterPiece {
  const empty = atom(`array_length(${name}) == 0`);
  const filled = and(given, not(empty));
  switch (node.op) {
    case 'match': {
      const values = storable(element, node.values);
      // As one of a list it would be minus and an integer too large.
      if (values.includes(LEAST)) throw unsupported(`match of ${LEAST} in an array (${name})`);
      return values.length > 0 && and(given, atom(`array_contains_any(${name}, ${list(values, isFraction(element))})`));
    }
    case 'except':
      if (storable(element, node.values).length === 0) return filled;
      throw unsupported(`match.except on an array (${name})`);
    case 'range':
      if (element === 'VarChar' || element === 'Bool') return false;
      if (Object.keys(node.bounds).length === 0) return filled;
      throw unsupported(`range on an array (${name})`);
    case 'text':
      if (element !== 'VarChar') return false;
      throw unsupported(`match.${node.by} on an array (${name})`);
    case 'count': {
      const length = lengthWithin(`array_length(${name})`, node.bounds);
      return or(and(given, length), and(not(given), within(0, node.bounds)));
    }
    default:
      return or(not(given), empty);
  }
}

/** A comparison, with its opposite where no row is null. */
function compared(name: string, operator: string, value: string, { nullable }: MilvusField): FilterPiece {
  return atom(`${name} ${operator} ${value}`, nullable ? undefined : `${name} ${OPPOSITES[operator]} ${value}`);
}

function oneOf(name: string, field: MilvusField, values: readonly Scalar[]): FilterPiece {
  const { type } = field;
  const same = storable(type, values);
  if (same.length === 0) return false;
  if (type === 'Bool') return or(...same.map((value) => compared(name, '==', String(value), field)));
  const fraction = isFraction(type);
  if (same.includes(LEAST) && !fraction) {
    const others = same.filter((value) => value !== LEAST);
    return or(others.length > 0 && oneOf(name, field, others), atom(`${name} < ${LEAST + 1n}`));
  }
  return same.length === 1
    ? compared(name, '==', literal(same[0]!, fraction), field)
    : compared(name, 'in', list(same, fraction), field);
}

/** The values that a field of the type can hold: no other is equal to one, and servers round or refuse them. */
function storable(type: string, values: readonly Scalar[]): Scalar[] {
  return [...new Set(values)].filter((value) => {
    if (type === 'VarChar') return typeof value === 'string';
    if (type === 'Bool') return typeof value === 'boolean';
    if (typeof value !== 'number' && typeof value !== 'bigint') return false;
    const bits = BITS[type];
    if (bits !== undefined) return BigInt.asIntN(bits, BigInt(value)) === BigInt(value);
    const float = exactKey(value);
    return typeof float === 'number' && (type === 'Double' || Math.fround(float) === float);
  });
}

function isFraction(type: string): boolean {
  return type === 'Float' || type === 'Double';
}

/** @param strings - whether nothing but text is there: to milvus-lite 2.5 no text is like "%" */
export function hasText(
  value: string,
  { by, text }: Extract<FilterNode, { op: 'text' }>,
  strings = false,
): FilterPiece {
  const like = (before: string, one: string) => {
    if (one === '') return strings || atom(`${value} like "%"`);
    // Wildcards, and what escapes them in some versions and in others does not.
    if (/[%_\\]/.test(one)) throw unsupported(`match.${by} with %, _ or \\ in it (${value})`);
    return atom(`${value} like ${literal(`${before}${one}%`)}`);
  };
  if (by === 'text_any') return or(...wordsOf(text).map((word) => like('%', word)));
  return like(by === 'prefix' ? '' : '%', text);
}

function inRange(name: string, field: MilvusField, bounds: NumberBounds): FilterPiece {
  const { type } = field;
  if (type === 'VarChar' || type === 'Bool') return false;
  return and(
    ...Object.entries(bounds).map(([bound, value]) =>
      isFraction(type)
        ? floatBound(name, bound as keyof Bounds, value, type === 'Float' ? Math.fround : Number)
        : integerBound(name, bound as keyof Bounds, value, field),
    ),
  );
}

/** Bounds that servers need not round to the field's type, with the same numbers of it within. */
function floatBound(
  name: string,
  bound: keyof Bounds,
  value: number | bigint,
  round: (value: number) => number,
): FilterPiece {
  const near = round(Number(value));
  const lower = bound === 'gt' || bound === 'gte';
  if (!Number.isFinite(near)) return lower === near < 0;
  const same = !(near < value || near > value);
  const inside = same ? bound === 'gte' || bound === 'lte' : lower === near > value;
  return atom(`${name} ${(lower ? '>' : '<') + (inside ? '=' : '')} ${literal(near, true)}`);
}

function integerBound(name: string, bound: keyof Bounds, value: number | bigint, field: MilvusField): FilterPiece {
  const bits = BITS[field.type]!;
  const lower = bound === 'gt' || bound === 'gte';
  const down = bound === 'gt' || bound === 'lte';
  const whole = typeof value === 'bigint' ? value : BigInt(down ? Math.floor(value) : Math.ceil(value));
  if (whole === LEAST && bits === 64) {
    if (bound === 'gte' || bound === 'lt') return lower;
    return atom(`${name} ${lower ? '>=' : '<'} ${LEAST + 1n}`);
  }
  if (BigInt.asIntN(bits, whole) === whole) return compared(name, SYMBOLS[bound], String(whole), field);
  return lower === whole < 0n;
}

/** Lengths that are written one by one: some servers (2.3.5) can compare a length only with ==. */
const LENGTHS = 16;

function lengthWithin(value: string, bounds: Bounds): FilterPiece {
  const { gt = -1, gte = 0, lt = Number.POSITIVE_INFINITY, lte = Number.POSITIVE_INFINITY } = bounds;
  const first = Math.max(gt + 1, gte);
  const last = Math.min(lt - 1, lte);
  const among = (from: number, to: number) =>
    or(...Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => atom(`${value} == ${from + i}`)));
  if (last - first < LENGTHS) return among(first, last);
  if (last === Number.POSITIVE_INFINITY && first <= LENGTHS) return not(among(0, first - 1));
  return and(
    ...Object.entries(bounds).map(([bound, limit]) =>
      atom(`${value} ${SYMBOLS[bound as keyof Bounds]} ${literal(limit)}`),
    ),
  );
}

function within(count: number, { gt, gte, lt, lte }: Bounds): boolean {
  return (
    (gt === undefined || count > gt) &&
    (gte === undefined || count >= gte) &&
    (lt === undefined || count < lt) &&
    (lte === undefined || count <= lte)
  );
}

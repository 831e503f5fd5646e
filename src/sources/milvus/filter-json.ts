/** Conditions on keys of JSON, in a field of that type or the dynamic one, whose values are of any type. */
import type { Bounds, Step } from '../../query/filter/ast.js';
import { hasText, type PathCondition, SYMBOLS } from './filter-column.js';
import {
  and,
  atom,
  combine,
  type FilterPiece,
  isName,
  LEAST,
  list,
  literal,
  not,
  prefixed,
  unsupported,
} from './filter-text.js';

/** A key as expressions have it. @param base - a field of type JSON, or `$meta` */
export function jsonValue(base: string, steps: readonly Step[]): string {
  return base + steps.map(({ key }) => `[${literal(key)}]`).join('');
}

/** Whether a condition can be said only where no array and no object is. */
export function needsScalars({ op }: PathCondition): boolean {
  return op === 'except' || op === 'text' || op === 'range' || op === 'empty';
}

/**
 * Expressions that count a key's rows: those with something there, and those of them with text, a number, true or
 * false. Where both counts are equal, no row has an array or an object.
 */
export function scalarCounts(value: string): [something: string, scalar: string] {
  return [`exists ${value}`, scalarKinds(value).join(' or ')];
}

/** Text, a number, true or false is there. */
function scalarKinds(value: string): string[] {
  return [`like "%"`, `>= ${-Number.MAX_VALUE}`, '== true', '== false'].map((kind) => `${value} ${kind}`);
}

/**
 * @param base - a field of type JSON, or `$meta`
 * @param scalars - whether no array and no object is there; see MilvusFields
 */
export function jsonCondition(
  node: PathCondition,
  base: string,
  steps: readonly Step[],
  scalars: boolean,
): FilterPiece {
  const named = JSON.stringify(node.path.text);
  if (steps.length === 0) throw unsupported(`a condition on a JSON field as a whole (${named})`);
  const value = jsonValue(base, steps);
  // Comparing nothing is neither true nor false, which not would leave so. A null is as if it were missing.
  const given = prefixed(`exists ${value}`);
  if (node.op === 'match') {
    if (node.values.length === 0) return false;
    checkIntegers(node.values, 'match of', named);
    const same = node.values.map((one) => atom(`${value} == ${literal(one)}`));
    if (scalars) return and(given, combine('or', same));
    // A single value is looked for in a list too: Milvus Lite reads a minus sign in a list only.
    const some = atom(`json_contains_any(${container(base, steps, named)}, ${list(node.values)})`);
    // Milvus Lite takes text that reads as an array for one.
    return and(given, combine('or', [...same, and(not(atom(`${value} like "%"`)), some)]));
  }
  if (node.op === 'count') throw unsupported(`values_count of a JSON key (${named})`);
  if (node.op === 'null') throw unsupported(`is_null of a JSON key (${named})`, 'a missing key is null to it, too');
  if (!scalars) {
    const text = node.op === 'text' ? node.by : 'text';
    const what = { except: 'match.except', text: `match.${text}`, range: 'range', empty: 'is_empty' }[node.op];
    throw unsupported(
      `${what} of a JSON key (${named})`,
      "it does not look into arrays; where none are, say so to the source (scalars: true), or let it ask (scalars: 'ask')",
    );
  }
  // `exists` is true of a null on some servers (2.3.5) and false on others (Milvus Lite 3.2.2).
  const filled = and(
    given,
    combine(
      'or',
      scalarKinds(value).map((kind) => atom(kind)),
    ),
  );
  switch (node.op) {
    case 'except':
      checkIntegers(node.values, 'match.except of', named);
      return combine('and', [filled, ...node.values.map((one) => not(atom(`${value} == ${literal(one)}`)))]);
    case 'text':
      return and(given, hasText(value, node));
    case 'empty':
      return not(filled);
    case 'range': {
      // Text beside a number is neither above nor below it.
      const number = and(given, not(atom(`${value} like "%"`)));
      const bounds = Object.keys(node.bounds).length > 0 ? node.bounds : { gte: -Number.MAX_VALUE };
      const limits = Object.entries(bounds) as [keyof Bounds, number | bigint][];
      return and(number, ...limits.map(([bound, limit]) => jsonBound(value, bound, limit, named)));
    }
  }
}

/** Whether the server reads it as an integer: it has 64 bits, and no literal for the least one, see LEAST. */
function isLiteral(value: bigint): boolean {
  return BigInt.asIntN(64, value) === value && value !== LEAST;
}

function checkIntegers(values: readonly unknown[], what: string, named: string): void {
  for (const value of values) {
    if (typeof value !== 'bigint' || isLiteral(value)) continue;
    throw unsupported(
      `${what} ${value}, which is beyond 64 bits, or the least integer within, of a JSON key (${named})`,
    );
  }
}

/**
 * Integers are compared exactly with what is written as one, fractions by the float64 nearest to it: where that lies on the
 * other side of the bound, or on it, the integer before or behind says the same and lies right. (At the ends of 64 bits none
 * is behind, and a fraction of 2^63 is taken for the last integer.)
 */
function jsonBound(value: string, bound: keyof Bounds, limit: number | bigint, named: string): FilterPiece {
  const whole = typeof limit === 'bigint' ? limit : Number.isInteger(limit) ? BigInt(limit) : undefined;
  if (whole === undefined || !isLiteral(whole)) {
    checkIntegers([limit], 'a range that ends at', named);
    return atom(`${value} ${SYMBOLS[bound]} ${literal(limit as number, true)}`);
  }
  const near = Number(whole);
  const before = near < whole && isLiteral(whole - 1n) ? whole - 1n : undefined;
  const behind = near > whole && isLiteral(whole + 1n) ? whole + 1n : undefined;
  if (bound === 'gte' && before !== undefined) return atom(`${value} > ${before}`);
  if (bound === 'gt' && behind !== undefined) return atom(`${value} >= ${behind}`);
  if (bound === 'lt' && before !== undefined) return atom(`${value} <= ${before}`);
  if (bound === 'lte' && behind !== undefined) return atom(`${value} < ${behind}`);
  return atom(`${value} ${SYMBOLS[bound]} ${whole}`);
}

/** Functions take no `$meta` in Milvus Lite, only the key as if it were a field. */
function container(base: string, steps: readonly Step[], named: string): string {
  if (base !== '$meta') return base + steps.map(({ key }) => `[${literal(key)}]`).join('');
  const [first, ...rest] = steps;
  if (!isName(first!.key)) throw unsupported(`match of a dynamic key that is no plain name (${named})`);
  return first!.key + rest.map(({ key }) => `[${literal(key)}]`).join('');
}

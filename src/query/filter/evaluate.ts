/** A filter as a function of one point. */
import { isDate } from '../../core/realm.js';
import type { Id } from '../../core/types.js';
import { exactKey } from '../numbers.js';
import type { FilterNode, NumberBounds, Path, Scalar, Step } from './ast.js';
import { parseDate } from './dates.js';
import { inArea } from './geo.js';
import { inSlice } from './slice.js';

/** Whether a point passes. Its payload is data as JSON has it; beyond that, bigints are integers and Dates are dates. */
export type FilterTest = (id: Id, payload: unknown) => boolean;

type ValueTest = (value: unknown) => boolean;

/**
 * A filter as a test of points. Ids compare by kind, "123" is not 123; a bigint and a number of the same value are one id.
 */
export function compileFilter(node: FilterNode): FilterTest {
  switch (node.op) {
    case 'and': {
      const tests = node.nodes.map(compileFilter);
      if (tests.length === 1) return tests[0]!;
      return (id, payload) => {
        for (const test of tests) if (!test(id, payload)) return false;
        return true;
      };
    }
    case 'or': {
      const tests = node.nodes.map(compileFilter);
      return (id, payload) => {
        for (const test of tests) if (test(id, payload)) return true;
        return false;
      };
    }
    case 'not': {
      const test = compileFilter(node.node);
      return (id, payload) => !test(id, payload);
    }
    case 'atLeast':
      return atLeast(node.count, node.nodes.map(compileFilter));
    case 'ids': {
      const ids = new Set<unknown>(node.ids.map(keyOf));
      return (id) => ids.has(keyOf(id));
    }
    case 'slice':
      return inSlice(node.total, node.index);
    default: {
      const test = compileCondition(node);
      return (_id, payload) => test(payload);
    }
  }
}

/**
 * The values at a path: what its last step leads to, with the elements of an array in its place. Undefined elements are
 * null, as they are in JSON.
 */
export function valuesAt(payload: unknown, path: Path): unknown[] {
  const values: unknown[] = [];
  along(
    path.steps,
    someElement((value) => values.push(value ?? null) < 0),
  )(payload);
  return values;
}

function atLeast(count: number, tests: readonly FilterTest[]): FilterTest {
  return (id, payload) => {
    let missing = count;
    for (let i = 0; missing > 0 && i < tests.length; i++) if (tests[i]!(id, payload)) missing--;
    return missing <= 0;
  };
}

/** A condition on the payload alone. */
function compileCondition(
  node: Exclude<FilterNode, { op: 'and' | 'or' | 'not' | 'atLeast' | 'ids' | 'slice' }>,
): (payload: unknown) => boolean {
  const { steps } = node.path;
  switch (node.op) {
    case 'match':
      return along(steps, someElement(oneOf(node.values)));
    case 'except': {
      const listed = oneOf(node.values);
      return along(
        steps,
        someElement((value) => !isNull(value) && !listed(value)),
      );
    }
    case 'text': {
      const has = textTest(node);
      return along(
        steps,
        someElement((value) => typeof value === 'string' && has(value)),
      );
    }
    case 'geo':
      return along(steps, someElement(inArea(node.area)));
    case 'range': {
      const inside = within(node.bounds);
      return along(
        steps,
        someElement((value) => (typeof value === 'number' || typeof value === 'bigint') && inside(value)),
      );
    }
    case 'dates': {
      const inside = within(node.bounds);
      return along(
        steps,
        someElement((value) => {
          const time =
            typeof value === 'string'
              ? parseDate(value)
              : isDate(value)
                ? Date.prototype.getTime.call(value)
                : undefined;
          return time !== undefined && inside(time);
        }),
      );
    }
    case 'count': {
      const inside = within(node.bounds);
      return along(steps, (value) => inside(isNull(value) ? 0 : Array.isArray(value) ? value.length : 1));
    }
    case 'empty': {
      const some = along(steps, (value) => !isNull(value) && !(Array.isArray(value) && value.length === 0));
      return (payload) => !some(payload);
    }
    case 'null':
      return along(steps, isNull);
    case 'nested': {
      // There are no ids in there; the parser lets none in.
      const test = compileFilter(node.node);
      return along(steps, (value) => isObject(value) && test('', value));
    }
  }
}

/** Whether the test holds of some value that the steps lead to. Only own keys count, whatever they are called. */
export function along(steps: readonly Step[], test: ValueTest): ValueTest {
  let next = test;
  for (const { key, each } of steps.toReversed()) next = each ? eachOf(key, next) : under(key, next);
  return next;
}

function under(key: string, next: ValueTest): ValueTest {
  return (value) => {
    if (!isObject(value) || !Object.hasOwn(value, key)) return false;
    const found = value[key];
    return found !== undefined && next(found);
  };
}

function eachOf(key: string, next: ValueTest): ValueTest {
  return under(key, (value) => {
    if (!Array.isArray(value)) return false;
    for (let i = 0; i < value.length; i++) if (next(value[i])) return true;
    return false;
  });
}

/** Passes a value that passes the test, and an array of which some element does. */
function someElement(test: ValueTest): ValueTest {
  return (value) => {
    if (!Array.isArray(value)) return test(value);
    for (let i = 0; i < value.length; i++) if (test(value[i])) return true;
    return false;
  };
}

function oneOf(values: readonly Scalar[]): ValueTest {
  if (values.length === 1) {
    const only = keyOf(values[0]);
    return (value) => value === only || (typeof value === 'bigint' && exactKey(value) === only);
  }
  const set = new Set<unknown>(values.map(keyOf));
  return (value) => set.has(keyOf(value));
}

function keyOf(value: unknown): unknown {
  return typeof value === 'bigint' ? exactKey(value) : value;
}

function within({ gt, gte, lt, lte }: NumberBounds): (value: number | bigint) => boolean {
  return (value) =>
    (gt === undefined || value > gt) &&
    (gte === undefined || value >= gte) &&
    (lt === undefined || value < lt) &&
    (lte === undefined || value <= lte);
}

function isNull(value: unknown): boolean {
  return value === null || value === undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

type TextCondition = Pick<Extract<FilterNode, { op: 'text' }>, 'by' | 'text'>;

/** Whether a string has the text of a condition, as Qdrant reads it where a key has no text index. */
export function textTest({ by, text }: TextCondition): (value: string) => boolean {
  if (by === 'prefix') return (value) => value.startsWith(text);
  if (by !== 'text_any') return (value) => value.includes(text);
  const words = wordsOf(text);
  return (value) => words.some((word) => value.includes(word));
}

/** White space of Unicode, which is not quite that of JavaScript. */
const SPACE = /[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/;

/** The words between white space, each once. */
export function wordsOf(text: string): string[] {
  return [...new Set(text.split(SPACE).filter((word) => word !== ''))];
}

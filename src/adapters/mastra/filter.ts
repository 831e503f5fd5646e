/** Mastra's filters, which are Mongo's, as nodes of our filter tree: by what Mongo says that they mean. */
import { describe, expected, FunnelError } from '../../core/errors.js';
import { isDate, isMapOrSet } from '../../core/realm.js';
import type { Bounds, FilterNode, Path, Scalar, Step } from '../../query/filter/ast.js';
import { parseDate } from '../../query/filter/dates.js';
import { isTrue, MAX_DEPTH } from '../../query/filter/parse.js';
import { wholeNumber } from '../../query/numbers.js';

/** Where metadata is, and how much can be asked about it there. */
export interface FilterPlace {
  /** The way from a payload to its metadata. */
  readonly root: readonly Step[];
  /** The database whose expressions say less than Mongo; absent: everything below can be said. */
  readonly limited?: string;
}

const TRUE: FilterNode = { op: 'and', nodes: [] };
const FALSE: FilterNode = { op: 'or', nodes: [] };
/** Keys on the way to a value, each of which may hold an array of objects: twice as many places for each. */
const MAX_KEYS = 8;
const BOUNDS = { $gt: 'gt', $gte: 'gte', $lt: 'lt', $lte: 'lte' } as const;
const OPERATORS =
  '$eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $all, $exists, $not, $regex, $size and $elemMatch beside a key, $and, $or, $nor and $not around conditions';

/**
 * Undefined where everything passes by the filter's form alone: undefined, null, {}, { $and: [] }.
 *
 * @throws FunnelError BAD_ARGUMENT; UNSUPPORTED, naming the operator that cannot be said here
 */
export function mastraFilter(filter: unknown, where: string, place: FilterPlace): FilterNode | undefined {
  if (filter === undefined || filter === null) return undefined;
  const node = new Translation(place.root, place.limited, 0).all(filter, where);
  return isTrue(node) ? undefined : node;
}

class Translation {
  constructor(
    private readonly root: readonly Step[],
    private readonly limited: string | undefined,
    private depth: number,
  ) {}

  /** An object of conditions, which all hold. */
  all(given: unknown, where: string): FilterNode {
    if (!isPlain(given)) throw expected('BAD_ARGUMENT', 'an object of conditions', where, given);
    return this.deeper(where, () =>
      and(Object.entries(given).map(([key, value]) => this.one(key, value, `${where}.${key}`))),
    );
  }

  private one(key: string, value: unknown, where: string): FilterNode {
    switch (key) {
      case '$and':
        return and(this.branches(value, where));
      case '$or':
        return or(this.branches(value, where));
      case '$nor':
        return not(or(this.branches(value, where)));
      case '$not':
        if (isPlain(value) && Object.keys(value).length > 0) return not(this.all(value, where));
        throw expected('BAD_ARGUMENT', 'an object of conditions, not an empty one,', where, value);
    }
    if (key.startsWith('$')) throw unknownOperator(key, where);
    return this.field(keysOf(key, where), value, where);
  }

  private branches(value: unknown, where: string): FilterNode[] {
    if (!Array.isArray(value)) throw expected('BAD_ARGUMENT', 'an array of objects of conditions', where, value);
    return Array.from(value, (one, i) => this.all(one, `${where}[${i}]`));
  }

  /** A value to be equal to, operators, or conditions on keys within. */
  private field(keys: readonly string[], value: unknown, where: string): FilterNode {
    if (!isPlain(value)) return this.equal(keys, value, where);
    const entries = Object.entries(value);
    const operators = entries.filter(([key]) => key.startsWith('$')).length;
    if (entries.length === 0 || (operators > 0 && operators < entries.length)) {
      throw expected('BAD_ARGUMENT', 'a value, operators such as $gt, or keys within, not a mixture,', where, value);
    }
    return this.deeper(where, () =>
      operators > 0
        ? this.operators(keys, value, where)
        : and(entries.map(([key, one]) => this.field([...keys, ...keysOf(key, where)], one, `${where}.${key}`))),
    );
  }

  private operators(keys: readonly string[], given: Record<string, unknown>, where: string): FilterNode {
    return and(
      Object.entries(given).map(([operator, value]) => {
        const here = `${where}.${operator}`;
        switch (operator) {
          case '$eq':
            return this.equal(keys, value, here);
          case '$ne':
            return not(this.equal(keys, value, here));
          case '$gt':
          case '$gte':
          case '$lt':
          case '$lte':
            return this.bounds(keys, [BOUNDS[operator]], value, here);
          case '$in':
            return this.among(keys, value, here);
          case '$nin':
            return not(this.among(keys, value, here));
          case '$all': {
            const values = listOf(value, here);
            return values.length === 0 ? FALSE : and(values.map((one, i) => this.equal(keys, one, `${here}[${i}]`)));
          }
          case '$exists':
            if (typeof value !== 'boolean') throw expected('BAD_ARGUMENT', 'a boolean', here, value);
            return value ? this.there(keys, here) : not(this.there(keys, here));
          case '$not':
            if (isRegExp(value)) return not(this.contains(keys, value.source, value.flags, here));
            if (
              isPlain(value) &&
              Object.keys(value).every((key) => key.startsWith('$')) &&
              Object.keys(value).length > 0
            ) {
              return not(this.deeper(here, () => this.operators(keys, value, here)));
            }
            throw expected('BAD_ARGUMENT', 'an object of operators, not an empty one,', here, value);
          case '$regex':
            return isRegExp(value)
              ? this.contains(keys, value.source, given['$options'] ?? value.flags, here)
              : this.contains(keys, value, given['$options'] ?? '', here);
          case '$options':
            if (Object.hasOwn(given, '$regex')) return TRUE; // read beside it
            throw new FunnelError('BAD_ARGUMENT', `Expected $regex beside $options in ${where}`);
          case '$size':
            return this.size(keys, value, here);
          case '$elemMatch':
            return this.element(keys, value, here);
          default:
            throw unknownOperator(operator, here);
        }
      }),
    );
  }

  private equal(keys: readonly string[], value: unknown, where: string): FilterNode {
    if (value === null) return this.none(keys, where);
    if (isRegExp(value)) return this.contains(keys, value.source, value.flags, where);
    // One range: another date before it and one behind it in an array are not equal to it.
    if (isDate(value)) return this.bounds(keys, ['gte', 'lte'], value, where);
    if (typeof value === 'number' && Number.isFinite(value) && !Number.isInteger(value)) {
      return this.somewhere(keys, where, (path) => ({ op: 'range', path, bounds: { gte: value, lte: value } }));
    }
    const scalar = scalarOf(value, where);
    return this.somewhere(keys, where, (path) => ({ op: 'match', path, values: [scalar] }));
  }

  private among(keys: readonly string[], value: unknown, where: string): FilterNode {
    const values: Scalar[] = [];
    const others: FilterNode[] = [];
    for (const [i, one] of listOf(value, where).entries()) {
      const at = `${where}[${i}]`;
      if (typeof one === 'string' || typeof one === 'boolean' || typeof one === 'bigint' || Number.isInteger(one)) {
        values.push(scalarOf(one, at));
      } else others.push(this.equal(keys, one, at));
    }
    if (values.length > 0) others.push(this.somewhere(keys, where, (path) => ({ op: 'match', path, values })));
    return or(others);
  }

  /** Some value is on this side of it, or, with several bounds, on each of these sides. */
  private bounds(
    keys: readonly string[],
    bounds: readonly (keyof Bounds)[],
    value: unknown,
    where: string,
  ): FilterNode {
    const all = <Limit>(limit: Limit): Bounds<Limit> => Object.fromEntries(bounds.map((bound) => [bound, limit]));
    if ((typeof value === 'number' && Number.isFinite(value)) || typeof value === 'bigint') {
      const limit = wholeNumber(value) ?? value;
      return this.somewhere(keys, where, (path) => ({ op: 'range', path, bounds: all(limit) }));
    }
    const text = isDate(value) ? isoOf(value) : value;
    const time = typeof text === 'string' ? parseDate(text) : undefined;
    if (time === undefined) {
      throw expected(
        'BAD_ARGUMENT',
        'a number, a Date, or the text of a date such as 2024-05-31T23:59:59Z,',
        where,
        value,
      );
    }
    this.say('an order of dates', where);
    const both = { bounds: all(time), text: all(text as string) };
    return this.somewhere(keys, where, (path) => ({ op: 'dates', path, ...both }));
  }

  /** Also of null: only what is missing is not there. */
  private there(keys: readonly string[], where: string): FilterNode {
    this.say('whether a key is there', where);
    return this.somewhere(keys, where, (path) => ({ op: 'count', path, bounds: { gte: 0 } }));
  }

  /** Null, or missing, or an array with null in it. */
  private none(keys: readonly string[], where: string): FilterNode {
    this.say('null', where);
    return noneAt(this.root, keys);
  }

  private size(keys: readonly string[], value: unknown, where: string): FilterNode {
    if (!Number.isSafeInteger(value) || (value as number) < 0) {
      throw expected('BAD_ARGUMENT', 'an integer of at least 0', where, value);
    }
    this.say('the length of an array', where);
    const size = value as number;
    return this.somewhere(keys, where, (all) =>
      ofOneValue(all, (path) => {
        const count: FilterNode = { op: 'count', path, bounds: { gte: size, lte: size } };
        if (size === 0) return and([count, not({ op: 'null', path })]);
        // A value that is no array counts 1.
        return size === 1 ? and([count, { op: 'count', path: elementsOf(path), bounds: { gte: 0 } }]) : count;
      }),
    );
  }

  private element(keys: readonly string[], value: unknown, where: string): FilterNode {
    this.say('conditions on one element', where);
    if (!isPlain(value) || Object.keys(value).length === 0) {
      throw expected('BAD_ARGUMENT', 'an object of conditions on keys of elements', where, value);
    }
    const odd = Object.keys(value).find((key) => key.startsWith('$') && !['$and', '$or', '$nor', '$not'].includes(key));
    if (odd !== undefined) {
      throw new FunnelError(
        'UNSUPPORTED',
        `Expected conditions on keys of elements in ${where} but received ${odd} for elements themselves, which has no counterpart here`,
      );
    }
    const node = new Translation([], this.limited, this.depth).all(value, where);
    return this.somewhere(keys, where, (path) => ({ op: 'nested', path: elementsOf(path), node }));
  }

  private contains(keys: readonly string[], pattern: unknown, flags: unknown, where: string): FilterNode {
    if (typeof pattern !== 'string') throw expected('BAD_ARGUMENT', 'a text or a RegExp', where, pattern);
    const text = literalOf(pattern);
    if (text === undefined || typeof flags !== 'string' || !/^[dgmsuv]*$/.test(flags)) {
      throw new FunnelError(
        'UNSUPPORTED',
        `Expected a text to be contained, case and all, for ${where} but received ${describe(`/${pattern}/${String(flags)}`)}: ` +
          'other patterns have no counterpart here',
      );
    }
    return this.somewhere(keys, where, (path) => ({ op: 'text', path, by: 'text', text: wellFormed(text, where) }));
  }

  /** Some value at the keys passes; each key but the last may hold an array of objects instead of one. */
  private somewhere(keys: readonly string[], where: string, make: (path: Path) => FilterNode): FilterNode {
    if (keys.length > MAX_KEYS)
      throw expected('BAD_ARGUMENT', `at most ${MAX_KEYS} keys, one within the other,`, where, keys.join('.'));
    const within = this.limited === undefined ? keys.length - 1 : 0;
    const nodes: FilterNode[] = [];
    for (let arrays = 0; arrays < 1 << within; arrays++) {
      const steps = keys.map((key, i) => ({ key, each: i < within && (arrays & (1 << i)) !== 0 }));
      nodes.push(make(pathOf([...this.root, ...steps])));
    }
    return or(nodes);
  }

  /** @throws FunnelError UNSUPPORTED where the database cannot say it */
  private say(what: string, where: string): void {
    if (this.limited === undefined) return;
    throw new FunnelError(
      'UNSUPPORTED',
      `Expected conditions that ${this.limited} can express on metadata but received ${where}: ${what}`,
    );
  }

  private deeper<T>(where: string, read: () => T): T {
    if (++this.depth > MAX_DEPTH) {
      throw new FunnelError('BAD_ARGUMENT', `Expected filters within filters, ${MAX_DEPTH} deep at most, for ${where}`);
    }
    const made = read();
    this.depth--;
    return made;
  }
}

function unknownOperator(operator: string, where: string): FunnelError {
  const remedy = operator === '$contains' ? ': write $eq for an element of an array, $regex for a part of a text' : '';
  return new FunnelError(
    'UNSUPPORTED',
    `Expected ${OPERATORS} in a filter but received ${operator} (${where}), which has no counterpart here${remedy}`,
  );
}

/** @throws FunnelError BAD_ARGUMENT; UNSUPPORTED: positions in arrays */
function keysOf(key: string, where: string): string[] {
  const keys = key.split('.');
  const at = keys.findIndex((one, i) => one === '' || (i > 0 && /^\d+$/.test(one)));
  if (at >= 0 && keys[at] !== '') {
    throw new FunnelError(
      'UNSUPPORTED',
      `Expected keys for ${where} but received the position ${keys[at]}: places in arrays have no counterpart here`,
    );
  }
  if (at >= 0 && keys.length > 1) throw expected('BAD_ARGUMENT', 'keys with dots between them', where, key);
  return keys.map((one) => wellFormed(one, where));
}

function listOf(value: unknown, where: string): unknown[] {
  if (!Array.isArray(value)) throw expected('BAD_ARGUMENT', 'an array', where, value);
  return Array.from(value);
}

function scalarOf(value: unknown, where: string): Scalar {
  if (typeof value === 'string') return wellFormed(value, where);
  if (typeof value === 'boolean') return value;
  const whole = typeof value === 'number' || typeof value === 'bigint' ? wholeNumber(value) : undefined;
  if (whole !== undefined) return whole;
  const what = Array.isArray(value)
    ? '$in or $all, not an array to be equal to,'
    : 'a string, a finite number, a boolean, null or a Date';
  throw expected('BAD_ARGUMENT', what, where, value);
}

/** Half of a pair of surrogates has no UTF-8. */
function wellFormed(text: string, where: string): string {
  if (/\p{Surrogate}/u.test(text)) throw expected('BAD_ARGUMENT', 'well-formed text', where, text);
  return text;
}

/** The text that a pattern without marks of a regular expression stands for. */
function literalOf(pattern: string): string | undefined {
  const plain = /^(?:[^\\.*+?()[\]{}|^$]|\\[^\p{L}\p{N}])*$/u;
  return plain.test(pattern) ? pattern.replace(/\\(.)/gsu, '$1') : undefined;
}

function isoOf(date: Date): string | undefined {
  const time = Date.prototype.getTime.call(date);
  return Number.isNaN(time) ? undefined : new Date(time).toISOString();
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return !isDate(value) && !isRegExp(value) && !isMapOrSet(value) && !ArrayBuffer.isView(value);
}

function isRegExp(value: unknown): value is RegExp {
  return Object.prototype.toString.call(value) === '[object RegExp]';
}

function pathOf(steps: readonly Step[]): Path {
  return {
    text: steps
      .map(({ key, each }) => (/^[^".[\]]+$/.test(key) ? key : JSON.stringify(key)) + (each ? '[]' : ''))
      .join('.'),
    steps,
  };
}

function elementsOf({ steps }: Path): Path {
  return pathOf(steps.with(-1, { ...steps.at(-1)!, each: true }));
}

/** Conditions on one and the same value, where the path leads to several by an array on the way. */
function ofOneValue({ steps }: Path, make: (path: Path) => FilterNode): FilterNode {
  const last = steps.findLastIndex(({ each }) => each);
  const node = make(pathOf(steps.slice(last + 1)));
  return last < 0 ? node : { op: 'nested', path: pathOf(steps.slice(0, last + 1)), node };
}

/** In an array on the way each object counts, and nothing else does: an empty one lacks no key. */
function noneAt(before: readonly Step[], [key, ...rest]: readonly string[]): FilterNode {
  const steps = [...before, { key: key!, each: false }];
  const path = pathOf(steps);
  const isThere: FilterNode = { op: 'count', path, bounds: { gte: 0 } };
  const isNull: FilterNode = { op: 'null', path };
  const elements = elementsOf(path);
  if (rest.length === 0) return or([not(isThere), isNull, { op: 'null', path: elements }]);
  const isEmpty = and([{ op: 'count', path, bounds: { gte: 0, lte: 0 } }, not(isNull)]);
  const isArray = or([isEmpty, { op: 'count', path: elements, bounds: { gte: 0 } }]);
  return or([and([not(isArray), noneAt(steps, rest)]), { op: 'nested', path: elements, node: noneAt([], rest) }]);
}

// With constants folded, so that what passes everything, or nothing, is seen as that.

function and(nodes: readonly FilterNode[]): FilterNode {
  if (nodes.some(isFalse)) return FALSE;
  const some = nodes.filter((node) => !isTrue(node));
  return some.length === 1 ? some[0]! : { op: 'and', nodes: some };
}

function or(nodes: readonly FilterNode[]): FilterNode {
  if (nodes.some(isTrue)) return TRUE;
  const some = nodes.filter((node) => !isFalse(node));
  return some.length === 1 ? some[0]! : { op: 'or', nodes: some };
}

function not(node: FilterNode): FilterNode {
  if (isTrue(node)) return FALSE;
  if (isFalse(node)) return TRUE;
  return node.op === 'not' ? node.node : { op: 'not', node };
}

function isFalse(node: FilterNode): boolean {
  return node.op === 'or' && node.nodes.length === 0;
}

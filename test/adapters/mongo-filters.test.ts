/**
 * Mongo's filters as nodes of our tree, beside a matcher that follows MongoDB's manual value by value, over documents in which
 * keys are missing, null, arrays, and arrays of objects that lack them: FUNNELVEC_MONGO_FILTERS=20000 npm test -- mongo-filters
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mastraFilter } from '#dist/adapters/mastra/filter.js';
import { compileFilter } from '#dist/query/filter/evaluate.js';
import { Random, SEED } from '../random.js';

type Document = Record<string, unknown>;

const FILTERS = Number(process.env['FUNNELVEC_MONGO_FILTERS'] ?? 600);
const MISSING = Symbol('missing');

const isObject = (value: unknown): value is Document =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The values that a path leads to, arrays not yet entered: an array on the way stands for each object in it. */
function valuesAt(value: unknown, [key, ...rest]: string[]): unknown[] {
  if (key === undefined) return [value];
  if (Array.isArray(value)) return value.filter(isObject).flatMap((one) => valuesAt(one, [key, ...rest]));
  if (!isObject(value) || !Object.hasOwn(value, key)) return [MISSING];
  return valuesAt(value[key], rest);
}

function holds(values: unknown[], operator: string, asked: unknown): boolean {
  const all = values.flatMap((value) => (Array.isArray(value) ? [value, ...value] : [value]));
  const compares = (test: (value: number, limit: number) => boolean) =>
    all.some((value) => typeof value === 'number' && test(value, asked as number));
  const list = asked as unknown[];
  switch (operator) {
    case '$eq':
      return all.some((value) => (asked === null ? value === null || value === MISSING : value === asked));
    case '$ne':
      return !holds(values, '$eq', asked);
    case '$gt':
      return compares((value, limit) => value > limit);
    case '$gte':
      return compares((value, limit) => value >= limit);
    case '$lt':
      return compares((value, limit) => value < limit);
    case '$lte':
      return compares((value, limit) => value <= limit);
    case '$in':
      return list.some((one) => holds(values, '$eq', one));
    case '$nin':
      return !holds(values, '$in', asked);
    case '$all':
      return list.length > 0 && list.every((one) => holds(values, '$eq', one));
    case '$exists':
      return values.some((value) => value !== MISSING) === asked;
    case '$size':
      return values.some((value) => Array.isArray(value) && value.length === asked);
    case '$regex':
      return all.some((value) => typeof value === 'string' && value.includes(String(asked)));
    case '$not':
      return !Object.entries(asked as Document).every(([one, value]) => holds(values, one, value));
    case '$elemMatch':
      return values.some(
        (value) => Array.isArray(value) && value.some((one) => isObject(one) && matches(one, asked as Document)),
      );
    default:
      throw new Error(operator);
  }
}

function matches(document: Document, filter: Document): boolean {
  return Object.entries(filter).every(([key, asked]) => {
    if (key === '$and') return (asked as Document[]).every((one) => matches(document, one));
    if (key === '$or') return (asked as Document[]).some((one) => matches(document, one));
    if (key === '$nor') return !(asked as Document[]).some((one) => matches(document, one));
    const values = valuesAt(document, key.split('.'));
    if (!isObject(asked)) return holds(values, '$eq', asked);
    return Object.entries(asked).every(([operator, value]) => holds(values, operator, value));
  });
}

function tested(filter: Document): (document: Document) => boolean {
  const node = mastraFilter(filter, 'filter', { root: [] });
  if (node === undefined) return () => true;
  const test = compileFilter(node);
  return (document) => test('', document);
}

/** Found wrongly before, each by a value of one element and another of its neighbour. */
const CASES: [Document, Document, boolean][] = [
  [{ c: [{ p: null }, { p: [] }] }, { 'c.p': { $size: 0 } }, true],
  [{ c: [{ p: null }, {}] }, { 'c.p': { $size: 0 } }, false],
  [{ c: [{ p: [] }, { q: 1 }] }, { 'c.p': { $size: 0 } }, true],
  [{ c: [{ p: 5 }, { p: [1, 2] }] }, { 'c.p': { $size: 1 } }, false],
  [{ c: [{ p: 5 }, { p: [null] }] }, { 'c.p': { $size: 1 } }, true],
  [{ c: [{ p: null }, { p: [] }] }, { 'c.p': { $not: { $size: 0 } } }, false],
  [{ c: { p: [] } }, { 'c.p': { $size: 0 } }, true],
  [{ c: { p: null } }, { 'c.p': { $size: 0 } }, false],
  [{ c: [{ p: [{ q: null }, { q: [] }] }] }, { 'c.p.q': { $size: 0 } }, true],
  [{ a: null }, { a: { $size: 0 } }, false],
  [{ a: [] }, { a: { $size: 0 } }, true],
  [{ a: [null] }, { a: { $size: 0 } }, false],
  [{ a: [[]] }, { a: { $size: 1 } }, true],
  [{ c: [{ p: [{ q: 1 }, { q: 2 }] }] }, { c: { $elemMatch: { 'p.q': 2, p: { $size: 2 } } } }, true],
];

describe('filters of Mongo', () => {
  it('find what the manual says, in the cases that were wrong', () => {
    for (const [document, filter, wanted] of CASES) {
      const text = JSON.stringify([document, filter]);
      assert.equal(matches(document, filter), wanted, text);
      assert.equal(tested(filter)(document), wanted, text);
    }
  });

  it(`find what the manual says, in ${FILTERS} made up at random`, () => {
    const random = new Random(SEED);
    let some = 0;
    for (let i = 0; i < FILTERS; i++) {
      const filter = asked(random, 3);
      const test = tested(filter);
      let found = 0;
      const documents = Array.from({ length: 30 }, () => made(random));
      for (const document of documents) {
        const wanted = matches(document, filter);
        if (wanted) found++;
        assert.equal(test(document), wanted, `${JSON.stringify([document, filter])} (seed ${SEED})`);
      }
      if (found > 0 && found < documents.length) some++;
    }
    assert.ok(some > FILTERS / 3, `${some} of ${FILTERS} filters told documents apart`);
  });
});

const VALUES = [0, 1, 2, -1, 1.5, 'x', 'y', 'xy', '', true, false];

function made(random: Random): Document {
  const one = () => random.pick<unknown>(VALUES);
  const kinds: (() => unknown)[] = [
    one,
    one,
    () => null,
    () => [],
    () => [null],
    () => [one()],
    () => [one(), null],
    () => [one(), one(), one()],
  ];
  const value = (depth: number): unknown => {
    if (depth === 0 || random.chance(0.5)) return random.pick(kinds)();
    if (random.chance(0.4)) return fields(depth - 1);
    return Array.from({ length: random.int(0, 3) }, () => (random.chance(0.8) ? fields(depth - 1) : one()));
  };
  const fields = (depth: number): Document =>
    Object.fromEntries(['p', 'q'].filter(() => random.chance(0.7)).map((key) => [key, value(depth)]));
  return {
    ...(random.chance(0.8) && { a: value(0) }),
    ...(random.chance(0.9) && { c: value(2) }),
  };
}

function asked(random: Random, depth: number): Document {
  if (depth > 0 && random.chance(0.35)) {
    const branches = Array.from({ length: random.int(1, 3) }, () => asked(random, depth - 1));
    return { [random.pick(['$and', '$or', '$nor'])]: branches, ...(random.chance(0.2) && leaf(random)) };
  }
  return { ...leaf(random), ...(random.chance(0.2) && leaf(random)) };
}

function leaf(random: Random, keys = ['a', 'c', 'c.p', 'c.q', 'c.p.q', 'd']): Document {
  const one = () => random.pick<unknown>(VALUES);
  const number = () => random.pick([0, 1, 2, 1.5]);
  const some = (least: number) =>
    Array.from({ length: random.int(least, 3) }, () => (random.chance(0.2) ? null : one()));
  const operators: (() => Document)[] = [
    ...[() => ({ $eq: one() }), () => ({ $ne: one() }), () => ({ $gt: number() }), () => ({ $lte: number() })],
    ...[() => ({ $gte: number(), $lt: number() }), () => ({ $in: some(0) }), () => ({ $nin: some(0) })],
    ...[() => ({ $exists: random.chance(0.5) }), () => ({ $size: random.int(0, 3) }), () => ({ $size: 0 })],
    ...[() => ({ $regex: random.pick(['x', 'y']) }), () => ({ $eq: null }), () => ({ $ne: null })],
    ...[() => ({ $all: some(1) }), () => ({ $elemMatch: leaf(random, ['p', 'q', 'p.q']) })],
  ];
  const operator = random.pick(operators)();
  const plain = () => (random.chance(0.2) ? null : one());
  const wanted = random.pick<() => unknown>([plain, () => operator, () => operator, () => ({ $not: operator })])();
  return { [random.pick(keys)]: wanted };
}

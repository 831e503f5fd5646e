/** Random payloads, and random filters that have a chance to match them. */
import type { Random } from '../random.js';

// biome-ignore lint/suspicious/noExplicitAny: any JSON
export type Json = any;

const KEYS = ['n', 'tag', 'flag', 'when', 'list', 'deep', 'rows', 'a.b', 'ü ß', '__proto__', 'constructor'];
const WORDS = [
  'red',
  'green',
  'Red',
  '1',
  '',
  'ünï',
  '日本',
  '💡',
  'a"b',
  "it's",
  'back\\slash',
  'null',
  'line\nbreak',
];
const DATES = [
  '2020-01-01',
  '2020-01-01T00:00:00Z',
  '2020-01-01T01:30:00+02:00',
  '2020-01-01 00:00:00',
  '2020-01-01T00:00',
  '2019-12-31T23:59:59.999999Z',
  '2024-02-29T12:00:00.5-05:00',
  '2023-02-29',
  'no date',
];
const NUMBERS = [0, 1, 2, 3, -1, 1.5, 2.25, 1000, -0.5, 1e15, 2 ** 53 - 1];
const INTEGERS = NUMBERS.filter(Number.isSafeInteger);

/** Paths that payloads have, and some that they have seldom or never. */
const PATHS = [
  ...['n', 'tag', 'flag', 'when', 'list', 'deep', 'rows', 'missing', '"a.b"', '"ü ß"', '__proto__', 'constructor'],
  ...['deep.n', 'deep.tag', 'deep.deep.n', 'deep.list', 'deep.rows[].n', 'deep.when', 'deep.constructor'],
  ...['rows.n', 'rows[].n', 'rows[].tag', 'rows[].list', 'rows[].list[]', 'rows[].rows[].n', 'rows[].deep.n'],
  ...['list[]', 'list[].n', 'rows[]', 'toString', 'constructor.name', '__proto__.n', 'list.length'],
];

export function randomPayload(random: Random, depth = 0): Json {
  const payload: Json = {};
  for (const key of KEYS) if (random.chance(0.6)) setOwn(payload, key, randomValue(random, key, depth));
  return payload;
}

/** Mostly of one kind for each key, so that filters match. */
function randomValue(random: Random, key: string, depth: number): Json {
  if (random.chance(0.1)) return null;
  if (random.chance(0.1)) return scalar(random);
  if (random.chance(0.15) && depth < 3) return elements(random, () => randomValue(random, key, depth + 1));
  switch (key) {
    case 'n':
      return random.pick(NUMBERS);
    case 'flag':
      return random.chance(0.5);
    case 'when':
      return random.pick(DATES);
    case 'list':
      return elements(random, () => (random.chance(0.1) ? [scalar(random)] : scalar(random)));
    case 'deep':
      return depth < 2 ? randomPayload(random, depth + 1) : {};
    case 'rows':
      return depth < 2 ? elements(random, () => randomPayload(random, depth + 1)) : [];
    default:
      return random.pick(WORDS);
  }
}

function scalar(random: Random): Json {
  switch (random.int(0, 5)) {
    case 0:
      return null;
    case 1:
      return random.chance(0.5);
    case 2:
      return random.pick(DATES);
    case 3:
      return random.pick(NUMBERS);
    default:
      return random.pick(WORDS);
  }
}

function elements(random: Random, one: () => Json): Json[] {
  return Array.from({ length: random.int(0, 3) }, one);
}

export interface FilterChoice {
  /** Ids that `has_id` picks from. */
  ids: readonly (string | number)[];
  /** @default those of randomPayload() */
  paths?: readonly string[];
  /** Leave `nested` out. */
  flat?: boolean;
  /** Texts to match. @default those of randomPayload() */
  words?: readonly string[];
}

/** A filter in Qdrant's JSON form, with everything that this has. */
export function randomFilter(random: Random, choice: FilterChoice, depth = 0): Json {
  const filter: Json = {};
  for (const clause of ['must', 'should', 'must_not']) {
    if (!random.chance(0.4)) continue;
    if (random.chance(0.1)) filter[clause] = random.pick([null, []]);
    else if (random.chance(0.2)) filter[clause] = randomCondition(random, choice, depth);
    else filter[clause] = Array.from({ length: random.int(1, 3) }, () => randomCondition(random, choice, depth));
  }
  if (random.chance(0.1)) {
    const conditions = Array.from({ length: random.int(0, 4) }, () => randomCondition(random, choice, depth));
    filter.min_should = { conditions, min_count: random.int(0, 3) };
  }
  return filter;
}

function randomCondition(random: Random, choice: FilterChoice, depth: number): Json {
  const key = random.pick(choice.paths ?? PATHS);
  const kind = random.int(0, 15);
  if (kind === 0) return { has_id: several(random, choice.ids) };
  if (kind === 1) return { is_empty: { key } };
  if (kind === 2) return { is_null: { key } };
  if (kind === 3) return { key, values_count: bounds(random, () => random.int(0, 3)) };
  if (kind === 4 && !choice.flat && depth < 3) {
    const nested = { key: random.pick(['rows', 'deep.rows', 'rows[]', 'rows[].rows', 'list', key]) };
    return { nested: { ...nested, filter: randomFilter(random, choice, depth + 1) } };
  }
  if (kind <= 6 && depth < 3) return randomFilter(random, choice, depth + 1);
  if (kind <= 8) return { key: random.chance(0.5) ? key : 'n', range: bounds(random, () => random.pick(NUMBERS)) };
  if (kind === 9) {
    const range = bounds(random, () => random.pick(DATES.slice(0, 7)));
    return { key: random.chance(0.5) ? key : 'when', range };
  }
  return { key, match: randomMatch(random, choice.words ?? [...WORDS, ...DATES]) };
}

function randomMatch(random: Random, texts: readonly string[]): Json {
  const words: readonly Json[] = random.chance(0.6) ? texts : INTEGERS;
  switch (random.int(0, 6)) {
    case 0:
      return { value: random.chance(0.5) };
    case 1:
      return { text: random.pick(['e', 'r', '', 'ï', '"', '\\', '💡', 'line\n']) };
    case 2:
      return { except: several(random, words) };
    case 3:
    case 4:
      return { any: several(random, words) };
    default:
      return { value: random.pick(words) };
  }
}

function several<T>(random: Random, items: readonly T[]): T[] {
  return Array.from({ length: random.int(0, 4) }, () => random.pick(items));
}

function bounds(random: Random, one: () => Json): Json {
  const chosen: Json = {};
  for (const bound of ['gt', 'gte', 'lt', 'lte']) if (random.chance(0.35)) chosen[bound] = one();
  return chosen;
}

function setOwn(target: Json, key: string, value: Json): void {
  Object.defineProperty(target, key, { value, enumerable: true, writable: true, configurable: true });
}

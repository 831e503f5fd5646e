/** Random payloads, and random filters that have a chance to match them. */
import type { Random } from '../random.js';

// biome-ignore lint/suspicious/noExplicitAny: any JSON
export type Json = any;

/** Random filters that each engine is asked. */
export const filterCount = (usual: number): number => Number(process.env['FUNNELVEC_FILTERS'] ?? usual);

const KEYS = ['n', 'tag', 'flag', 'when', 'where', 'list', 'deep', 'rows', 'a.b', 'ü ß', '__proto__', 'constructor'];
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

/** Degrees of places and of areas, so that places lie on edges and corners, too; some are of no place on the earth. */
const LONGITUDES = [-180, -170, -30.5, -10, 0, 2, 2.25, 10, 10.5, 30, 170, 180];
const LATITUDES = [-90, -45, -10.5, -1, 0, 1, 2, 10, 45.25, 60, 90];

/** Paths that payloads have, and some that they have seldom or never. */
const PATHS = [
  ...[
    'n',
    'tag',
    'flag',
    'when',
    'where',
    'list',
    'deep',
    'rows',
    'missing',
    '"a.b"',
    '"ü ß"',
    '__proto__',
    'constructor',
  ],
  ...['deep.n', 'deep.tag', 'deep.deep.n', 'deep.list', 'deep.rows[].n', 'deep.when', 'deep.constructor'],
  ...['deep.where', 'rows[].where', 'where[]', 'where.lon'],
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
    case 'where':
      return random.chance(0.2) ? elements(random, () => somewhere(random)) : somewhere(random);
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

function somewhere(random: Random): Json {
  if (random.chance(0.1))
    return random.pick<Json>([{ lon: '1', lat: 2 }, { lat: 2 }, { lon: 361, lat: 91 }, [1, 2], {}]);
  return { ...placeOf(random), ...(random.chance(0.1) && { name: 'x' }) };
}

function placeOf(random: Random): Json {
  return { lon: random.pick(LONGITUDES), lat: random.pick(LATITUDES) };
}

function ringOf(random: Random): Json {
  const points = Array.from({ length: random.int(3, 7) }, () => placeOf(random));
  return { points: [...points, points[0]] };
}

function randomArea(random: Random): Json {
  switch (random.int(0, 2)) {
    case 0:
      return {
        geo_radius: { center: placeOf(random), radius: random.pick([0, 1, 250_000.1, 2e6, 7.7e6, 1.9e7, 3e7]) },
      };
    case 1: {
      const [a, b] = [placeOf(random), placeOf(random)];
      // Mostly with its upper edge above the lower one.
      const [top_left, bottom_right] = a.lat < b.lat && random.chance(0.9) ? [b, a] : [a, b];
      return { geo_bounding_box: { top_left, bottom_right } };
    }
    default: {
      const interiors = Array.from({ length: random.int(0, 2) }, () => ringOf(random));
      return { geo_polygon: { exterior: ringOf(random), ...(interiors.length > 0 && { interiors }) } };
    }
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
  /** Leave out what Qdrant has since 1.19 alone. */
  older?: boolean;
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
  const kind = random.int(0, 17);
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
  if (kind === 10)
    return { key: random.chance(0.3) ? key : random.pick(['where', 'deep.where']), ...randomArea(random) };
  if (kind === 11 && !choice.older) {
    const total = random.pick([1, 2, 3, 5, 2 ** 32 - 1]);
    return { slice: { total, index: random.int(0, Math.min(total, 5) - 1) } };
  }
  return { key, match: randomMatch(random, choice) };
}

function randomMatch(random: Random, { words: texts = [...WORDS, ...DATES], older }: FilterChoice): Json {
  const words: readonly Json[] = random.chance(0.6) ? texts : INTEGERS;
  switch (random.int(0, 7)) {
    case 0:
      return { value: random.chance(0.5) };
    case 1:
      return { [random.pick(['text', 'phrase'])]: random.pick(['e', 'r', '', 'ï', '"', '\\', '💡', 'line\n']) };
    case 7:
      if (random.chance(0.5))
        return { text_any: random.pick(['', ' ', 'e ï', 'ed\tzz', '\u0085null  00:00', 'zz', '💡\n1 ']) };
      if (older) return { value: random.pick(words) };
      return { prefix: random.pick(['', 're', 'R', '2020-01-01', 'ü', '日', 'line\n', '💡', 'zz']) };
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

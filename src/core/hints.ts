/** The ends of messages that refuse how other libraries say something: how it is said here. Pages have none of these (hints-web.ts). */

/** Names elsewhere, without case, `_`, `-` and `$`, with those here: the first that may stand there is meant. */
const NAMES = byName({
  limit:
    'k n top topk nresults numresults maxresults results size count take num neighbors numneighbors nneighbors first',
  filter: 'where filters expr filterexpression prefilter metadatafilter',
  vector: 'embedding embeddings values vectors queryvector queryembedding queryembeddings query q data',
  full: 'vector vectorname vectorfield annsfield',
  vectors: 'embedding embeddings values vector data points rows',
  ids: 'id',
  id: 'pk key uuid docid documentid pointid',
  payload: 'metadata attributes properties document meta',
  payloads: 'metadata metadatas payload documents attributes',
  withPayload:
    'includemetadata includepayload withmetadata returnmetadata returnproperties include outputfields fields select',
  withVector: 'includevalues includevector includevectors includeembeddings withvectors returnvectors',
  scoreThreshold: 'minscore threshold similaritythreshold scorecutoff radius maxdistance',
  dim: 'dims dimension dimensions size vectorsize vectordim numdimensions dimensionality d',
  metric: 'distance space metrictype similarity similarityfunction',
  collection: 'collectionname index indexname table class',
  scales: 'dims prefixes stages lengths',
  source: 'index client database store',
  search: 'index',
  vectorStore: 'store',
  params: 'searchparams',
  k: 'limit n top topk rrfk size count',
  lambda: 'lambdamult',
  normalise: 'normalize normalized normalised',
  type: 'dtype encoding format',
});

/** The same in filters alone, whose words mean something else among options. */
const FILTER_NAMES = byName({
  must: 'and all',
  should: 'or',
  must_not: 'not nor',
  key: 'field column attribute path property',
  value: 'eq equals keyword integer boolean exact',
  any: 'in',
  except: 'nin notin',
  gte: 'min from ge',
  lte: 'max to le',
});

function byName(table: Readonly<Record<string, string>>): ReadonlyMap<string, readonly string[]> {
  const all = new Map<string, string[]>();
  for (const [here, names] of Object.entries(table)) {
    for (const name of names.split(' ')) all.set(name, [...(all.get(name) ?? []), here]);
  }
  return all;
}

/** The name here of a key that nobody knows, as the end of a message; empty where there is none. */
export function nameHint(key: string, allowed: readonly string[]): string {
  const here = nameOf(key, allowed, NAMES);
  if (here !== undefined) return called(here);
  // Keys of a point: whatever else it has is the caller's.
  return allowed.length === 3 && allowed.includes('payload') ? ': keys of your own belong in payload' : '';
}

const called = (here: string) => `: its name here is ${here}`;

function nameOf(
  key: string,
  allowed: readonly string[],
  names: ReadonlyMap<string, readonly string[]>,
): string | undefined {
  const plain = plainName(key);
  return allowed.find((one) => plainName(one) === plain) ?? names.get(plain)?.find((one) => allowed.includes(one));
}

/** Under which other name a row that has none has its vector. */
export function vectorHint(row: object): string {
  return quietly(() => {
    const fields = row as Readonly<Record<string, unknown>>;
    if (fields['vector'] !== undefined) return '';
    const key = Object.keys(fields).find((one) => isForVector(plainName(one)) && isVector(fields[one]));
    return key === undefined ? '' : `: the vector under ${key} belongs under vector`;
  });
}

const isForVector = (plain: string) => plain === 'vector' || NAMES.get(plain)?.includes('vector') === true;
const isVector = (value: unknown) =>
  ArrayBuffer.isView(value) || (Array.isArray(value) && typeof value[0] === 'number');

/** No hint where a getter or a proxy throws: what was wrong is to be said all the same. */
function quietly(hint: () => string): string {
  try {
    return hint();
  } catch {
    return '';
  }
}

function plainName(key: string): string {
  return key.replace(/[_$-]/g, '').toLowerCase();
}

const METRICS = [
  ['euclid', 'euclidean', 'l2', 'l2sq', 'sqeuclidean', 'squaredl2'],
  ['dot', 'dotproduct', 'ip', 'innerproduct', 'maxinnerproduct'],
  ['cosine', 'cos', 'angular', 'cosinesimilarity'],
];

/** How to pass what came, as the end of "Expected {what} for {where} but received …"; empty where nobody can tell. */
export function valueHint(what: string, where: string, got: unknown): string {
  return quietly(() => hintOfValue(what, where, got));
}

function hintOfValue(what: string, where: string, got: unknown): string {
  if (typeof got === 'string') return where.endsWith('metric') ? metricHint(what, got) : '';
  if (typeof got !== 'object' || got === null) return '';
  if (where === 'path' && what.startsWith('the path of')) {
    if (got instanceof URL) return ': pass fileURLToPath(url) of node:url';
    return Array.isArray(got) ? '' : ': the path comes first, options behind it';
  }
  if (!Array.isArray(got)) return '';
  if (what.startsWith('{ id, vector'))
    return ': vectors alone go in as one Float32Array, beside their ids or their dim';
  const [first] = got as readonly unknown[];
  const nested = Array.isArray(first) || ArrayBuffer.isView(first);
  if (/vectors$/.test(where) && /Float32Array|multiple of dim/.test(what)) {
    if (nested && !Array.isArray(first)) return ': pass one Float32Array that has them one after the other';
    if (nested) return ': pass Float32Array.from(vectors.flat())';
    return typeof first === 'number' ? ': pass Float32Array.from(vectors)' : '';
  }
  return nested && / dims$|array of numbers/.test(what) ? ': it holds arrays, pass one of them' : '';
}

function metricHint(what: string, got: string): string {
  const plain = plainName(got);
  const same = METRICS.find((names) => names.includes(plain))?.find((name) => new RegExp(`\\b${name}\\b`).test(what));
  return same === undefined ? '' : called(same);
}

/** Conditions of a field, which stand beside its key elsewhere. */
const BESIDE: Readonly<Record<string, string>> = {
  value: 'match: { value }',
  eq: 'match: { value }',
  text: 'match: { text }',
  any: 'match: { any: [...] }',
  in: 'match: { any: [...] }',
  gt: 'range: { gt }',
  gte: 'range: { gte }',
  lt: 'range: { lt }',
  lte: 'range: { lte }',
  ne: 'match: { except: [...] }',
  nin: 'match: { except: [...] }',
};

/** The first key of a condition where conditions are expected in a clause. */
const CONDITION = /^(?:match|range|valuescount|geo(?:radius|boundingbox|polygon)|hasid|isempty|isnull|slice|nested)$/;

/** For a key that nobody knows, as the end of a message. @param fields in which it stands */
export function conditionHint(key: string, fields: object, allowed: readonly string[]): string {
  return quietly(() => hintOfField(key, (fields as Readonly<Record<string, unknown>>)[key], allowed));
}

function hintOfField(key: string, value: unknown, allowed: readonly string[]): string {
  const inFilter = allowed.includes('must');
  const named = nameOf(key, allowed, FILTER_NAMES) ?? nameOf(key, allowed, NAMES);
  // Fields may have such names, too.
  if (named !== undefined && (!inFilter || (named === 'key' ? typeof value === 'string' : isObject(value)))) {
    return called(named);
  }
  if (!inFilter) return '';
  const inList = allowed.includes('key');
  const beside = inList ? besideOf(key) : undefined;
  if (beside !== undefined) return `: write ${beside}`;
  const isCondition = key === 'key' ? typeof value === 'string' : CONDITION.test(plainName(key)) && isObject(value);
  if (isCondition && !inList) return ': write { must: [{ ... }] } around the condition';
  const condition = key.startsWith('$') ? undefined : conditionOf(key, value);
  if (condition === undefined) return ': conditions are written as in Qdrant, { must: [{ key, range: { gt: 1 } }] }';
  return `: a field is asked for by ${inList ? condition : `{ must: [${condition}] }`}`;
}

/** For what is no object where one belongs, as the end of a message. */
export function shapeHint(where: string, got: unknown): string {
  const isList = Array.isArray(got);
  if (/\.match$/.test(where)) {
    if (isList) return ': write { any: [...] }';
    return isFraction(got) ? `: write ${equalTo(got)} in its place` : `: write ${equalTo(got).slice('match: '.length)}`;
  }
  if (/\.range$/.test(where)) return ': write bounds, { gte: 1, lt: 2 }';
  if (/\.is_(?:empty|null)$/.test(where))
    return `: write { key${typeof got === 'string' ? `: ${shownKey(got)}` : ''} }`;
  if (where !== 'filter') return '';
  if (isList) return ': write { must: [...] } around the conditions';
  const own =
    typeof got === 'string' ? ', all that an index takes; in the words of a database they go into nativeFilter' : '';
  return `: conditions are { must: [{ key, match: { value } }] }${own}`;
}

/** The condition that asks for the same as a value, or as an operator of Mongo; undefined for other operators. */
function conditionOf(key: string, value: unknown): string | undefined {
  const path = shownKey(key);
  if (value === null) return `{ is_null: { key: ${path} } }`;
  if (Array.isArray(value)) return `{ key: ${path}, match: { any: [...] } }`;
  if (!isObject(value) || isTime(value)) return `{ key: ${path}, ${equalTo(value)} }`;
  const [operator] = Object.keys(value);
  if (operator === undefined) return `{ key: ${path}, match: { value } }`;
  const first = (value as Readonly<Record<string, unknown>>)[operator];
  if (/^\$?eq$/.test(operator)) return `{ key: ${path}, ${equalTo(first)} }`;
  const beside = besideOf(operator);
  if (beside !== undefined) return `{ key: ${path}, ${beside} }`;
  return operator.startsWith('$') ? undefined : `{ key: ${shownKey(`${key}.${operator}`)}, match: { value } }`;
}

/** The test beside a key that stands for an operator of that name. */
function besideOf(operator: string): string | undefined {
  const plain = operator.replace('$', '');
  return Object.hasOwn(BESIDE, plain) ? BESIDE[plain] : undefined;
}

/** The test for a value, which stands in it where that is short, and where it may. */
function equalTo(value: unknown): string {
  if (isTime(value)) return 'range: { gte: date, lte: date }';
  if (isFraction(value)) return `range: { gte: ${value}, lte: ${value} }`;
  if (typeof value === 'bigint') return `match: { value: ${shown(`${value}n`)} }`;
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  const may = typeof value === 'string' || typeof value === 'boolean' || Number.isSafeInteger(value);
  return `match: { value${may ? `: ${shown(text)}` : ''} }`;
}

/** Those of this realm alone, for realm.ts needs this file. */
const isTime = (value: unknown) => value instanceof Date;
const isObject = (value: unknown) => typeof value === 'object' && value !== null;

function isFraction(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && !Number.isInteger(value);
}

/** A key as a path, unless it is long, or has marks that mean something in paths. */
function shownKey(key: string): string {
  return /^[^"[\]]+$/.test(key) ? shown(JSON.stringify(key)) : '...';
}

function shown(text: string): string {
  return text.length > 40 ? '...' : text;
}

/** The ends of messages that refuse how other libraries say something: how it is said here. Pages have none of these (hints-web.ts). */

/** Names elsewhere, without case, `_`, `-` and `$`, with those here: the first that may stand there is meant. */
const NAMES = new Map<string, readonly string[]>(
  Object.entries({
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
    must: 'and all',
    should: 'or',
    must_not: 'not nor',
    key: 'field column attribute path property',
    value: 'eq equals keyword integer boolean exact',
    any: 'in',
    except: 'nin notin',
    gte: 'min from ge',
    lte: 'max to le',
  }).reduce<[string, string[]][]>((all, [here, names]) => {
    for (const name of names.split(' ')) {
      const known = all.find(([one]) => one === name);
      if (known === undefined) all.push([name, [here]]);
      else known[1].push(here);
    }
    return all;
  }, []),
);

/** The name here of a key that nobody knows, as the end of a message; empty where there is none. */
export function nameHint(key: string, allowed: readonly string[]): string {
  const plain = plainName(key);
  const here =
    allowed.find((one) => plainName(one) === plain) ?? NAMES.get(plain)?.find((one) => allowed.includes(one));
  if (here !== undefined) return `: its name here is ${here}`;
  // Keys of a point: whatever else it has is the caller's.
  return allowed.length === 3 && allowed.includes('payload') ? ': keys of your own belong in payload' : '';
}

/** Under which other name a row has its vector. */
export function vectorHint(row: object): string {
  const key = Object.keys(row).find((one) => NAMES.get(plainName(one))?.includes('vector'));
  return key === undefined ? '' : `: the vector under ${key} belongs under vector`;
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
  if (typeof got === 'string') return where.endsWith('metric') ? metricHint(what, got) : '';
  if (typeof got !== 'object' || got === null) return '';
  if (where === 'path') return ': the path comes first, options behind it';
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
  return same === undefined ? '' : `: its name here is ${same}`;
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
};

/** For a key that nobody knows, as the end of a message. @param value what stands under it */
export function conditionHint(key: string, value: unknown, allowed: readonly string[]): string {
  const named = nameHint(key, allowed);
  if (named !== '') return named;
  if (!allowed.includes('must')) return '';
  const beside = allowed.includes('key') ? BESIDE[key.replace('$', '')] : undefined;
  if (beside !== undefined) return `: write ${beside}`;
  if (/^(?:key|match|range|has_id|is_empty|is_null|nested)$/.test(key))
    return ': write { must: [{ ... }] } around the condition';
  if (key.startsWith('$')) return ': conditions are written as in Qdrant, { must: [{ key, range: { gt: 1 } }] }';
  const condition = `{ key: ${JSON.stringify(key)}, ${testOf(value)} }`;
  return `: a field is asked for by ${allowed.includes('key') ? condition : `{ must: [${condition}] }`}`;
}

/** For what is no object where one belongs, as the end of a message. */
export function shapeHint(where: string, got: unknown): string {
  if (/\.match$/.test(where)) return Array.isArray(got) ? ': write { any: [...] }' : `: write { value: ${shown(got)} }`;
  if (/\.range$/.test(where)) return ': write bounds, { gte: 1, lt: 2 }';
  if (/\.is_(?:empty|null)$/.test(where)) return `: write { key: ${shown(got)} }`;
  if (where !== 'filter') return '';
  if (Array.isArray(got)) return ': write { must: [...] } around the conditions';
  return ': conditions are { must: [{ key, match: { value } }] }; in the words of a database they go into nativeFilter';
}

/** The test beside a key that asks for the same as a value, or as an operator of Mongo. */
function testOf(value: unknown): string {
  if (Array.isArray(value)) return 'match: { any: [...] }';
  if (typeof value === 'object' && value !== null) {
    const [operator] = Object.keys(value);
    return BESIDE[operator?.replace('$', '') ?? ''] ?? 'match: { value }';
  }
  if (typeof value === 'number' && !Number.isInteger(value)) return `range: { gte: ${value}, lte: ${value} }`;
  return `match: { value: ${shown(value)} }`;
}

function shown(value: unknown): string {
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 40 ? '...' : text;
}

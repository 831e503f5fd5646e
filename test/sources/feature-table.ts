/**
 * The features of a request, and who answers them on each source: the table of docs/requests.md, held to by the conformance
 * suite.
 */
import type { FunnelErrorCode } from 'funnelvec';
import type { FeatureName, Refusal } from 'funnelvec/source/conformance';
import { isAtLeast } from './servers.js';

export const COLUMNS = ['Qdrant, REST', 'Qdrant, gRPC', 'Milvus', 'embedded'] as const;
export type Column = (typeof COLUMNS)[number];

/**
 * 'engine': decided by the database's own engine. 'front': shown against the tests' stand-in for a Qdrant server alone, unless
 * the suite runs against a real one. 'ours': computed by this library, compared with a plain oracle.
 */
export type Cell =
  | 'engine'
  | 'front'
  | 'ours'
  /** Refused, with this code and these words. */
  | { refused: string; code: FunnelErrorCode; message: RegExp }
  /** Decided by the engine of a server and client of this version or a later one, and refused by name for older ones. */
  | { since: readonly [major: number, minor: number] }
  /** There is nothing to ask. */
  | { none: string };

export interface Feature {
  /** The name of its test, too. */
  name: FeatureName;
  cells: Record<Column, Cell>;
}

const unsupported = (refused: string, message: RegExp): Cell => ({ refused, code: 'UNSUPPORTED', message });

/** One row of the table: cells of both clients of Qdrant, of Milvus, and of the embedded index. */
function feature(name: FeatureName, qdrant: Cell, milvus: Cell, embedded: Cell): Feature {
  return {
    name,
    cells: { 'Qdrant, REST': qdrant, 'Qdrant, gRPC': qdrant, Milvus: milvus, embedded },
  };
}

const nothingToActOn = (name: string) =>
  unsupported('nothing it could act on', new RegExp(`received ${name}: .*act on`));

const inMilvus = unsupported('no search within the hits of another', /stages: 'server' but Milvus has no search/);
const inThisProcess = unsupported('an index is in this process', /stages: 'server' but .* cannot run stages/);

export const FEATURES: readonly Feature[] = [
  feature('filter: match value, any and except of strings, integers and booleans', 'engine', 'engine', 'ours'),
  feature('filter: an element of an array matches', 'engine', 'engine', 'ours'),
  feature('filter: range of numbers', 'engine', 'engine', 'ours'),
  feature('filter: range of dates', 'engine', unsupported('Milvus has no dates in these types', /date/), 'ours'),
  feature('filter: match text, case-sensitive', 'engine', 'engine', 'ours'),
  feature('filter: match phrase and text_any, case-sensitive', 'engine', 'engine', 'ours'),
  feature('filter: match prefix', { since: [1, 19] }, 'engine', 'ours'),
  feature(
    'filter: geo_radius, geo_bounding_box, geo_polygon',
    'engine',
    unsupported('no places in these types', /places .*nativeFilter/),
    'ours',
  ),
  feature('filter: slice', { since: [1, 19] }, unsupported('no hash of ids', /slice.*nativeFilter/), 'ours'),
  feature('filter: has_id', 'engine', 'engine', 'ours'),
  feature('filter: is_empty', 'engine', 'engine', 'ours'),
  feature('filter: should, must_not, min_should, filters in filters', 'engine', 'engine', 'ours'),
  feature('filter: values_count of an array', 'engine', 'engine', 'ours'),
  feature('filter: keys of objects', 'engine', 'engine', 'ours'),
  feature('filter: nested', 'engine', unsupported('no expression says it', /nested/), 'ours'),
  feature('filter and native filter restrict together', 'engine', 'engine', 'ours'),
  feature('params: exact', 'engine', nothingToActOn('exact'), 'ours'),
  feature('params: hnsw_ef', 'engine', nothingToActOn('hnsw_ef'), nothingToActOn('hnsw_ef')),
  feature('params: indexed_only', 'engine', nothingToActOn('indexed_only'), nothingToActOn('indexed_only')),
  feature('params: ef, nprobe', nothingToActOn('ef'), 'engine', nothingToActOn('ef')),
  feature("mode 'exact'", 'engine', 'engine', 'ours'),
  feature('scoreThreshold is strict, in the metric’s direction, on the final score', 'ours', 'ours', 'ours'),
  feature('limit is 10 where nobody says; 0 and top are refused', 'ours', 'ours', 'ours'),
  feature('offset: pages are cut from one list, deeper is an error that says how', 'ours', 'ours', 'ours'),
  feature('withPayload: all, a list, include, exclude, keys within objects', 'engine', 'ours', 'ours'),
  feature('withVector: true', 'engine', 'engine', 'ours'),
  feature(
    'using: several layouts of vectors; withVector: names',
    'engine',
    'engine',
    unsupported('an index has one vector a row', /one layout/),
  ),
  feature('using is refused where there is one layout', 'ours', 'ours', 'ours'),
  feature('queryBatch: one round trip', 'front', 'engine', { none: 'no trip' }),
  feature('queryBatch: answers as single queries; the request that fails is named', 'ours', 'ours', 'ours'),
  feature(
    "stages: 'server' and rescore: true, with the hits and score bits of stages: 'client'",
    'engine',
    inMilvus,
    inThisProcess,
  ),
  feature("stages: 'server' in batches, with params, by layouts", 'engine', inMilvus, inThisProcess),
  feature('rescore: false gives the database’s scores, and says so', 'engine', inMilvus, inThisProcess),
  feature("stages: 'auto' tells where stages ran, and why", 'ours', 'ours', 'ours'),
  feature('query by id leaves that point out', 'ours', 'ours', 'ours'),
  feature('recommend: average_vector', 'ours', 'ours', 'ours'),
  feature('recommend: best_score and sum_scores', 'ours', 'ours', 'ours'),
  feature(
    'recommend: heads are searched by the strategy',
    'engine',
    { none: 'near each positive, or by the sum' },
    'ours',
  ),
  feature(
    'recommend: negatives alone',
    'engine',
    unsupported('a head search needs one vector', /positive example/),
    'ours',
  ),
  feature(
    "recommend: best_score in mode 'exact'",
    'engine',
    unsupported('a search needs one vector', /mode 'exact'/),
    'ours',
  ),
  feature('recommend: examples are no hits, an unknown id is an error', 'ours', 'ours', 'ours'),
  feature('recommend: lookupFrom another collection', 'ours', 'ours', 'ours'),
  feature('recommendBatch: answers as single requests', 'ours', 'ours', 'ours'),
  feature('queryGroups: integers, strings, arrays; by best hit', 'ours', 'ours', 'ours'),
  feature('queryGroups: offset over groups', 'ours', 'ours', 'ours'),
  feature('queryGroups: complete, or best effort with a bound', 'ours', 'ours', 'ours'),
  feature('recommendGroups', 'ours', 'ours', 'ours'),
  feature('withLookup: payload and vectors of the point of the group’s id', 'ours', 'ours', 'ours'),
  feature('withLookup: an unknown collection is an error', 'engine', 'engine', { none: 'an index is in hand' }),
  feature('explain: where an id was lost', 'ours', 'ours', 'ours'),
];

/** Servers of Milvus that lack some of what Milvus Lite 3.2 has, which CI runs; `npm run test:milvus` runs the suites on these. */
export const OLDER = ['Milvus 2.3.5', 'milvus-lite 2.5.1'] as const;
export type OlderMilvus = (typeof OLDER)[number];

/** @param version as the server tells it (v2.3.5, milvus_lite-3.2.2); milvus-lite 2.5 tells none */
export function olderMilvus(version: string | undefined): OlderMilvus | undefined {
  if (version === undefined || version === '') return 'milvus-lite 2.5.1';
  return isAtLeast(version.replace(/^\D*/, ''), 2, 4) ? undefined : 'Milvus 2.3.5';
}

const noPattern = unsupported(
  'no patterns but prefixes',
  /match\.(text|phrase|text_any) of "kind": Milvus 2\.3\.5.* refused kind like "%/,
);
const oneVector: Cell = { none: 'one vector field a collection' };

/** The features that they lack. */
const LACKING: Record<OlderMilvus, Partial<Record<FeatureName, Cell>>> = {
  'Milvus 2.3.5': {
    'filter: match text, case-sensitive': noPattern,
    'filter: match phrase and text_any, case-sensitive': noPattern,
    'using: several layouts of vectors; withVector: names': oneVector,
  },
  'milvus-lite 2.5.1': {
    'filter: is_empty': unsupported(
      'its grammar has no condition that no row passes',
      /is_empty of "kind".* refused key in \[\]/,
    ),
    'filter: values_count of an array': unsupported(
      'its grammar has no `not`',
      /values_count of "tags".* refused not \(/,
    ),
    'filter: keys of objects': unsupported(
      'its grammar has no `exists`',
      /match of "meta.place.city".* refused \(exists /,
    ),
  },
};

/**
 * The features that a source refuses, for the suite; or why there is nothing to ask.
 *
 * @param versions - those of the server and the client, where some of either lack a feature
 */
export function refusalsOf(
  column: Column,
  versions: readonly string[] = [],
  older?: OlderMilvus,
): Partial<Record<FeatureName, Refusal | string>> {
  const refuses: Partial<Record<FeatureName, Refusal | string>> = {};
  for (const { name, cells } of FEATURES) {
    const cell = (older && LACKING[older][name]) ?? cells[column];
    if (typeof cell === 'string') continue;
    if ('since' in cell) {
      if (versions.every((version) => isAtLeast(version, ...cell.since))) continue;
      refuses[name] = { code: 'UNSUPPORTED', message: /does not know it; use/, why: `before ${cell.since.join('.')}` };
      continue;
    }
    refuses[name] = 'none' in cell ? cell.none : { code: cell.code, message: cell.message, why: cell.refused };
  }
  return refuses;
}

const MARKS = { engine: 'yes', front: 'yes †', ours: 'yes *' } as const;

/** The abilities that no request asks for by name, by server. */
const ABILITIES: [what: string, ...cells: [string, string]][] = [
  ['vector fields of a collection', 'one', 'several'],
  ['a row with the key 2^63 − 1', 'in no answer', 'yes'],
  ['fields that may be null', 'no', 'no'],
  ['a search in a collection that was released', '`NOT_LOADED`', 'an answer'],
  ['the pattern of `match: prefix`', 'yes', 'yes'],
  ['`values_count` with bounds 16 or more apart, or of 17 and more', 'refused', 'refused'],
  ['`must_not`, `except`', 'yes', 'of ids and fields; of keys in JSON refused'],
  ['conditions on keys in JSON and in the dynamic field', 'yes', 'refused: its grammar has no `exists`'],
  ['a filter that no row can pass', 'an empty answer', 'refused'],
];

/** As Markdown. */
export function featureTable(): string {
  const cell = (one: Cell): string => {
    if (typeof one === 'string') return MARKS[one];
    if ('since' in one) return `yes, since ${one.since.join('.')}`;
    return 'none' in one ? `– (${one.none})` : `refused: ${one.refused}`;
  };
  const lines = FEATURES.map(
    ({ name, cells }) => `| ${[name, ...COLUMNS.map((column) => cell(cells[column]))].join(' | ')} |`,
  );
  const older = FEATURES.filter(({ name }) => OLDER.some((server) => LACKING[server][name] !== undefined)).map(
    ({ name, cells }) =>
      `| ${[name, ...OLDER.map((server) => cell(LACKING[server][name] ?? cells.Milvus))].join(' | ')} |`,
  );
  return [
    `| feature | ${COLUMNS.join(' | ')} |`,
    `|---|${'---|'.repeat(COLUMNS.length)}`,
    ...lines,
    '',
    'The column of Milvus is that of Milvus Lite 3.2. Two older servers differ from it in these features alone, and in what stands below them:',
    '',
    `| feature | ${OLDER.join(' | ')} |`,
    `|---|${'---|'.repeat(OLDER.length)}`,
    ...older,
    ...ABILITIES.map((row) => `| ${row.join(' | ')} |`),
  ].join('\n');
}

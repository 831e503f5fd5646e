/** A filter for Qdrant: REST's JSON, and what the gRPC client takes. */
import { expected, FunnelError } from '../../core/errors.js';
import type { Id } from '../../core/types.js';
import type { Bounds, FilterNode, GeoArea, GeoPoint, NumberBounds, Path, Scalar } from '../../query/filter/ast.js';
import { qdrantId } from './ids.js';

type Leaf = Exclude<FilterNode, { op: 'and' | 'or' | 'not' | 'atLeast' }>;

/** A filter's clauses; those that are empty are left out. */
interface Clauses {
  must?: object[];
  should?: object[];
  mustNot?: object[];
  minShould?: { conditions: object[]; count: number };
}

/** How one of the two interfaces writes a filter. */
interface Dialect {
  filter(clauses: Clauses): object;
  /** A filter as a condition of another one. */
  within(filter: object): object;
  leaf(node: Leaf): object;
}

/**
 * @throws FunnelError BAD_ID (an id that Qdrant has not, or that JSON cannot carry), UNSUPPORTED (a key with a quote, an
 *   integer that JSON or Qdrant would round)
 */
export function toQdrantFilter(node: FilterNode): object {
  return toFilter(node, rest);
}

/** As toQdrantFilter; ids, and integers to match, are exact to 64 bits here. */
export function toQdrantGrpcFilter(node: FilterNode): object {
  return toFilter(node, grpc);
}

/** One filter for one level, as far as its clauses allow, so that servers need not follow deeper than the caller wrote. */
function toFilter(node: FilterNode, dialect: Dialect): object {
  const clauses: Clauses = {};
  for (const part of node.op === 'and' ? node.nodes : [node]) {
    const conditions = (nodes: readonly FilterNode[]) => nodes.map((one) => toCondition(one, dialect));
    if (part.op === 'not') {
      clauses.mustNot ??= [];
      clauses.mustNot.push(toCondition(part.node, dialect));
    } else if (part.op === 'or' && part.nodes.length > 0 && !clauses.should) {
      clauses.should = conditions(part.nodes);
    } else if (part.op === 'atLeast' && part.nodes.length > 0 && !clauses.minShould) {
      clauses.minShould = { conditions: conditions(part.nodes), count: part.count };
    } else {
      clauses.must ??= [];
      clauses.must.push(toCondition(part, dialect));
    }
  }
  return dialect.filter(clauses);
}

function toCondition(node: FilterNode, dialect: Dialect): object {
  switch (node.op) {
    case 'and':
    case 'not':
      return dialect.within(toFilter(node, dialect));
    case 'or':
    case 'atLeast':
      // As a clause without conditions it would be true.
      return node.nodes.length > 0 ? dialect.within(toFilter(node, dialect)) : nothing(dialect);
    case 'match':
      return node.values.length > 0 ? dialect.leaf(node) : nothing(dialect);
    default:
      return dialect.leaf(node);
  }
}

/** A condition that no point passes: its id is one of none. */
function nothing(dialect: Dialect): object {
  return dialect.leaf({ op: 'ids', ids: [] });
}

const rest: Dialect = {
  filter: ({ must, should, mustNot, minShould }) => ({
    ...(must && { must }),
    ...(should && { should }),
    ...(mustNot && { must_not: mustNot }),
    ...(minShould && { min_should: { conditions: minShould.conditions, min_count: minShould.count } }),
  }),
  within: (filter) => filter,
  leaf(node) {
    switch (node.op) {
      case 'ids':
        return { has_id: node.ids.map((id) => qdrantId(id, 'number', 'has_id')) };
      case 'empty':
        return { is_empty: { key: keyOf(node.path) } };
      case 'null':
        return { is_null: { key: keyOf(node.path) } };
      case 'nested':
        return { nested: { key: arrayOf(node.path), filter: toFilter(node.node, rest) } };
      case 'match': {
        const values = restValues(node);
        return { key: keyOf(node.path), match: one(values) ? { value: values[0] } : { any: values } };
      }
      case 'except':
        return { key: keyOf(node.path), match: { except: restValues(node) } };
      case 'text':
        return { key: keyOf(node.path), match: { [node.by]: node.text } };
      case 'geo':
        return { key: keyOf(node.path), ...restArea(node.area) };
      case 'slice':
        return { slice: { total: node.total, index: node.index } };
      case 'range':
        return { key: keyOf(node.path), range: floatBounds(node) };
      case 'dates':
        return { key: keyOf(node.path), range: { ...node.text } };
      case 'count':
        return { key: keyOf(node.path), values_count: { ...node.bounds } };
    }
  },
};

const grpc: Dialect = {
  filter: ({ minShould, ...clauses }) => ({
    ...clauses,
    ...(minShould && { minShould: { conditions: minShould.conditions, minCount: BigInt(minShould.count) } }),
  }),
  within: (value) => condition('filter', value),
  leaf(node) {
    switch (node.op) {
      case 'ids':
        return condition('hasId', { hasId: node.ids.map(grpcId) });
      case 'empty':
        return condition('isEmpty', { key: keyOf(node.path) });
      case 'null':
        return condition('isNull', { key: keyOf(node.path) });
      case 'nested':
        return condition('nested', { key: arrayOf(node.path), filter: toFilter(node.node, grpc) });
      case 'range':
        return condition('field', { key: keyOf(node.path), range: floatBounds(node) });
      case 'dates':
        return condition('field', { key: keyOf(node.path), datetimeRange: bounds(node.bounds, timestamp) });
      case 'count':
        return condition('field', { key: keyOf(node.path), valuesCount: bounds(node.bounds, BigInt) });
      case 'geo':
        return condition('field', { key: keyOf(node.path), ...grpcArea(node.area) });
      case 'slice':
        return condition('slice', { total: node.total, index: node.index });
      default:
        return condition('field', { key: keyOf(node.path), match: { matchValue: grpcMatch(node) } });
    }
  },
};

function condition(kind: string, value: object): object {
  return { conditionOneOf: { case: kind, value } };
}

function grpcMatch(node: Extract<Leaf, { op: 'match' | 'except' | 'text' }>): object {
  if (node.op === 'text') return { case: node.by === 'text_any' ? 'textAny' : node.by, value: node.text };
  const { values } = node;
  const [first] = values;
  if (node.op === 'match' && one(values)) {
    if (isInteger(first)) return { case: 'integer', value: int64(first, node.path) };
    return { case: typeof first === 'string' ? 'keyword' : 'boolean', value: first };
  }
  const except = node.op === 'except';
  // A list without values has no type. As keywords, `except` of none lets pass whatever is not null.
  if (!isInteger(first)) return { case: except ? 'exceptKeywords' : 'keywords', value: { strings: [...values] } };
  const integers = values.map((value) => int64(value as number | bigint, node.path));
  return { case: except ? 'exceptIntegers' : 'integers', value: { integers } };
}

function restArea(area: GeoArea): object {
  switch (area.is) {
    case 'circle':
      return { geo_radius: { center: area.center, radius: area.radius } };
    case 'box':
      return { geo_bounding_box: { top_left: area.topLeft, bottom_right: area.bottomRight } };
    case 'polygon': {
      const ring = (points: readonly GeoPoint[]) => ({ points });
      return { geo_polygon: { exterior: ring(area.exterior), interiors: area.interiors.map(ring) } };
    }
  }
}

function grpcArea(area: GeoArea): object {
  switch (area.is) {
    case 'circle':
      return { geoRadius: { center: area.center, radius: area.radius } };
    case 'box':
      return { geoBoundingBox: { topLeft: area.topLeft, bottomRight: area.bottomRight } };
    case 'polygon': {
      const ring = (points: readonly GeoPoint[]) => ({ points: [...points] });
      return { geoPolygon: { exterior: ring(area.exterior), interiors: area.interiors.map(ring) } };
    }
  }
}

function isInteger(value: Scalar | undefined): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint';
}

/** Qdrant has integers of 64 bits; it takes larger ones for fractions. */
function int64(value: number | bigint, path: Path): bigint {
  const integer = BigInt(value);
  if (BigInt.asIntN(64, integer) === integer) return integer;
  throw inexact('integers of 64 bits, as Qdrant matches them,', path, integer);
}

/** The client writes them by JSON.stringify(), which takes no bigints. */
function restValues({ values, path }: Extract<Leaf, { op: 'match' | 'except' }>): Scalar[] {
  const large = values.find((value) => typeof value === 'bigint');
  if (large === undefined) return [...values];
  throw inexact(
    'integers within ±(2^53 − 1) over REST (use the gRPC client for larger ones)',
    path,
    int64(large, path),
  );
}

function floatBounds({ bounds, path }: { bounds: NumberBounds; path: Path }): Bounds {
  const large = Object.values(bounds).find((bound) => typeof bound === 'bigint');
  if (large === undefined) return { ...(bounds as Bounds) };
  const what = 'bounds within ±(2^53 − 1), since Qdrant compares numbers as float64 (a number, where that will do),';
  throw inexact(what, path, large);
}

function inexact(what: string, { text }: Path, received: bigint): FunnelError {
  return expected('UNSUPPORTED', what, `a filter on ${text}`, received);
}

function one(values: readonly Scalar[]): boolean {
  return values.length === 1;
}

function bounds<T>(given: Bounds, make: (value: number) => T): { [bound in keyof Bounds]?: T } {
  return Object.fromEntries(Object.entries(given).map(([bound, value]) => [bound, make(value)]));
}

/** Makes a timestamp of milliseconds, keeping the microseconds behind the point. */
function timestamp(ms: number): { seconds: bigint; nanos: number } {
  const seconds = Math.floor(ms / 1000);
  return { seconds: BigInt(seconds), nanos: Math.round((ms - seconds * 1000) * 1000) * 1000 };
}

function grpcId(id: Id): object {
  const value = qdrantId(id, 'bigint', 'has_id');
  return { pointIdOptions: { case: typeof value === 'string' ? 'uuid' : 'num', value } };
}

/** The path again; keys of letters beyond ASCII in quotes, which every version reads. */
function keyOf({ steps }: Path): string {
  return steps.map(({ key, each }) => quoted(key) + (each ? '[]' : '')).join('.');
}

function arrayOf({ text, steps }: Path): string {
  return keyOf({ text, steps: steps.with(-1, { ...steps.at(-1)!, each: false }) });
}

function quoted(key: string): string {
  if (/^\w[\w-]*$/.test(key)) return key;
  if (!key.includes('"')) return `"${key}"`;
  throw new FunnelError('UNSUPPORTED', `Expected a key without quotes, as paths of Qdrant are, but received ${key}`);
}

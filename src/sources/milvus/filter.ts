/** A filter as a Milvus expression. */
import { expected, FunnelError } from '../../core/errors.js';
import type { Id } from '../../core/types.js';
import type { FilterNode, Step } from '../../query/filter/ast.js';
import type { MilvusFields } from './fields.js';
import { columnCondition, type PathCondition } from './filter-column.js';
import { jsonCondition, jsonValue, needsScalars } from './filter-json.js';
import {
  and,
  atom,
  column,
  combine,
  type FilterPiece,
  LEAST,
  list,
  not,
  or,
  unsupported,
  write,
} from './filter-text.js';

/** Conditions that one `min_should` may become, as there is nothing that counts; see MAX_EXPRESSION, too. */
const MAX_CHOICES = 10_000;

/**
 * The expression lets the rows through that the filter does. A row's payload is its fields by name, a null field being null,
 * with the keys of the dynamic field beside them.
 *
 * Milvus Lite takes true for 1, and false for 0, under JSON keys; Milvus does not.
 *
 * @throws FunnelError UNSUPPORTED (a condition that Milvus cannot express exactly, or not within MAX_EXPRESSION), NO_FIELD, BAD_ID
 */
export function toMilvusFilter(node: FilterNode, fields: MilvusFields): string {
  const piece = toPiece(node, fields);
  if (typeof piece !== 'boolean') return write(piece);
  // Constants alone are no expression for every version.
  return `${column(fields.primaryKey.name)} ${piece ? 'not in' : 'in'} []`;
}

function toPiece(node: FilterNode, fields: MilvusFields): FilterPiece {
  switch (node.op) {
    case 'and':
    case 'or':
      return combine(
        node.op,
        node.nodes.filter(isSaidOnce).map((one) => toPiece(one, fields)),
      );
    case 'not':
      return not(toPiece(node.node, fields));
    case 'atLeast':
      return atLeast(
        node.count,
        node.nodes.map((one) => toPiece(one, fields)),
      );
    case 'ids':
      return ofIds(node.ids, fields);
    case 'nested':
      throw unsupported('nested');
    case 'dates':
      throw unsupported(`a range of dates (${JSON.stringify(node.path.text)})`);
    case 'geo':
      throw unsupported(`a condition on places (${JSON.stringify(node.path.text)})`);
    case 'slice':
      throw unsupported('slice');
    default: {
      const { text, steps } = node.path;
      const [first, ...rest] = steps;
      if (steps.some((step) => step.each)) throw unsupported(`a path through an array (${JSON.stringify(text)})`);
      const field = fields.fields.get(first!.key);
      const json = jsonPlace(node, fields);
      if (json) return jsonCondition(node, json.base, json.steps, isScalar(json, fields));
      if (field && rest.length === 0) return columnCondition(node, column(first!.key), field);
      // The place is missing in every row: a value that is no object has no keys, and no key of the dynamic field has
      // the name of a field.
      if (field) return columnCondition(node, column(first!.key), { type: 'Missing' });
      throw new FunnelError(
        'NO_FIELD',
        `Expected one of the fields ${[...fields.fields.keys()].join(', ')} but received ${JSON.stringify(text)} in a filter`,
      );
    }
  }
}

/** A field is never missing: its count says what the parser says again for keys that are. */
function isSaidOnce(node: FilterNode, at: number, nodes: readonly FilterNode[]): boolean {
  const before = nodes[at - 1];
  return !(node.op === 'empty' && before?.op === 'count' && before.path === node.path);
}

interface JsonPlace {
  /** A field of type JSON, or `$meta`. */
  base: string;
  steps: readonly Step[];
}

/** Undefined for a condition on a field of another type, or on none. */
function jsonPlace({ path: { steps } }: PathCondition, { fields, dynamic }: MilvusFields): JsonPlace | undefined {
  const [first, ...rest] = steps;
  const field = fields.get(first!.key);
  if (field?.type === 'JSON') return { base: column(first!.key), steps: rest };
  return field === undefined && dynamic ? { base: '$meta', steps } : undefined;
}

function isScalar({ base, steps }: JsonPlace, { scalars = false }: MilvusFields): boolean {
  return typeof scalars === 'boolean' ? scalars : scalars.has(jsonValue(base, steps));
}

/** Keys in JSON that may hold no array and no object if the filter is to be said: as expressions have them, with their paths. */
export function scalarKeys(node: FilterNode, fields: MilvusFields): Map<string, string> {
  const keys = new Map<string, string>();
  const walk = (one: FilterNode): void => {
    switch (one.op) {
      case 'and':
      case 'or':
      case 'atLeast':
        for (const node of one.nodes) walk(node);
        return;
      case 'not':
        walk(one.node);
        return;
      case 'ids':
      case 'slice':
      case 'nested':
      case 'dates':
      case 'geo':
        return;
      default: {
        const json = jsonPlace(one, fields);
        if (json === undefined || json.steps.length === 0 || !needsScalars(one)) return;
        keys.set(jsonValue(json.base, json.steps), one.path.text);
      }
    }
  };
  walk(node);
  return keys;
}

function ofIds(ids: readonly Id[], { primaryKey: { name, text } }: MilvusFields): FilterPiece {
  const keys: (string | bigint | undefined)[] = ids.map((id) => (text ? textKey(id) : integerKey(id)));
  const known = keys.filter((key) => key !== undefined && key !== LEAST) as (bigint | string)[];
  return or(
    known.length > 0 && atom(`${column(name)} in ${list(known)}`, `${column(name)} not in ${list(known)}`),
    keys.includes(LEAST) && atom(`${column(name)} < ${LEAST + 1n}`),
  );
}

function textKey(id: Id): string {
  if (typeof id !== 'string') throw expected('BAD_ID', 'a string, as the keys of the collection are,', 'has_id', id);
  return id;
}

/** Undefined: an id that no row can have. */
function integerKey(id: Id): bigint | undefined {
  if (typeof id === 'string' && !/^-?\d{1,20}$/.test(id)) {
    throw expected('BAD_ID', 'an integer, as the keys of the collection are,', 'has_id', id);
  }
  const key = BigInt(id);
  return BigInt.asIntN(64, key) === key ? key : undefined;
}

/** At least k of n: the first and k − 1 of the rest, or k of the rest. */
function atLeast(count: number, pieces: readonly FilterPiece[]): FilterPiece {
  if (choices(pieces.length, count) > MAX_CHOICES) {
    throw unsupported(`min_should of ${count} in ${pieces.length} conditions`, 'there is nothing that counts them');
  }
  // Choices share pieces: a part that several have in common is made once.
  const made = new Map<number, FilterPiece>();
  const ofRest = (k: number, from: number): FilterPiece => {
    const left = pieces.length - from;
    if (k <= 0) return true;
    if (k > left) return false;
    if (k === left) return combine('and', pieces.slice(from));
    if (k === 1) return combine('or', pieces.slice(from));
    const key = k * pieces.length + from;
    const piece = made.get(key) ?? or(and(pieces[from]!, ofRest(k - 1, from + 1)), ofRest(k, from + 1));
    made.set(key, piece);
    return piece;
  };
  return ofRest(count, 0);
}

function choices(n: number, k: number): number {
  if (k <= 1 || k >= n) return n;
  let count = n;
  for (let i = 1; i < k && count <= MAX_CHOICES; i++) count *= (n - i) / (i + 1);
  return count * Math.min(k, n - k + 1);
}

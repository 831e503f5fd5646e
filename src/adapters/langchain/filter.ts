/** The forms of LangChain's `filter` here: Qdrant's filter over the whole payload, or an object of equalities over metadata. */
import { expected, FunnelError } from '../../core/errors.js';
import { isDate } from '../../core/realm.js';
import { isPlain } from '../../core/validate.js';
import type { Filter } from '../../index.js';
import { MAX_DEPTH } from '../../query/filter/parse.js';
import type { Layout } from './payload.js';

/**
 * Qdrant's filter over the whole payload (`{ must: [{ key: 'metadata.page', range: { gte: 3 } }] }`), or an object of equalities
 * over metadata (`{ source: 'a.pdf', loc: { page: 3 } }`), whose values are strings, numbers, booleans, bigints, Dates or
 * objects of these. `{}` passes everything. Operators such as `$gt`, other values, and keys that no payload has are refused
 * (BAD_ARGUMENT).
 */
export type MetadataFilter = Filter | Record<string, unknown>;

const CLAUSES = ['must', 'should', 'must_not', 'min_should'];

/**
 * Undefined where everything passes: undefined, null, {}.
 *
 * @throws FunnelError BAD_ARGUMENT: neither of the two; a key that no payload of this layout has
 */
export function metadataFilter(given: unknown, layout: Layout): Filter | undefined {
  if (given === undefined || given === null) return undefined;
  if (!isPlain(given)) {
    throw expected('BAD_ARGUMENT', "Qdrant's filter, or an object of equalities,", 'filter', given);
  }
  const keys = Object.keys(given);
  const clauses = keys.filter((key) => CLAUSES.includes(key));
  if (keys.length === 0) return undefined;
  if (clauses.length === 0) return equalities(given, layout);
  if (clauses.length < keys.length) {
    const other = keys.find((key) => !CLAUSES.includes(key));
    throw new FunnelError(
      'BAD_ARGUMENT',
      `Expected ${CLAUSES.join(', ')} alone in filter but received ${other} beside ${clauses[0]}: write it as a condition`,
    );
  }
  for (const clause of clauses) checkPaths(given[clause], layout);
  return given as Filter;
}

function equalities(given: object, layout: Layout, path = layout.metadataPath, where = 'filter', depth = 1): Filter {
  if (depth > MAX_DEPTH) {
    throw new FunnelError('BAD_ARGUMENT', `Expected objects within objects, ${MAX_DEPTH} deep at most, for ${where}`);
  }
  const must: NonNullable<Filter['must']>[] = [];
  for (const [key, value] of Object.entries(given)) {
    const here = `${where}.${key}`;
    if (key.startsWith('$')) {
      throw new FunnelError(
        'BAD_ARGUMENT',
        `Expected values in an object of equalities but received the operator ${key} (${here}): write it as Qdrant's filter`,
      );
    }
    const at = `${path}${key}`;
    if (typeof value === 'number' && !Number.isInteger(value)) {
      must.push({ key: at, range: { gte: value, lte: value } });
    } else if (['string', 'number', 'boolean', 'bigint'].includes(typeof value)) {
      must.push({ key: at, match: { value: value as string } });
    } else if (isDate(value)) {
      must.push({ key: at, range: { gte: value, lte: value } });
    } else if (isPlain(value) && Object.keys(value).length > 0) {
      must.push(equalities(value, layout, `${at}.`, here, depth + 1));
    } else {
      const what = "a string, a number, a boolean, a Date or an object of these (other conditions as Qdrant's filter)";
      throw expected('BAD_ARGUMENT', what, here, value);
    }
  }
  return { must: must as Filter['must'] } as Filter;
}

/** A key that is in no payload would match nothing, without a word: `source` in place of `metadata.source`. */
function checkPaths(clause: unknown, layout: Layout, depth = 1): void {
  if (layout.metadataKey === null || typeof clause !== 'object' || clause === null) return;
  if (depth > MAX_DEPTH) return; // the filter's own check refuses it
  for (const condition of Array.isArray(clause) ? clause : [clause]) {
    if (typeof condition !== 'object' || condition === null) continue;
    const { key, is_empty, is_null, nested, conditions, ...rest } = condition as Record<
      string,
      Record<string, unknown>
    >;
    if (conditions !== undefined) checkPaths(conditions, layout, depth + 1);
    for (const path of [key, is_empty?.['key'], is_null?.['key'], nested?.['key']]) checkPath(path, layout);
    for (const name of CLAUSES) checkPaths(rest[name], layout, depth + 1);
  }
}

function checkPath(path: unknown, { contentKey, metadataKey }: Layout): void {
  if (typeof path !== 'string') return; // what is no path the filter's own check refuses
  const first = /^(?:"([^"]*)"|([^.[]*))/.exec(path)!;
  const root = first[1] ?? first[2];
  if (root === contentKey || root === metadataKey) return;
  throw new FunnelError(
    'BAD_ARGUMENT',
    `Expected a key below ${metadataKey} or ${contentKey} in filter but received ${path}, which no payload has: ` +
      `write ${metadataKey}.${path}`,
  );
}

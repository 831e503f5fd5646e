/** Groups joined with another collection: the point whose id is the group's. */
import { expected } from '../core/errors.js';
import type { Id } from '../core/types.js';
import { checkKeys } from '../core/validate.js';
import type { GroupKey } from './groups.js';
import { checkPayloadSelection } from './payload.js';
import type { CheckedOptions } from './request.js';
import { vectorAt } from './result.js';
import { layoutOf } from './source/layouts.js';
import type { PayloadSelection, Source } from './source/source.js';

/** A source, or one with what is wanted of its points. */
export type Lookup = Source | LookupOptions;

/** Another collection, and what is wanted of its points. */
export interface LookupOptions {
  /** The source of the points. */
  source: Source;
  /** The layout of vectors, where the source has several. */
  using?: string;
  /** @default true */
  withPayload?: PayloadSelection;
  /** @default false */
  withVector?: boolean;
}

/** A point of the other collection. */
export interface LookupRow {
  /** The id of the group. */
  id: Id;
  /** The part of the payload that `withPayload` selects; absent where the point has none. */
  payload?: unknown;
  /** The full vector, a copy; with `withVector` alone. */
  vector?: Float32Array;
}

export interface CheckedLookup {
  source: Source;
  withPayload: PayloadSelection;
  withVector: boolean;
}

/** @throws FunnelError BAD_ARGUMENT */
export function checkedLookup(given: Lookup | undefined): CheckedLookup | undefined {
  if (given === undefined) return undefined;
  if (isSource(given)) return { source: layoutOf(given, undefined), withPayload: true, withVector: false };
  if (!isSource((given as LookupOptions | null)?.source)) {
    throw expected('BAD_ARGUMENT', 'a source, or { source, withPayload, withVector },', 'withLookup', given);
  }
  checkKeys(given, ['source', 'using', 'withPayload', 'withVector'], 'withLookup');
  const { source, using, withPayload = true, withVector = false } = given;
  checkPayloadSelection(withPayload, 'withLookup.withPayload');
  if (typeof withVector !== 'boolean') {
    throw expected('BAD_ARGUMENT', 'a boolean', 'withLookup.withVector', withVector);
  }
  return { source: layoutOf(source, using), withPayload, withVector };
}

function isSource(value: unknown): value is Source {
  return typeof (value as Source | null)?.fetch === 'function';
}

/**
 * The points that groups name; a group whose id no point has is left out. Types must agree: the group "123" is not the
 * point 123.
 *
 * @throws what the source throws: NO_COLLECTION where there is none
 */
export async function lookUp(
  { source, withPayload, withVector }: CheckedLookup,
  keys: readonly GroupKey[],
  { timeout, signal }: Pick<CheckedOptions, 'timeout' | 'signal'>,
): Promise<Map<GroupKey, LookupRow>> {
  const options = { ...(timeout !== undefined && { timeout }), ...(signal !== undefined && { signal }) };
  await source.info(options); // an unknown collection is an error, whatever the groups
  const idOf = async (key: GroupKey) => (source.idOf ? source.idOf(key, options) : key);
  const pairs = await Promise.all(keys.map(async (key) => ({ key, id: await idOf(key) })));
  const named = pairs.filter(({ id }) => id !== undefined);
  const byKey = new Map<GroupKey, LookupRow>();
  for (const kind of new Set(named.map(({ id }) => typeof id))) {
    const some = named.filter(({ id }) => typeof id === kind);
    const missing = withVector ? 'leave out' : 'error';
    const { rows: found } = await source.fetch({
      ids: [...new Set(some.map(({ id }) => id!))], // several keys may name one point: a UUID has several forms
      withPayload,
      vectors: withVector,
      missing,
      ...options,
    });
    const rows = new Map<Id, LookupRow>();
    found.ids.forEach((id, i) => {
      const row: LookupRow = { id };
      if (withPayload !== false) row.payload = found.payloads?.[i];
      if (withVector) row.vector = vectorAt(found.vectors, found.dim, i);
      rows.set(id, row);
    });
    // A source that finds 7 by '7', as keys of JSON are, has found another point.
    for (const { key, id } of some) if (rows.has(id!)) byKey.set(key, rows.get(id!)!);
  }
  return byKey;
}

/** Which rows of an index pass, and what of them is read, all of one moment: for the index as a source. */
import { atOnce, inSlices, type Sliced } from '../core/slices.js';
import type { FilterStats, Id } from '../core/types.js';
import type { FilterNode } from '../query/filter/ast.js';
import { Conditions } from '../query/filter/conditions.js';
import { payloadSelection } from '../query/payload.js';
import type { HeadRequest, PackedRows, Restriction } from '../query/source/source.js';
import { type CheckedFilter, checkedFilter, evaluateFilter } from './filters.js';
import { gather } from './gather.js';
import { oneMoment, type Whole } from './one-moment.js';
import { partsOf } from './parts.js';
import { intersection as commonRows, listOf } from './payload/row-set.js';
import { matching } from './restrict.js';
import type { SearchedIndex } from './searched-index.js';
import type { RowFilter } from './types.js';

/** Rows read before others get their turn. */
const READ_AT_ONCE = 128;

export type Wanted = Pick<HeadRequest, 'withPayload' | 'vectors' | 'decide'>;

/** Which rows a request is about: those that pass both. */
export interface Only {
  node?: FilterNode | undefined;
  rows?: RowFilter | undefined;
}

export interface Read {
  /** Places of the rows among those that were asked for. */
  places: number[];
  rows: PackedRows;
}

export interface PassingRows {
  ordinals: Uint32Array;
  filtered?: FilterStats;
}

/**
 * Asks again where rows that were found have died meanwhile: a row of the same id may stand in their place. In one go in the
 * end, where that can be: nothing dies then, nor does the index follow a writer in another process.
 *
 * @param isFiltered whether payloads that change meanwhile spoil it, too
 */
export function ofOneMoment<T>(
  index: SearchedIndex,
  ask: () => Promise<Whole<T>>,
  inOneGo?: () => T,
  isFiltered = true,
): Promise<T> {
  const go = inOneGo && (() => partsOf(index).still(inOneGo));
  const attempt = async (hold: () => boolean) => {
    const { value, isWhole } = await ask();
    return { value, isWhole: isWhole && hold() };
  };
  return oneMoment(() => partsOf(index).files, attempt, go, isFiltered);
}

/** The same of work in slices. */
export function whole<T>(index: SearchedIndex, begin: () => Sliced<Whole<T>>, signal: AbortSignal): Promise<T> {
  const ask = () => inSlices(begin(), () => signal.throwIfAborted());
  return ofOneMoment(index, ask, () => atOnce(begin()).value);
}

export function read(
  index: SearchedIndex,
  ordinals: readonly number[],
  wanted: Wanted,
  signal: AbortSignal,
): Promise<Whole<Read>> {
  return inSlices(reading(index, ordinals, wanted), () => signal.throwIfAborted());
}

/** Rows that live; those that die while others are read are left out, too, for they may be gone from the files. */
export function* reading(
  index: SearchedIndex,
  ordinals: readonly number[],
  { withPayload = false, vectors: wanted = true, decide = ordinals.length }: Wanted,
): Sliced<Whole<Read>> {
  const { dim } = index;
  const { staleReads } = partsOf(index).files;
  const select = payloadSelection(withPayload);
  const places: number[] = [];
  const ids: Id[] = [];
  const payloads: unknown[] = [];
  const vectors = new Float32Array(wanted ? ordinals.length * dim : 0);
  for (let from = 0; from < ordinals.length; from += READ_AT_ONCE) {
    if (from > 0) yield;
    const parts = partsOf(index);
    const { files, live } = parts;
    const first = ids.length;
    for (let i = from; i < Math.min(ordinals.length, from + READ_AT_ONCE); i++) {
      const ordinal = ordinals[i]!;
      if (!live.alive(ordinal)) continue;
      places.push(i);
      ids.push(files.idOf(ordinal));
      if (withPayload !== false && payloads.length < decide) payloads.push(select(files.payloadOf(ordinal) ?? {}));
    }
    if (wanted) gather(parts, ids.slice(first), vectors.subarray(first * dim));
  }
  const rows: PackedRows = {
    vectors: wanted ? vectors.subarray(0, ids.length * dim) : vectors,
    dim,
    ids,
    payloads: withPayload === false ? undefined : payloads,
  };
  const isWhole = places.length === ordinals.length && partsOf(index).files.staleReads === staleReads;
  return { value: { places, rows }, isWhole };
}

/** The filters of the source and of a request. @throws FunnelError BAD_ARGUMENT, BAD_ID */
export function onlyOf(standing: unknown, { filter, nativeFilter }: Restriction): Only {
  const only: Only = filter ? { node: filter } : {};
  for (const one of [standing, nativeFilter]) {
    const own = checkedFilter(one, 'nativeFilter');
    if (own === undefined) continue;
    if ('node' in own) only.node = only.node ? { op: 'and', nodes: [only.node, own.node] } : own.node;
    else only.rows = only.rows ? intersection(only.rows, own.rows) : own.rows;
  }
  return only;
}

/** Live rows, ascending. */
export function rowsPassing(index: SearchedIndex, only: Only, signal: AbortSignal): Promise<PassingRows> {
  return whole(index, () => matched(index, only), signal);
}

/** Where rows die meanwhile, rows of the same ids may stand in their place, which were not looked at. */
export function* matched(index: SearchedIndex, { node, rows }: Only): Sliced<Whole<PassingRows>> {
  const parts = partsOf(index);
  const { staleReads } = parts.files;
  const { deaths } = parts.live;
  if (node === undefined) {
    const ordinals = listOf(yield* matching(rows ?? {}, parts.files));
    return { value: { ordinals }, isWhole: parts.live.deaths === deaths };
  }
  const { rows: set, work } = yield* evaluateFilter({ node }, parts);
  const { files, live } = partsOf(index);
  const both = rows ? commonRows(set, yield* matching(rows, files)) : set;
  const ordinals = listOf(both).filter(live.alive);
  const filtered: FilterStats = { ...work, matched: ordinals.length, plan: 'rows', cached: false };
  return { value: { ordinals, filtered }, isWhole: live.deaths === deaths && files.staleReads === staleReads };
}

/**
 * A restriction that is only a filter is left to the index to evaluate, and to remember.
 *
 * @param passing the rows that pass both, where there are both
 */
export function filterOf({ node, rows }: Only, passing: PassingRows | undefined): CheckedFilter | undefined {
  if (passing !== undefined) return { rows: { rows: bitsOf(passing) } };
  return node ? new Conditions(node) : rows && { rows };
}

/** A bit a row. */
function bitsOf({ ordinals }: PassingRows): Uint8Array {
  const bits = new Uint8Array(((ordinals.at(-1) ?? 0) >> 3) + 1);
  for (const ordinal of ordinals) bits[ordinal >> 3]! |= 1 << (ordinal & 7);
  return bits;
}

/** Rows that pass both. */
function intersection(a: RowFilter, b: RowFilter): RowFilter {
  const filter: RowFilter = {};
  if (a.rows && b.rows) filter.rows = a.rows.map((byte, i) => byte & (b.rows![i] ?? 0));
  else if (a.rows ?? b.rows) filter.rows = (a.rows ?? b.rows)!;
  if (a.ids && b.ids) {
    const these = new Set<Id>(a.ids);
    filter.ids = Array.from(b.ids).filter((id) => these.has(id));
  } else if (a.ids ?? b.ids) filter.ids = (a.ids ?? b.ids)!;
  return filter;
}

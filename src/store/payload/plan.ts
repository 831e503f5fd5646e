/** A filter as the set of rows that pass: from indexes where there are some, from payloads only for rows that these leave. */

import type { Sliced } from '../../core/slices.js';
import type { Id, IdKind } from '../../core/types.js';
import type { FilterNode, Step } from '../../query/filter/ast.js';
import { compileFilter } from '../../query/filter/evaluate.js';
import { inSlice } from '../../query/filter/slice.js';
import type { IndexFiles } from '../files/index-files.js';
import type { ColumnCondition } from './column.js';
import type { PayloadIndexes } from './indexes.js';
import { liveRows } from './live-rows.js';
import type { OrdinalPart } from './parts.js';
import { difference, gathered, intersection, listOf, NO_ROWS, type RowSet, settled, sizeOf, union } from './row-set.js';

/** Conditions that some element must meet; `empty`, which asks for no element at all, is another matter. */
const NARROWING: ReadonlySet<FilterNode['op']> = new Set([
  'match',
  'except',
  'text',
  'geo',
  'range',
  'dates',
  'count',
  'null',
]);

/** Rows between two looks at the clock. */
const AT_ONCE = 16;
const IDS_AT_ONCE = 256;

export class FilterPlan {
  /** Rows are those below. */
  readonly rows: number;
  /** Live when the plan was made. */
  readonly live: RowSet;
  /** Keys of conditions that no index answered. */
  readonly unindexed = new Set<string>();
  /** Rows of which the payload was read. */
  payloadsRead = 0;
  readonly #parts = new Map<FilterNode, readonly OrdinalPart[] | undefined>();
  readonly #ids = new Map<FilterNode, readonly number[]>();
  readonly #sets = new Map<FilterNode, RowSet>();
  readonly #indexed = new Map<FilterNode, boolean>();

  /** The indexes must have caught up with the rows. */
  constructor(
    readonly files: IndexFiles,
    readonly indexes: PayloadIndexes,
  ) {
    this.rows = files.rows;
    this.live = liveRows(files);
  }

  /** The rows of `within` that pass. */
  *solve(node: FilterNode, within: RowSet = this.live): Sliced<RowSet> {
    if (sizeOf(within) === 0) return NO_ROWS;
    yield* this.prepare(node);
    const set = yield* this.#solve(node, within);
    return settled(set, this.rows);
  }

  /** Asks the indexes of all conditions, in slices: nothing else is to be asked before. */
  *prepare(node: FilterNode): Sliced<void> {
    if ('nodes' in node) for (const child of node.nodes) yield* this.prepare(child);
    else if (node.op === 'not') yield* this.prepare(node.node);
    else if (node.op === 'ids') {
      if (!this.#ids.has(node)) this.#ids.set(node, yield* rowsOf(node.ids, this.files));
    } else if ('path' in node && !this.#parts.has(node)) {
      const column = this.indexes.at(node.path, this.rows);
      this.#parts.set(node, column && (yield* column.answer(node)));
    }
  }

  /** Whether indexes alone answer it. */
  isIndexed(node: FilterNode): boolean {
    let indexed = this.#indexed.get(node);
    if (indexed === undefined) {
      if ('nodes' in node) indexed = node.nodes.every((child) => this.isIndexed(child));
      else if (node.op === 'not') indexed = this.isIndexed(node.node);
      else indexed = !('path' in node) || this.#partsOf(node) !== undefined;
      this.#indexed.set(node, indexed);
    }
    return indexed;
  }

  *#solve(node: FilterNode, within: RowSet): Sliced<RowSet> {
    switch (node.op) {
      case 'and':
        return yield* this.#all(node.nodes, within);
      case 'or':
        return yield* this.#any(node.nodes, within);
      case 'not':
        return difference(within, yield* this.solve(node.node, within));
      case 'atLeast':
        if (!this.isIndexed(node)) return yield* this.#read(node, within);
        return yield* this.#atLeast(node.count, node.nodes, within);
      case 'slice':
        return yield* this.#sliced(inSlice(node.total, node.index), within);
      default:
        if (!this.isIndexed(node)) return yield* this.#read(node, within);
        return within === this.live && this.#isEverything ? this.#setOf(node) : intersection(within, this.#setOf(node));
    }
  }

  /** Whether no row is dead, and none came since: then no set has a row that `live` has not. */
  get #isEverything(): boolean {
    return this.files.rows === this.rows && this.files.liveCount === this.rows;
  }

  /** The most selective first; payloads last, and once. */
  *#all(nodes: readonly FilterNode[], within: RowSet): Sliced<RowSet> {
    const indexed = nodes.filter((node) => this.isIndexed(node));
    const estimates = new Map(indexed.map((node) => [node, this.#estimate(node)]));
    indexed.sort((a, b) => estimates.get(a)! - estimates.get(b)!);
    const partly = nodes.filter((node) => !this.isIndexed(node) && this.#hasIndexed(node));
    let left = within;
    for (const node of [...indexed, ...partly]) {
      left = yield* this.solve(node, left);
      yield;
    }
    const others = nodes.filter((node) => !this.isIndexed(node) && !this.#hasIndexed(node));
    return others.length === 0 ? left : yield* this.#read({ op: 'and', nodes: others }, left);
  }

  /** Payloads are read of rows that no index has let in. */
  *#any(nodes: readonly FilterNode[], within: RowSet): Sliced<RowSet> {
    const others = nodes.filter((node) => !this.isIndexed(node) && !this.#hasIndexed(node));
    const first = nodes.filter((node) => this.isIndexed(node));
    const partly = nodes.filter((node) => !this.isIndexed(node) && this.#hasIndexed(node));
    let found = NO_ROWS;
    for (const node of first) {
      found = union(found, yield* this.solve(node, within), this.rows);
      yield;
    }
    for (const node of partly) found = union(found, yield* this.solve(node, difference(within, found)), this.rows);
    if (others.length === 0) return found;
    return union(found, yield* this.#read({ op: 'or', nodes: others }, difference(within, found)), this.rows);
  }

  *#atLeast(count: number, nodes: readonly FilterNode[], within: RowSet): Sliced<RowSet> {
    if (count === 0) return within;
    if (count > nodes.length) return NO_ROWS;
    const met = new Uint32Array(this.rows);
    for (const node of nodes) {
      for (const ordinal of listOf(yield* this.solve(node, within))) met[ordinal]!++;
      yield;
    }
    return listOf(within).filter((ordinal) => met[ordinal]! >= count);
  }

  /** Rows by their ids alone. */
  *#sliced(passes: (id: Id) => boolean, within: RowSet): Sliced<RowSet> {
    const found: number[] = [];
    let work = 0;
    for (const ordinal of listOf(within)) {
      if (++work % IDS_AT_ONCE === 0) yield;
      if (passes(this.files.idOf(ordinal))) found.push(ordinal);
    }
    return Uint32Array.from(found);
  }

  *#read(node: FilterNode, within: RowSet): Sliced<RowSet> {
    const rows = listOf(yield* this.#narrow(node, [], within));
    this.#note(node);
    const passes = compileFilter(node);
    const found: number[] = [];
    let work = 0;
    for (const ordinal of rows) {
      if (++work % AT_ONCE === 0) yield;
      if (!this.indexes.alive(ordinal)) continue; // died meanwhile
      this.payloadsRead++;
      if (passes(this.files.idOf(ordinal), this.files.payloadOf(ordinal))) found.push(ordinal);
    }
    return Uint32Array.from(found);
  }

  /**
   * Leaves out rows that cannot pass a condition inside `nested`: where no element at all meets it, no single one meets it
   * and the others.
   *
   * @param steps where the paths of `node` start
   */
  *#narrow(node: FilterNode, steps: readonly Step[], within: RowSet): Sliced<RowSet> {
    if (node.op === 'and') {
      let left = within;
      for (const child of node.nodes) left = yield* this.#narrow(child, steps, left);
      return left;
    }
    if (node.op === 'nested') return yield* this.#narrow(node.node, [...steps, ...node.path.steps], within);
    if (steps.length === 0 || !NARROWING.has(node.op)) return within;
    const condition = node as ColumnCondition;
    const path = { text: '', steps: [...steps, ...condition.path.steps] };
    const column = this.indexes.at(path, this.rows);
    const parts = column && (yield* column.answer(condition));
    yield;
    return parts === undefined ? within : intersection(within, gathered(parts, this.rows));
  }

  #note(node: FilterNode): void {
    if ('nodes' in node) for (const child of node.nodes) this.#note(child);
    else if (node.op === 'not') this.#note(node.node);
    else if ('path' in node && !this.isIndexed(node)) this.unindexed.add(node.path.text);
  }

  #hasIndexed(node: FilterNode): boolean {
    if ('nodes' in node) return node.op !== 'atLeast' && node.nodes.some((child) => this.#hasIndexed(child));
    return node.op === 'not' ? this.#hasIndexed(node.node) : this.isIndexed(node);
  }

  /** At most so many rows, but for conditions in `not`. */
  #estimate(node: FilterNode): number {
    switch (node.op) {
      case 'and':
        return node.nodes.reduce((least, child) => Math.min(least, this.#estimate(child)), this.rows);
      case 'or':
      case 'atLeast':
        return node.nodes.reduce((sum, child) => sum + this.#estimate(child), 0);
      case 'not':
        return this.rows - Math.min(this.rows, this.#estimate(node.node));
      case 'ids':
        return node.ids.length;
      case 'slice':
        return Math.ceil(this.rows / node.total);
      default:
        return this.#partsOf(node)?.reduce((sum, { length }) => sum + length, 0) ?? this.rows;
    }
  }

  #partsOf(node: ColumnCondition): readonly OrdinalPart[] | undefined {
    return this.#parts.get(node);
  }

  #setOf(node: ColumnCondition | Extract<FilterNode, { op: 'ids' }>): RowSet {
    let set = this.#sets.get(node);
    if (set === undefined) {
      const parts = node.op === 'ids' ? [this.#ids.get(node)!] : this.#partsOf(node)!;
      set = gathered(parts, this.rows);
      this.#sets.set(node, set);
    }
    return set;
  }
}

/** Ids that no row has are left out; a number and a bigint of the same value are one id. */
export function* rowsOf(ids: Iterable<Id>, files: IndexFiles): Sliced<number[]> {
  const { idKind } = files;
  const found: number[] = [];
  let work = 0;
  for (const id of ids) {
    if (++work % IDS_AT_ONCE === 0) yield;
    const own = idKind === undefined ? undefined : ownId(id, idKind);
    const ordinal = own === undefined ? undefined : files.ordinalOf(own);
    if (ordinal !== undefined) found.push(ordinal);
  }
  return found;
}

function ownId(id: Id, kind: IdKind): Id | undefined {
  if (typeof id === kind) return id;
  if (kind === 'number' && typeof id === 'bigint' && Number.isSafeInteger(Number(id))) return Number(id);
  if (kind === 'bigint' && typeof id === 'number' && Number.isSafeInteger(id)) return BigInt(id);
  return undefined;
}

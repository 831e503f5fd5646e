/** Filters of queries as the engine takes them: each evaluated once, and kept while nothing is written. */

import { atOnce, type Sliced } from '../core/slices.js';
import type { CodeKernels } from '../kernels/codes.js';
import type { FilterNode } from '../query/filter/ast.js';
import { Conditions } from '../query/filter/conditions.js';
import type { RowMasks, SearchTask } from './engine/types.js';
import { type CheckedFilter, evaluateFilter, type Filtered, type Matched } from './filters.js';
import type { CheckedQuery } from './request.js';
import { Masks, markListed, restrict } from './restrict.js';
import type { IndexFilterStats } from './types.js';

/** Filters that are kept, the last ones used. */
const KEPT = 16;
/** A filter with more values than this is not looked for. */
const MOST_VALUES = 1024;

interface Entry {
  restriction: RowMasks;
  stats: IndexFilterStats;
  /** Searches under way. */
  users: number;
  kept: boolean;
}

/** The restrictions of one call's queries. */
export type Restricted = Map<CheckedFilter, { entry: Entry; stats: IndexFilterStats }>;

export class Restrictions {
  /** By text; those used last are last. */
  readonly #kept = new Map<string, Entry>();
  readonly #masks: Masks;
  /** The kept restrictions hold for this state of the index. */
  #generation = -1;
  #version = -1;

  constructor(
    readonly filtered: Filtered,
    codes: CodeKernels,
    readonly fullScanThreshold: number,
  ) {
    this.#masks = new Masks(codes);
  }

  /** The rows of each filter, but for those that are known. */
  *match(queries: readonly CheckedQuery[]): Sliced<Map<CheckedFilter, Matched>> {
    const all = new Map<CheckedFilter, Matched>();
    for (const { filter } of queries) {
      if (filter === undefined || all.has(filter) || this.#find(filter) !== undefined) continue;
      all.set(filter, yield* evaluateFilter(filter, this.filtered));
    }
    return all;
  }

  /** How many rows pass a filter; undefined where they are neither among those matched nor known. */
  passing(filter: CheckedFilter, matched: ReadonlyMap<CheckedFilter, Matched>): number | undefined {
    return (matched.get(filter)?.work ?? this.#find(filter)?.stats)?.matched;
  }

  /**
   * Makes the rows matched into restrictions for the segments of this moment.
   *
   * @param into is filled: what fails half-way leaves what `drop` gives back
   */
  take(queries: readonly CheckedQuery[], matched: ReadonlyMap<CheckedFilter, Matched>, into: Restricted): void {
    for (const { filter, request } of queries) {
      if (filter === undefined) continue;
      const before = into.get(filter);
      if (before !== undefined) {
        markListed(before.entry.restriction, request, this.filtered.live, this.#masks);
        continue;
      }
      const known = this.#find(filter);
      const entry = known ?? this.#make(filter, matched.get(filter));
      entry.users++;
      // A copy: it goes to the caller.
      const stats = { ...entry.stats, unindexed: [...entry.stats.unindexed] };
      into.set(filter, { entry, stats: known ? { ...stats, cached: true, ms: 0 } : stats });
      markListed(entry.restriction, request, this.filtered.live, this.#masks);
    }
  }

  /** Gives back the masks that nobody needs any more. */
  drop(restricted: Restricted): void {
    for (const { entry } of restricted.values()) {
      entry.users--;
      this.#release(entry);
    }
  }

  /** Keeps nothing any more. */
  clear(): void {
    for (const text of [...this.#kept.keys()]) this.#forget(text);
  }

  #make(filter: CheckedFilter, matched = atOnce(evaluateFilter(filter, this.filtered))): Entry {
    const began = performance.now();
    const { files, live } = this.filtered;
    const { rows, work, generation } = matched;
    const restriction = restrict(rows, this.fullScanThreshold, live, this.#masks);
    const plan = restriction.masks.length > 0 ? 'mask' : 'rows';
    const ms = work.ms + performance.now() - began;
    const stats: IndexFilterStats = { plan, cached: false, ...work, ms };
    const entry: Entry = { restriction, stats, users: 0, kept: false };
    // Rows that came since are not among those matched.
    if (generation === files.generation) this.#keep(filter, entry);
    return entry;
  }

  #keep(filter: CheckedFilter, entry: Entry): void {
    if (!(filter instanceof Conditions) || isLarge(filter.node)) return;
    this.#sweep();
    entry.kept = true;
    this.#kept.set(filter.text, entry);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > KEPT) this.#forget(oldest!);
  }

  #find(filter: CheckedFilter): Entry | undefined {
    if (!(filter instanceof Conditions) || isLarge(filter.node)) return undefined;
    this.#sweep();
    const { text } = filter;
    const entry = this.#kept.get(text);
    if (entry === undefined) return undefined;
    this.#kept.delete(text);
    this.#kept.set(text, entry);
    return entry;
  }

  /** Forgets all when anything was written, or segments were replaced. */
  #sweep(): void {
    const { files, live } = this.filtered;
    if (files.generation === this.#generation && live.version === this.#version) return;
    this.clear();
    this.#generation = files.generation;
    this.#version = live.version;
  }

  #forget(text: string): void {
    const entry = this.#kept.get(text)!;
    this.#kept.delete(text);
    entry.kept = false;
    this.#release(entry);
  }

  #release({ users, kept, restriction }: Entry): void {
    if (users > 0 || kept) return;
    const { masks, late } = restriction;
    const made = masks.filter(({ length }) => length > 0);
    this.#masks.give(late === undefined ? made : [...made, late.bits]);
  }
}

export function requestOf({ request, filter }: CheckedQuery, restricted: Restricted): SearchTask {
  return filter === undefined ? request : { only: restricted.get(filter)!.entry.restriction, ...request };
}

function isLarge(node: FilterNode): boolean {
  return sizeOf(node) > MOST_VALUES;
}

/** Conditions and values. */
function sizeOf(node: FilterNode): number {
  if ('nodes' in node) return node.nodes.reduce((sum, child) => sum + sizeOf(child), 1);
  if ('node' in node) return 1 + sizeOf(node.node);
  return 'values' in node ? 1 + node.values.length : 'ids' in node ? 1 + node.ids.length : 1;
}

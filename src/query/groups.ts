/** Groups of ranked hits by a value of their payload. */
import { atOnce, type Sliced } from '../core/slices.js';
import { wholeNumber } from './numbers.js';

/** 123 and "123" are two groups. An integer beyond ±(2^53 − 1) is a bigint. */
export type GroupKey = string | number | bigint;

export interface Group<Hit> {
  key: GroupKey;
  /** Best first, at most `groupSize`. */
  hits: Hit[];
  /** Hits of the pool that have this key. */
  size: number;
}

/**
 * The groups that a payload belongs to: each of its strings and integers, once. None where one of them is anything else: a
 * number with a fraction, a boolean, null, an object. A bigint that a number can be is that number: 5n and 5 are one group.
 *
 * @param large the group of a number beyond ±(2^53 − 1), which JSON may have rounded; undefined: none, as for fractions
 */
export function groupKeys(
  values: readonly unknown[],
  large: (value: number) => GroupKey | undefined = () => undefined,
): GroupKey[] {
  const keys = new Set<GroupKey>();
  if (!values.every(mayGroup)) return [];
  for (const value of values) {
    const key =
      typeof value === 'string'
        ? value
        : typeof value === 'bigint' || Number.isSafeInteger(value)
          ? wholeNumber(value as number | bigint)
          : large(value as number);
    if (key === undefined) return [];
    keys.add(key);
  }
  return [...keys];
}

function mayGroup(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'bigint' || Number.isInteger(value);
}

/**
 * Ranked hits as groups: those with the best hit first; equal ones by key, integers before strings.
 *
 * @param hits best first, each with its score
 */
export function groupHits<Hit extends { score: number }>(
  hits: readonly Hit[],
  keysOf: (hit: Hit, index: number) => readonly GroupKey[],
  groupSize: number,
): Group<Hit>[] {
  return atOnce(grouping(hits, keysOf, groupSize));
}

/** Hits that are grouped between two turns of others. */
const AT_ONCE = 2048;

/** The same in slices. */
export function* grouping<Hit extends { score: number }>(
  hits: readonly Hit[],
  keysOf: (hit: Hit, index: number) => readonly GroupKey[],
  groupSize: number,
): Sliced<Group<Hit>[]> {
  const groups = new Map<GroupKey, Group<Hit>>();
  for (const [index, hit] of hits.entries()) {
    if (index % AT_ONCE === AT_ONCE - 1) yield;
    for (const key of keysOf(hit, index)) {
      const group = groups.get(key);
      if (group === undefined) groups.set(key, { key, hits: [hit], size: 1 });
      else if (group.size++ < groupSize) group.hits.push(hit);
    }
  }
  // They come in the order of their best hits; only equal scores are out of order.
  const list = [...groups.values()];
  for (let from = 0, to = 0; from < list.length; from = to) {
    const { score } = list[from]!.hits[0]!;
    while (to < list.length && list[to]!.hits[0]!.score === score) to++;
    if (to - from === 1) continue;
    const equal = list.slice(from, to).sort((a, b) => compareKeys(a.key, b.key));
    for (const [i, group] of equal.entries()) list[from + i] = group;
  }
  return list;
}

export function compareKeys(a: GroupKey, b: GroupKey): number {
  if (typeof a === 'string' || typeof b === 'string') {
    if (typeof a !== typeof b && (typeof a !== 'string' || typeof b !== 'string'))
      return typeof a === 'string' ? 1 : -1;
  }
  return a < b ? -1 : a > b ? 1 : 0;
}

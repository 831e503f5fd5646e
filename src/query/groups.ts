/** Groups of ranked hits by a value of their payload. */
import type { Path } from './filter/ast.js';

/** 123 and "123" are two groups. */
export type GroupKey = string | number | bigint;

export interface Group<Hit> {
  key: GroupKey;
  /** Best first, at most `groupSize`. */
  hits: Hit[];
  /** Hits of the pool that have this key. */
  size: number;
}

/**
 * The values that a path leads to: of an array at its end, the elements. Only own keys count, so a payload has no
 * "constructor".
 */
export function valuesAt(payload: unknown, { steps }: Pick<Path, 'steps'>): unknown[] {
  let values: unknown[] = [payload];
  for (const { key, each } of steps) {
    values = values.flatMap((value) => (isObject(value) && Object.hasOwn(value, key) ? [value[key]] : []));
    if (each) values = values.flatMap((value) => (Array.isArray(value) ? value : []));
  }
  return values.flatMap((value) => (Array.isArray(value) ? value : [value]));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The groups that a payload belongs to: each of its strings and integers, once. None where one of them is anything else: a
 * number with a fraction, a boolean, null, an object; nor where an integer is so large that JSON may have rounded it.
 */
export function groupKeys(values: readonly unknown[]): GroupKey[] {
  const keys = new Set<GroupKey>();
  for (const value of values) {
    if (typeof value !== 'string' && typeof value !== 'bigint' && !Number.isSafeInteger(value)) return [];
    keys.add(value === 0 ? 0 : (value as GroupKey)); // -0 is 0
  }
  return [...keys];
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
  const groups = new Map<GroupKey, Group<Hit>>();
  hits.forEach((hit, index) => {
    for (const key of keysOf(hit, index)) {
      const group = groups.get(key);
      if (group === undefined) groups.set(key, { key, hits: [hit], size: 1 });
      else if (group.size++ < groupSize) group.hits.push(hit);
    }
  });
  // They come in the order of their best hits; only equal scores are out of order.
  const list = [...groups.values()];
  for (let from = 0, to = 0; from < list.length; from = to) {
    const { score } = list[from]!.hits[0]!;
    while (to < list.length && list[to]!.hits[0]!.score === score) to++;
    if (to - from > 1) list.splice(from, to - from, ...list.slice(from, to).sort((a, b) => compareKeys(a.key, b.key)));
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

/** How far a pool settles the groups that were asked for. */
export interface Settled {
  /** That the first `wanted` groups are those of all rows, in order. */
  groups: boolean;
  /** Of those, the keys whose hits the pool may not all have. */
  unfilled: GroupKey[];
}

/**
 * What is certain when the pool holds the best rows of all, and nothing is known of the others but that they are no better
 * than its last: a group counts when its best hit is better than that.
 *
 * @param last the score of the pool's last hit; undefined when the pool has all rows
 */
export function settled(
  groups: readonly Group<{ score: number }>[],
  wanted: number,
  groupSize: number,
  last: number | undefined,
): Settled {
  if (last === undefined) return { groups: true, unfilled: [] };
  const first = groups.slice(0, wanted);
  const certain = first.length === wanted && first.every(({ hits }) => hits[0]!.score !== last);
  return { groups: certain, unfilled: first.filter(({ size }) => size < groupSize).map(({ key }) => key) };
}

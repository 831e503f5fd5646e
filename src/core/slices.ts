/**
 * Long work on the main thread: generators that yield now and then, run in one go or so that others get their turn.
 *
 * Their functions stand at the top of a module. One that is made within a call brings a hidden class of its own, which V8 keeps in
 * the old space, and with it all that the function sees until the next full collection: a search took 1.4 times as long.
 */

import { othersTurn, overdue } from './turns.js';

export type Sliced<T> = Generator<void, T, void>;

export function atOnce<T>(work: Sliced<T>): T {
  let step = work.next();
  while (!step.done) step = work.next();
  return step.value;
}

/** Work that is done already. */
// biome-ignore lint/correctness/useYield: there is nothing left to do
export function* doneWork<T>(value: T): Sliced<T> {
  return value;
}

/** @param check is called before each stretch, and may throw */
export async function inSlices<T>(work: Sliced<T>, check: () => void = () => {}): Promise<T> {
  for (;;) {
    do {
      const step = work.next();
      if (step.done) return step.value;
    } while (!overdue());
    await othersTurn();
    try {
      check();
    } catch (error) {
      work.return(undefined as never); // ends what the work has begun
      throw error;
    }
  }
}

/** Bytes that are copied before others get their turn: some milliseconds where the memory was never touched. */
const COPIED_AT_ONCE = 2 << 20;

/** Puts bytes at the beginning of `into`, which has room for them. */
export function* copyInto(into: Uint8Array, bytes: Uint8Array): Sliced<void> {
  for (let at = 0; at < bytes.length; at += COPIED_AT_ONCE) {
    if (at > 0) yield;
    into.set(bytes.subarray(at, at + COPIED_AT_ONCE), at);
  }
}

/** Sorted: chunks, each sorted at once, are merged. */
export function* sorted<V extends string | number | bigint>(values: Iterable<V>): Sliced<V[]> {
  return yield* sortedBy(values, compare);
}

/** The same by an order of its own. */
export function* sortedBy<V>(values: Iterable<V>, order: (a: V, b: V) => number): Sliced<V[]> {
  let runs: V[][] = [];
  let run: V[] = [];
  for (const value of values) {
    if (run.push(value) < CHUNK) continue;
    runs.push(run.sort(order));
    run = [];
    yield;
  }
  runs.push(run.sort(order));
  while (runs.length > 1) {
    const merged: V[][] = [];
    for (let i = 0; i + 1 < runs.length; i += 2) merged.push(yield* merge(runs[i]!, runs[i + 1]!, order));
    if (runs.length % 2 === 1) merged.push(runs.at(-1)!);
    runs = merged;
  }
  return runs[0]!;
}

const CHUNK = 8192;

function* merge<V>(a: readonly V[], b: readonly V[], order: (a: V, b: V) => number): Sliced<V[]> {
  const out: V[] = [];
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    out.push(j >= b.length || (i < a.length && order(a[i]!, b[j]!) <= 0) ? a[i++]! : b[j++]!);
    if (out.length % CHUNK === 0) yield;
  }
  return out;
}

/** Numbers and bigints by size, strings by their UTF-16 code units. */
export function compare<V extends string | number | bigint>(a: V, b: V): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

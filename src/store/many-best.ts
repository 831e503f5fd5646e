/** The best of many rows where these are many as well: sorted in parts that are merged, so that others get their turn. */
import type { Sliced } from '../core/slices.js';

/** Best first: by key, equal ones by ordinal. */
interface Run {
  keys: Float64Array;
  ordinals: Uint32Array;
}

/** Rows that are merged between two turns of others. */
const AT_ONCE = 16_384;

export class ManyBest {
  /** The longest first, each at least twice as long as the next, so that a row is merged but a few times. */
  readonly #runs: Run[] = [];

  constructor(readonly k: number) {}

  /** Rows whose ordinals are beyond those of all rows before, ascending. */
  *add(keys: Float64Array, ordinals: Uint32Array): Sliced<void> {
    const longest = this.#runs[0];
    const threshold = longest !== undefined && longest.keys.length === this.k ? longest.keys[this.k - 1]! : -Infinity;
    const places: number[] = [];
    // The first of equal keys stays.
    for (let i = 0; i < ordinals.length; i++) if (keys[i]! > threshold || threshold === -Infinity) places.push(i);
    if (places.length === 0) return;
    places.sort((a, b) => keys[b]! - keys[a]! || a - b);
    places.length = Math.min(places.length, this.k);
    this.#runs.push({
      keys: Float64Array.from(places, (i) => keys[i]!),
      ordinals: Uint32Array.from(places, (i) => ordinals[i]!),
    });
    yield* this.#merge((before, last) => before.keys.length < 2 * last.keys.length);
  }

  *best(): Sliced<{ keys: number[]; ordinals: number[] }> {
    yield* this.#merge(() => true);
    const [run] = this.#runs;
    if (run === undefined) return { keys: [], ordinals: [] };
    return { keys: Array.from(run.keys), ordinals: Array.from(run.ordinals) };
  }

  *#merge(isDue: (before: Run, last: Run) => boolean): Sliced<void> {
    while (this.#runs.length > 1 && isDue(this.#runs.at(-2)!, this.#runs.at(-1)!)) {
      const b = this.#runs.pop()!;
      const a = this.#runs.pop()!;
      this.#runs.push(yield* merged(a, b, this.k));
    }
  }
}

/** Rows of `a` come before those of `b`. */
function* merged(a: Run, b: Run, k: number): Sliced<Run> {
  const count = Math.min(k, a.keys.length + b.keys.length);
  const run: Run = { keys: new Float64Array(count), ordinals: new Uint32Array(count) };
  for (let i = 0, j = 0; i + j < count; ) {
    if ((i + j) % AT_ONCE === AT_ONCE - 1) yield;
    const isFirst = j === b.keys.length || (i < a.keys.length && a.keys[i]! >= b.keys[j]!);
    const from = isFirst ? a : b;
    const at = isFirst ? i : j;
    run.keys[i + j] = from.keys[at]!;
    run.ordinals[i + j] = from.ordinals[at]!;
    if (isFirst) i++;
    else j++;
  }
  return run;
}

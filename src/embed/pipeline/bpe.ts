/** Byte-pair encoding: neighbours are merged by rank, the leftmost first among equals. */
import { byteTokens } from './bytes.js';
import { type TokenizerStep, UnsupportedStep } from './json.js';
import { type TokenModel, vocabularyOf } from './vocabulary.js';

/** Pieces whose ids are kept: of so many characters at most, and so many of them. */
const LONGEST_KEPT = 64;
const MOST_KEPT = 50_000;
/** A pair of ids as one number, and a rank with a place: below 2^53 for vocabularies of 2^26 and pieces of 2^28 characters. */
const IDS = 2 ** 26;
const PLACES = 2 ** 28;

export class BytePairs implements TokenModel {
  readonly #vocabulary: Map<string, number>;
  /** Pair → rank, and rank → what it becomes. */
  readonly #ranks = new Map<number, number>();
  readonly #merged: number[] = [];
  readonly #unknown: number | undefined;
  readonly #fuseUnknown: boolean;
  readonly #byteFallback: boolean;
  readonly #ignoreMerges: boolean;
  readonly #prefix: string;
  readonly #suffix: string;
  #kept = new Map<string, readonly number[]>();

  constructor(step: TokenizerStep) {
    if (Number(step['dropout'] ?? 0) > 0) throw new UnsupportedStep('its model has dropout, which is random');
    this.#vocabulary = vocabularyOf(step);
    this.#prefix = String(step['continuing_subword_prefix'] ?? '');
    this.#suffix = String(step['end_of_word_suffix'] ?? '');
    this.#fuseUnknown = step['fuse_unk'] === true;
    this.#byteFallback = step['byte_fallback'] === true;
    this.#ignoreMerges = step['ignore_merges'] === true;
    const unknown = step['unk_token'];
    this.#unknown = typeof unknown === 'string' ? this.#vocabulary.get(unknown) : undefined;
    for (const [rank, merge] of ((step['merges'] ?? []) as (string | [string, string])[]).entries()) {
      const [left, right] = typeof merge === 'string' ? (merge.split(' ') as [string, string]) : merge;
      const ids = [left, right, left + right.slice(this.#prefix.length)].map((token) => this.#vocabulary.get(token));
      if (ids.includes(undefined)) throw new Error(`its vocabulary lacks a part of merge ${JSON.stringify(merge)}`);
      this.#ranks.set(ids[0]! * IDS + ids[1]!, rank);
      this.#merged.push(ids[2]!);
    }
  }

  get size(): number {
    return this.#vocabulary.size;
  }

  idOf(token: string): number | undefined {
    return this.#vocabulary.get(token);
  }

  encode(piece: string, out: number[], _most: number, open: boolean): void {
    if (open) return; // merges may come from any distance
    const whole = this.#ignoreMerges ? this.#vocabulary.get(piece) : undefined;
    if (whole !== undefined) {
      out.push(whole);
      return;
    }
    let ids = this.#kept.get(piece);
    if (ids === undefined) {
      ids = this.#merge(this.#symbols(piece));
      if (piece.length <= LONGEST_KEPT) {
        if (this.#kept.size >= MOST_KEPT) this.#kept.clear();
        this.#kept.set(piece, ids);
      }
    }
    for (let i = 0; i < ids.length; i++) out.push(ids[i]!);
  }

  /** An id for each character; where it has none, the unknown one, those of its bytes, or nothing. */
  #symbols(piece: string): number[] {
    const ids: number[] = [];
    let pending = false; // an unknown token that the next ones may join
    const flush = () => {
      if (pending) ids.push(this.#unknown!);
      pending = false;
    };
    let at = 0;
    for (const character of piece) {
      const first = at === 0;
      at += character.length;
      const symbol = (first ? '' : this.#prefix) + character + (at === piece.length ? this.#suffix : '');
      const id = this.#vocabulary.get(symbol);
      if (id !== undefined) {
        flush();
        ids.push(id);
        continue;
      }
      const bytes = this.#byteFallback ? byteTokens(symbol).map((token) => this.#vocabulary.get(token)) : [undefined];
      if (!bytes.includes(undefined)) {
        ids.push(...(bytes as number[])); // in front of a pending unknown token, as the Rust library does it
      } else if (this.#unknown !== undefined) {
        if (!this.#fuseUnknown) flush();
        pending = true;
      }
    }
    flush();
    return ids;
  }

  #merge(ids: number[]): number[] {
    if (ids.length < 2) return ids;
    const length = ids.length;
    const next = Int32Array.from(ids, (_, i) => (i + 1 < length ? i + 1 : -1));
    const previous = Int32Array.from(ids, (_, i) => i - 1);
    const queue = new MinHeap();
    const offer = (left: number, right: number) => {
      const rank = this.#ranks.get(ids[left]! * IDS + ids[right]!);
      if (rank !== undefined) queue.push(rank * PLACES + left);
    };
    for (let i = 0; i + 1 < length; i++) offer(i, i + 1);
    for (let top = queue.pop(); top !== undefined; top = queue.pop()) {
      const rank = Math.floor(top / PLACES);
      const left = top - rank * PLACES;
      const right = next[left]!;
      if (ids[left] === GONE || right === -1) continue;
      // The pair that was offered may be gone: one of its parts may have merged with another meanwhile.
      const now = this.#ranks.get(ids[left]! * IDS + ids[right]!);
      if (now === undefined || this.#merged[now] !== this.#merged[rank]) continue;
      ids[left] = this.#merged[rank]!;
      ids[right] = GONE;
      next[left] = next[right]!;
      if (next[left] !== -1) previous[next[left]!] = left;
      if (previous[left] !== -1) offer(previous[left]!, left);
      if (next[left] !== -1) offer(left, next[left]!);
    }
    return ids.filter((id) => id !== GONE);
  }
}

/** The place of a symbol that is part of the one before it. */
const GONE = -1;

class MinHeap {
  readonly #values: number[] = [];

  push(value: number): void {
    const values = this.#values;
    let at = values.push(value) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (values[parent]! <= value) break;
      values[at] = values[parent]!;
      at = parent;
    }
    values[at] = value;
  }

  pop(): number | undefined {
    const values = this.#values;
    const top = values[0];
    const last = values.pop();
    if (values.length === 0 || last === undefined) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= values.length) break;
      if (child + 1 < values.length && values[child + 1]! < values[child]!) child++;
      if (values[child]! >= last) break;
      values[at] = values[child]!;
      at = child;
    }
    values[at] = last;
    return top;
  }
}

/** Unigram: of all ways to cut a piece into tokens, the one with the largest sum of scores. */
import { byteTokens } from './bytes.js';
import { type TokenizerStep, UnsupportedStep } from './json.js';
import { Trie } from './trie.js';
import { noUnknown, type TokenModel } from './vocabulary.js';

/** An unknown character scores so much less than the worst token. */
const PENALTY = 10;
/** Characters before the first look at what is settled; the next are each twice as far. */
const FIRST_LOOK = 4096;
/** The id of what is unknown, in a vocabulary without a token for it. */
const NONE = -1;

export class Unigram implements TokenModel {
  readonly #ids = new Map<string, number>();
  readonly #scores: Float64Array;
  readonly #trie = new Trie();
  /** UTF-16 units of the longest token. */
  readonly #longest: number;
  readonly #unknown: number | undefined;
  readonly #unknownScore: number;
  readonly #byteFallback: boolean;

  constructor(step: TokenizerStep) {
    const vocabulary = step['vocab'] as [string, number][];
    if (!Array.isArray(vocabulary) || vocabulary.length === 0) throw new UnsupportedStep('its model has no vocabulary');
    this.#scores = new Float64Array(vocabulary.length);
    let worst = Number.POSITIVE_INFINITY;
    let longest = 1;
    for (const [id, [token, score]] of vocabulary.entries()) {
      this.#ids.set(token, id);
      this.#scores[id] = score;
      worst = Math.min(worst, score);
      longest = Math.max(longest, token.length);
      if (token !== '') this.#trie.add(token, id);
    }
    this.#longest = Math.max(2, longest);
    this.#unknownScore = worst - PENALTY;
    this.#byteFallback = step['byte_fallback'] === true;
    this.#unknown = Number.isInteger(step['unk_id']) ? (step['unk_id'] as number) : undefined;
    if (this.#unknown !== undefined && this.#unknown >= vocabulary.length) {
      throw new Error(`its unk_id ${this.#unknown} is beyond the vocabulary`);
    }
  }

  get size(): number {
    return this.#ids.size;
  }

  idOf(token: string): number | undefined {
    return this.#ids.get(token);
  }

  encode(piece: string, out: number[], most: number, open: boolean): void {
    const length = piece.length;
    const best = new Float64Array(length + 1);
    /** The best way to each place ends in a token: the place where it begins, and its id. */
    const from = new Int32Array(length + 1).fill(-1);
    const ids = new Int32Array(length + 1);
    let look = FIRST_LOOK;
    for (let at = 0; at < length; ) {
      const width = piece.codePointAt(at)! > 0xffff ? 2 : 1;
      let single = false;
      const offer = (to: number, score: number, id: number) => {
        if (from[to] !== -1 && score <= best[to]!) return;
        best[to] = score;
        from[to] = at;
        ids[to] = id;
      };
      let node = Trie.ROOT;
      for (let to = at; to < length; ) {
        node = this.#trie.child(node, piece.charCodeAt(to++));
        if (node < 0) break;
        const id = this.#trie.valueOf(node);
        if (id < 0) continue;
        offer(to, best[at]! + this.#scores[id]!, id);
        if (to === at + width) single = true;
      }
      if (!single) {
        offer(at + width, best[at]! + this.#unknownScore, this.#unknown ?? NONE);
        if (ids[at + width] === NONE) throw noUnknown(piece.slice(at, at + width));
      }
      at += width;
      if (at < look || out.length + at / this.#longest <= most) continue;
      // A token that crosses `at` begins among the last `longest` units before it. Where the best ways to all of those
      // meet, what comes before is settled, whatever follows; but its last token, which unknown characters may join.
      look = 2 * at;
      const settled = this.#settled(piece, from, ids, at);
      if (out.length + settled.length <= most) continue;
      this.#append(settled, out);
      return;
    }
    this.#append(open ? this.#settled(piece, from, ids, length) : this.#tokens(piece, from, ids, length), out);
  }

  #settled(piece: string, from: Int32Array, ids: Int32Array, at: number): { text: string; id: number }[] {
    return this.#tokens(piece, from, ids, meeting(from, Math.max(0, at - this.#longest), at)).slice(0, -1);
  }

  /** The tokens of the best way to `end`, neighbouring unknown ones as one. */
  #tokens(piece: string, from: Int32Array, ids: Int32Array, end: number): { text: string; id: number }[] {
    const tokens: { text: string; id: number }[] = [];
    for (let to = end; to > 0; ) {
      const id = ids[to]!;
      let start = from[to]!;
      if (id === this.#unknown) while (start > 0 && ids[start] === id) start = from[start]!;
      tokens.push({ text: piece.slice(start, to), id });
      to = start;
    }
    return tokens.reverse();
  }

  #append(tokens: readonly { text: string; id: number }[], out: number[]): void {
    for (const { text, id } of tokens) {
      // Fused characters may be a token by chance.
      const own = id === this.#unknown ? this.#ids.get(text) : id;
      const bytes =
        own === undefined && this.#byteFallback ? byteTokens(text).map((token) => this.#ids.get(token)) : [];
      if (bytes.length > 0 && !bytes.includes(undefined)) for (const byte of bytes) out.push(byte!);
      else out.push(own ?? id);
    }
  }
}

/** The last place that the best ways to all places in first..last go through. */
function meeting(from: Int32Array, first: number, last: number): number {
  const open = new Set<number>();
  for (let at = first; at <= last; at++) if (at === 0 || from[at] !== -1) open.add(at);
  while (open.size > 1) {
    const latest = Math.max(...open);
    open.delete(latest);
    open.add(from[latest]!);
  }
  return open.values().next().value!;
}

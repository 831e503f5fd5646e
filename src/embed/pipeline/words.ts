/** Models that look whole words up, or the longest pieces of them. */
import type { TokenizerStep } from './json.js';
import { noUnknown, type TokenModel, vocabularyOf } from './vocabulary.js';

export class WordLevel implements TokenModel {
  readonly #vocabulary: Map<string, number>;
  readonly #unknown: number | undefined;

  constructor(step: TokenizerStep) {
    this.#vocabulary = vocabularyOf(step);
    this.#unknown = this.#vocabulary.get(String(step['unk_token'] ?? '<unk>'));
  }

  get size(): number {
    return this.#vocabulary.size;
  }

  idOf(token: string): number | undefined {
    return this.#vocabulary.get(token);
  }

  encode(piece: string, out: number[], _most: number, open: boolean): void {
    if (open) return;
    const id = this.#vocabulary.get(piece) ?? this.#unknown;
    if (id === undefined) throw noUnknown(piece);
    out.push(id);
  }
}

export class WordPiece implements TokenModel {
  readonly #vocabulary: Map<string, number>;
  readonly #unknown: number | undefined;
  /** Before each piece of a word but the first. */
  readonly #prefix: string;
  /** Characters of a word that is looked at. */
  readonly #longest: number;

  constructor(step: TokenizerStep) {
    this.#vocabulary = vocabularyOf(step);
    this.#unknown = this.#vocabulary.get(String(step['unk_token'] ?? '[UNK]'));
    this.#prefix = String(step['continuing_subword_prefix'] ?? '##');
    this.#longest = Number(step['max_input_chars_per_word'] ?? 100);
  }

  get size(): number {
    return this.#vocabulary.size;
  }

  idOf(token: string): number | undefined {
    return this.#vocabulary.get(token);
  }

  encode(word: string, out: number[], _most: number, open: boolean): void {
    if (open) return;
    const before = out.length;
    // A character is at most two UTF-16 units.
    const tooLong =
      word.length > this.#longest && (word.length > 2 * this.#longest || characters(word) > this.#longest);
    if (!tooLong && this.#pieces(word, out)) return;
    out.length = before;
    if (this.#unknown === undefined) throw noUnknown(word);
    out.push(this.#unknown);
  }

  #pieces(word: string, out: number[]): boolean {
    for (let from = 0, to: number; from < word.length; from = to) {
      let id: number | undefined;
      for (to = word.length; to > from; to--) {
        const piece = word.slice(from, to);
        id = this.#vocabulary.get(from === 0 ? piece : this.#prefix + piece);
        if (id !== undefined) break;
      }
      if (id === undefined) return false;
      out.push(id);
    }
    return true;
  }
}

function characters(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

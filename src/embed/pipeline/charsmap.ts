/**
 * SentencePiece's own normaliser: a map of strings to strings, as a double-array trie (32-bit units) and a block of texts
 * that end in 0. The package @huggingface/tokenizers puts NFKC in its place, which is near it.
 */
import { textOfUtf8, utf8OfText } from '../../core/utf8.js';
import { UnsupportedStep } from './json.js';

/** Longer clusters are looked up character by character; in bytes of UTF-8. */
const CLUSTER = 6;
/** Texts without any of these are clusters of single characters. */
const JOINING =
  /[\r\p{M}\p{Cf}\p{Emoji_Modifier}\p{Regional_Indicator}\u0e33\u0eb3\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff]|\p{Grapheme_Extend}/u;

export class Charsmap {
  readonly #trie: Uint32Array;
  readonly #texts: Uint8Array;
  readonly #known = new Map<string, string | undefined>();
  readonly #clusters = new Intl.Segmenter('und', { granularity: 'grapheme' });

  private constructor(trie: Uint32Array, texts: Uint8Array) {
    this.#trie = trie;
    this.#texts = texts;
  }

  /**
   * @param base64 - of precompiled_charsmap; null where a tokenizer has none
   * @throws UnsupportedStep
   */
  static of(base64: unknown): Charsmap | undefined {
    if (base64 === null || base64 === undefined || base64 === '') return undefined;
    const bytes = Uint8Array.from(Buffer.from(String(base64), 'base64'));
    const size = bytes.length < 4 ? -1 : new DataView(bytes.buffer).getUint32(0, true);
    if (size < 0 || size % 4 !== 0 || size + 4 > bytes.length) {
      throw new UnsupportedStep('its precompiled_charsmap is cut off');
    }
    const view = new DataView(bytes.buffer, 4, size);
    const trie = Uint32Array.from({ length: size / 4 }, (_, i) => view.getUint32(4 * i, true));
    return new Charsmap(trie, bytes.subarray(4 + size));
  }

  normalise(text: string): string {
    if (!JOINING.test(text)) return this.#byCharacter(text);
    let out = '';
    for (const { segment } of this.#clusters.segment(text)) {
      const whole = utf8OfText(segment).length < CLUSTER ? this.#lookUp(segment) : undefined;
      out += whole ?? this.#byCharacter(segment);
    }
    return out;
  }

  #byCharacter(text: string): string {
    let out = '';
    for (const character of text) out += this.#lookUp(character) ?? character;
    return out;
  }

  #lookUp(text: string): string | undefined {
    if (this.#known.has(text)) return this.#known.get(text);
    const found = this.#find(utf8OfText(text));
    if (this.#known.size > 20_000) this.#known.clear();
    this.#known.set(text, found);
    return found;
  }

  /** By the shortest key that `bytes` begin with, as the Rust library does it. */
  #find(bytes: Uint8Array): string | undefined {
    const trie = this.#trie;
    const offset = (unit: number) => (unit >>> 10) << ((unit & 0x200) >>> 6);
    let at = offset(trie[0] ?? 0);
    for (const byte of bytes) {
      if (byte === 0) return undefined;
      at ^= byte;
      const unit = trie[at];
      if (unit === undefined || (unit & 0x8000_00ff) >>> 0 !== byte) return undefined;
      at ^= offset(unit);
      if ((unit >>> 8) & 1) return this.#textAt((trie[at] ?? 0) & 0x7fff_ffff);
    }
    return undefined;
  }

  #textAt(from: number): string {
    const to = this.#texts.indexOf(0, from);
    return textOfUtf8(this.#texts.subarray(from, to < 0 ? undefined : to)).replace(/^\ufeff/, '');
  }
}

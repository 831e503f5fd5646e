/**
 * Where a text may be cut so that the tokens of its beginning are those of the whole, but for its last piece.
 *
 * Such a place lies between two plain characters (small ASCII letters, digits, kana, ideographs, Hangul syllables). No
 * normaliser below looks across it: none of these composes with the next one, is in a cluster with it, or is a blank. No added
 * token spans it or is its neighbour, since its two characters are in none of them. Pre-tokenizers go from left to right, and
 * look no further than one character behind a piece: all pieces but the last are those of the whole text. And models see
 * one piece at a time. Where a tokenizer has a step that this does not hold for, texts are read whole.
 */
import type { TokenizerJson, TokenizerStep } from './json.js';
import type { Normalizer } from './normalizers.js';

const PLAIN = /[a-z0-9\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff\uac00-\ud7a3]/;
const LOCAL = [
  'BertNormalizer',
  'ByteLevel',
  'Lowercase',
  'NFC',
  'NFD',
  'NFKC',
  'NFKD',
  'Nmt',
  'Precompiled',
  'Prepend',
  'Strip',
  'StripAccents',
];
/** Regular expressions that match blanks alone. */
const BLANKS = /^(?: |\\s|\{\d*,?\d*\}|[+*?])+$/;
/**
 * Parts of an expression that look further than their match; a look at one character that is no blank does not count.
 */
const FAR = /\(\?<?[=!](?!\\S\))|\$|\\[zZbBG]/;
/** UTF-16 units that are looked at for a place. */
const REACH = 4096;

export class Cuts {
  readonly #taken: ReadonlySet<string>;

  private constructor(taken: ReadonlySet<string>) {
    this.#taken = taken;
  }

  /** undefined where texts must be read whole. */
  static of(json: TokenizerJson, normalise: Normalizer): Cuts | undefined {
    const taken = new Set<string>();
    for (const { content } of json.added_tokens ?? []) for (const one of content + normalise(content)) taken.add(one);
    const normalizers = stepsOf(json.normalizer, 'normalizers');
    for (const step of normalizers) {
      const { String: plain, Regex: regex } = (step['pattern'] ?? {}) as { String?: string; Regex?: string };
      if (step.type !== 'Replace') {
        if (!LOCAL.includes(String(step.type))) return undefined;
      } else if (plain !== undefined) for (const one of plain) taken.add(one);
      else if (!BLANKS.test(String(regex))) return undefined;
    }
    for (const step of stepsOf(json.pre_tokenizer, 'pretokenizers')) {
      const regex = (step['pattern'] as { Regex?: string } | undefined)?.Regex;
      if (regex !== undefined && FAR.test(regex)) return undefined;
    }
    return new Cuts(taken);
  }

  /** The first place at or behind `from`; undefined where none is near. */
  placeBehind(text: string, from: number): number | undefined {
    const end = Math.min(text.length - 1, from + REACH);
    for (let at = from; at < end; at++) if (this.#isFree(text[at - 1]!) && this.#isFree(text[at]!)) return at;
    return undefined;
  }

  #isFree(unit: string): boolean {
    return PLAIN.test(unit) && !this.#taken.has(unit);
  }
}

function stepsOf(step: TokenizerStep | null | undefined, inside: string): TokenizerStep[] {
  if (step === null || step === undefined) return [];
  const own = step[inside] as TokenizerStep[] | undefined;
  return step.type === 'Sequence' ? (own ?? []).flatMap((one) => stepsOf(one, inside)) : [step];
}

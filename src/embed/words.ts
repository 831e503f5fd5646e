/**
 * Where a text may be cut so that its parts have the tokens of the whole, and a memory of what such parts gave. The
 * tokenizer does each part; a text is mostly words that were met before, and one long word costs it far more than
 * many short ones.
 *
 * A cut is a single space between two ASCII letters or digits, where no normaliser looks across. Tokens do not cross it
 * when the pre-tokenizer splits at spaces, or when no piece of the vocabulary has a space mark behind anything else.
 */

/** Does whole texts, without special tokens: a Pipeline. */
export interface WholeTexts {
  encode(text: string, options?: { add_special_tokens?: boolean }): { ids: number[] };
  /** Appends the ids to `out`; it may stop when there are more than `most` in it. */
  append?(text: string, out: number[], most: number): void;
}

/** As much of tokenizer.json as decides it. */
interface TokenizerJson {
  added_tokens?: { content?: unknown }[];
  normalizer?: unknown;
  pre_tokenizer?: PreTokenizer | null;
  model?: { type?: unknown; vocab?: unknown; merges?: unknown };
}

interface PreTokenizer {
  type?: unknown;
  split?: unknown;
  pretokenizers?: PreTokenizer[];
}

const SPLITS_AT_SPACES = ['BertPreTokenizer', 'Whitespace', 'WhitespaceSplit'];
/** The character that stands for a space in SentencePiece's vocabularies. */
const MARK = '\u2581';
/** Parts that are kept are at most this long, and at most so many of them: some 10 MB. */
const MAX_CHARACTERS = 32;
const MAX_KEPT = 50_000;
const PROBES = [
  'a b',
  'the cat sat on the mat',
  'One 2 three 4000',
  'x1 y2, z3. and so on',
  'Zürich is nice, naïve ones say',
];

export class WordMemory {
  readonly #tokenizer: WholeTexts;
  #kept = new Map<string, readonly number[]>();

  private constructor(tokenizer: WholeTexts) {
    this.#tokenizer = tokenizer;
  }

  /** undefined where texts must stay whole. */
  static of(tokenizer: WholeTexts, json: unknown): WordMemory | undefined {
    const memory = new WordMemory(tokenizer);
    try {
      return mayCut(json as TokenizerJson) && PROBES.every((probe) => memory.#agreesOn(probe)) ? memory : undefined;
    } catch {
      return undefined; // a vocabulary without these words, nor a token for unknown ones
    }
  }

  /** Appends the tokens of `text` to `out`; stops when there are more than `most`. */
  encode(text: string, most: number, out: number[]): void {
    let from = 0;
    for (let at = text.indexOf(' ', 1); at !== -1; at = text.indexOf(' ', at + 1)) {
      if (!isPlain(text.charCodeAt(at - 1)) || !isPlain(text.charCodeAt(at + 1))) continue;
      this.#append(text.slice(from, at), out, most);
      if (out.length > most) return;
      from = at + 1;
    }
    this.#append(from === 0 ? text : text.slice(from), out, most);
  }

  #append(part: string, out: number[], most: number): void {
    if (part.length > MAX_CHARACTERS && this.#tokenizer.append !== undefined) {
      this.#tokenizer.append(part, out, most);
      return;
    }
    let ids = this.#kept.get(part);
    if (ids === undefined) {
      ids = this.#tokenizer.encode(part, { add_special_tokens: false }).ids;
      if (part.length <= MAX_CHARACTERS) {
        if (this.#kept.size >= MAX_KEPT) this.#kept.clear();
        this.#kept.set(part, ids);
      }
    }
    for (let i = 0; i < ids.length; i++) out.push(ids[i]!);
  }

  /** Tokenizers differ in what they put before a text, which the parts would all get. */
  #agreesOn(probe: string): boolean {
    const parts: number[] = [];
    this.encode(probe, Number.POSITIVE_INFINITY, parts);
    const whole = this.#tokenizer.encode(probe, { add_special_tokens: false }).ids;
    return whole.length === parts.length && whole.every((id, i) => id === parts[i]);
  }
}

function isPlain(code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || (code >= 48 && code <= 57);
}

function mayCut({ added_tokens: added, normalizer, pre_tokenizer: pre, model }: TokenizerJson): boolean {
  // A token of the caller's own could take a space along, or two words.
  if (added?.some(({ content }) => /\s|^[a-z0-9]|[a-z0-9]$/i.test(String(content)))) return false;
  // Where a normaliser puts something in the place of spaces, none is left to split at.
  const spaces = !/"Replace"|"ByteLevel"/.test(JSON.stringify(normalizer ?? null));
  return (spaces && splitsAtSpaces(pre)) || (noPieceCrosses(model) && !hasOtherSteps(pre));
}

function splitsAtSpaces(pre: PreTokenizer | null | undefined): boolean {
  if (!pre) return false;
  if (pre.type === 'Sequence') return pre.pretokenizers?.some(splitsAtSpaces) ?? false;
  return SPLITS_AT_SPACES.includes(String(pre.type)) || (pre.type === 'Metaspace' && pre.split !== false);
}

/** Steps such as regular expressions, which may look further than a space. */
function hasOtherSteps(pre: PreTokenizer | null | undefined): boolean {
  return pre !== null && pre !== undefined && pre.type !== 'Metaspace';
}

/** Byte-pair encoding joins neighbours alone, and only into pieces of its vocabulary. */
function noPieceCrosses(model: TokenizerJson['model']): boolean {
  if (model?.type !== 'BPE' || typeof model.vocab !== 'object' || model.vocab === null) return false;
  const crossing = new RegExp(`[^${MARK}]${MARK}| `);
  return !Object.keys(model.vocab).some((piece) => crossing.test(piece));
}

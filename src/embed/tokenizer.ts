/** Texts as token ids, as Python has them, cut to what a model reads. */
import { FunnelError } from '../core/errors.js';
import { isError } from '../core/realm.js';
import { loadTokenizers } from './packages.js';
import { type TokenizerJson, UnsupportedStep } from './pipeline/json.js';
import { Pipeline } from './pipeline/pipeline.js';
import { WordMemory } from './words.js';

export interface TokenizerSetup {
  /** Contents of tokenizer.json. */
  json: string;
  /** For messages. */
  file: string;
  /** [CLS] and its like, as the model was trained with. */
  specialTokens: boolean;
  /** Tokens, special ones included; Infinity where the model reads all. */
  maxLength: number;
  /** Whether blanks at both ends of a text are left out first, as Python's strip() does it. */
  strip: boolean;
  /** The end of a text that is too long for the model which is left out. @default 'right' */
  truncationSide?: 'left' | 'right';
  /** Characters of a text that are read at all: model2vec cuts there before it has tokens. */
  maxCharacters?: number;
  /** Decisions where files disagree or are silent, as sentences for people. */
  decisions?: readonly string[];
}

export interface Encoded {
  ids: number[];
  truncated: boolean;
}

export class TextTokenizer {
  readonly #pipeline: Pipeline;
  readonly #words: WordMemory | undefined;
  readonly #setup: TokenizerSetup;
  /** Special tokens around a text, which stay when it is cut. */
  readonly #before: readonly number[] = [];
  readonly #after: readonly number[] = [];

  /** @throws FunnelError MISSING_PACKAGE, CORRUPT, UNSUPPORTED, BAD_ARGUMENT */
  constructor(setup: TokenizerSetup) {
    loadTokenizers();
    this.#setup = setup;
    try {
      const json: TokenizerJson = JSON.parse(setup.json);
      this.#pipeline = new Pipeline(json);
      if (setup.specialTokens) [this.#before, this.#after] = [this.#pipeline.before, this.#pipeline.after];
      this.#words = WordMemory.of(this.#pipeline, json);
    } catch (cause) {
      if (cause instanceof UnsupportedStep) {
        throw new FunnelError(
          'UNSUPPORTED',
          `Expected a tokenizer in ${setup.file} that can be done here as Python does it, but ${cause.message}`,
          { cause },
        );
      }
      throw new FunnelError('CORRUPT', `Expected a tokenizer in ${setup.file} but it cannot be used: ${cause}`, {
        cause,
      });
    }
    if (this.#special >= setup.maxLength) {
      throw new FunnelError(
        'BAD_ARGUMENT',
        `Expected more than ${this.#special} tokens, the special ones, for maxLength but received ${setup.maxLength}`,
      );
    }
  }

  /** Whether all tokens of a text are of type 0, as in most families. */
  get oneType(): boolean {
    return this.#pipeline.oneType;
  }

  /** The id of a token, undefined when the vocabulary lacks it. */
  idOf(token: string): number | undefined {
    return this.#pipeline.idOf(token);
  }

  /**
   * At most maxLength ids.
   *
   * @param place - of the text in the caller's list, for messages
   * @throws FunnelError MODEL_FAILED for a text that has no tokens by this vocabulary
   */
  encode(text: string, place?: number): Encoded {
    const { maxLength, maxCharacters = Number.POSITIVE_INFINITY } = this.#setup;
    const most = maxLength - this.#special;
    const read = this.#read(text);
    const kept = firstCharacters(read, maxCharacters);
    const left = this.#setup.truncationSide === 'left';
    // The first tokens do not need the rest of a text, the last ones need all of it.
    const own = this.#encode(kept, left ? Number.POSITIVE_INFINITY : most, place);
    const tooLong = own.length > most;
    if (tooLong && left) own.splice(0, own.length - most);
    else if (tooLong) own.length = most;
    return { ids: [...this.#before, ...own, ...this.#after], truncated: tooLong || kept.length < read.length };
  }

  /** Tokens of a prefix in the texts that it is put before, as sentence-transformers counts them. */
  prefixLength(prefix: string): number {
    return this.encode(prefix).ids.length - Math.min(1, this.#after.length);
  }

  /** How many ids there were if nothing was cut. */
  count(text: string): number {
    return this.#encode(this.#read(text), Number.POSITIVE_INFINITY, undefined).length + this.#special;
  }

  get #special(): number {
    return this.#before.length + this.#after.length;
  }

  #read(text: string): string {
    return this.#setup.strip ? pythonStrip(text) : text;
  }

  /** Returns the ids of a text; it may stop when there are more than `most`. */
  #encode(text: string, most: number, place: number | undefined): number[] {
    const ids: number[] = [];
    try {
      if (this.#words !== undefined) this.#words.encode(text, most, ids);
      else this.#pipeline.append(text, ids, most);
    } catch (cause) {
      const { file } = this.#setup;
      const which = place === undefined ? 'a text' : `texts[${place}]`;
      throw new FunnelError('MODEL_FAILED', `The tokenizer in ${file} failed on ${which}: ${messageOf(cause)}`, {
        cause,
      });
    }
    return ids;
  }
}

// Python's str.strip(): White_Space and the four separators of ASCII. JavaScript's trim() lacks those and U+0085, and takes U+FEFF.
const SEPARATORS = '\u001c\u001d\u001e\u001f';
const WHITE = /\p{White_Space}/u;
const isBlank = (unit: string) => WHITE.test(unit) || SEPARATORS.includes(unit);

/** A text without the blanks at its ends that Python's strip() takes away. */
export function pythonStrip(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && isBlank(text[from]!)) from++;
  while (to > from && isBlank(text[to - 1]!)) to--;
  return text.slice(from, to);
}

/** By code points, as Python cuts. */
function firstCharacters(text: string, most: number): string {
  if (text.length <= most) return text;
  let at = 0;
  for (let count = 0; count < most && at < text.length; count++) at += text.codePointAt(at)! > 0xffff ? 2 : 1;
  return text.slice(0, at);
}

function messageOf(cause: unknown): string {
  return isError(cause) ? cause.message : String(cause);
}

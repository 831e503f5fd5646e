/** Texts as token ids, by the kept tokenizer library, cut to what a model reads. */
import { FunnelError } from '../errors.js';
import { type HuggingFaceTokenizer, loadTokenizers } from './packages.js';
import { WordMemory } from './words.js';

export interface TokenizerSetup {
  /** Contents of tokenizer.json and tokenizer_config.json ('{}' where there is none). */
  json: string;
  config: string;
  /** For messages. */
  file: string;
  /** [CLS] and its like, as the model was trained with. */
  specialTokens: boolean;
  /** Tokens, special ones included; Infinity where the model reads all. */
  maxLength: number;
  lowerCase: boolean;
  trim: boolean;
  /** The end of a long text that is cut off. @default 'right' */
  truncationSide?: 'left' | 'right';
}

export class TextTokenizer {
  readonly #tokenizer: HuggingFaceTokenizer;
  readonly #words: WordMemory | undefined;
  readonly #setup: TokenizerSetup;
  /** Special tokens around a text, which stay when it is cut. */
  readonly #before: readonly number[] = [];
  readonly #after: readonly number[] = [];

  /** @throws FunnelError MISSING_PACKAGE, CORRUPT, BAD_ARGUMENT */
  constructor(setup: TokenizerSetup) {
    const { Tokenizer } = loadTokenizers();
    this.#setup = setup;
    try {
      const json = JSON.parse(setup.json);
      this.#tokenizer = new Tokenizer(json, JSON.parse(setup.config));
      if (setup.specialTokens) [this.#before, this.#after] = this.#specialTokens();
      this.#words = WordMemory.of(this.#tokenizer, json);
    } catch (cause) {
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

  /** The id of a token, undefined when the vocabulary lacks it. */
  idOf(token: string): number | undefined {
    return this.#tokenizer.token_to_id(token);
  }

  /** At most maxLength ids. */
  encode(text: string): { ids: number[]; truncated: boolean } {
    const { maxLength } = this.#setup;
    const most = maxLength - this.#special;
    if (this.#setup.truncationSide === 'left') return this.#encodeEnd(text, most);
    const ids = this.#encode(text, most);
    const truncated = ids.length > this.#before.length + most;
    if (truncated) ids.length = this.#before.length + most;
    for (const id of this.#after) ids.push(id);
    return { ids, truncated };
  }

  /** The last `most` of the text's own ids. */
  #encodeEnd(text: string, most: number): { ids: number[]; truncated: boolean } {
    const ids = this.#encode(text, Number.POSITIVE_INFINITY);
    const before = this.#before.length;
    const beyond = ids.length - before - most;
    if (beyond > 0) ids.splice(before, beyond);
    for (const id of this.#after) ids.push(id);
    return { ids, truncated: beyond > 0 };
  }

  /** Tokens of a prefix in the texts that it is put before, as sentence-transformers counts them. */
  prefixLength(prefix: string): number {
    return this.encode(prefix).ids.length - Math.min(1, this.#after.length);
  }

  /** How many ids there were if nothing was cut. */
  count(text: string): number {
    return this.#encode(text, Number.POSITIVE_INFINITY).length + this.#after.length;
  }

  get #special(): number {
    return this.#before.length + this.#after.length;
  }

  /** What comes first, and the text's own; of these it may stop behind `most`. */
  #encode(text: string, most: number): number[] {
    let read = this.#setup.trim ? text.trim() : text;
    if (this.#setup.lowerCase) read = read.toLowerCase();
    const ids = [...this.#before];
    if (this.#words !== undefined) this.#words.encode(read, ids.length + most, ids);
    else for (const id of this.#tokenizer.encode(read, { add_special_tokens: false }).ids) ids.push(id);
    return ids;
  }

  #specialTokens(): [number[], number[]] {
    const bare = this.#tokenizer.encode('a', { add_special_tokens: false }).ids;
    const whole = this.#tokenizer.encode('a').ids;
    for (let at = 0; at + bare.length <= whole.length; at++) {
      if (bare.every((id, i) => whole[at + i] === id)) return [whole.slice(0, at), whole.slice(at + bare.length)];
    }
    throw new Error('its special tokens are not around a text');
  }
}

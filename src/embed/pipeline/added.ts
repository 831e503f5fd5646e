/** Added tokens, which are found in a text before anything else is done with it, or behind its normaliser. */
import type { AddedToken } from './json.js';
import type { Normalizer } from './normalizers.js';
import { escaped } from './patterns.js';
import { Trie } from './trie.js';
import { SPACE, WORD } from './unicode.js';

/** A part of a text, or a token in it. */
export interface TextSection {
  text: string;
  /** Id of the token, where it is one. */
  id?: number;
  /** Place in the text. */
  at: number;
}

const STARTS_WITH_WORD = new RegExp(`^[${WORD}]`, 'u');
const ENDS_WITH_WORD = new RegExp(`[${WORD}]$`, 'u');
const IS_SPACE = new RegExp(SPACE, 'u');

export class AddedTokens {
  readonly #ids = new Map<string, number>();
  readonly #plain: Finder | undefined;
  readonly #normalised: Finder | undefined;

  /** @param size - of the model's vocabulary: tokens that it lacks have the ids behind it, as in Python, whatever the file says */
  constructor(
    tokens: readonly AddedToken[],
    idOf: (token: string) => number | undefined,
    size: number,
    normalise: Normalizer,
  ) {
    let next = size;
    const known = new Map<number, AddedToken>();
    for (const token of tokens) {
      if (token.content === '') continue;
      const id = this.#ids.get(token.content) ?? idOf(token.content) ?? next++;
      this.#ids.set(token.content, id);
      if (token.ignored !== true) known.set(id, token);
    }
    const all = Array.from(known, ([id, token]) => ({ ...token, id }));
    const isNormalised = ({ normalized, special }: AddedToken) => normalized ?? !special;
    this.#plain = Finder.of(all.filter((token) => !isNormalised(token)));
    this.#normalised = Finder.of(
      all.filter(isNormalised).map((token) => ({ ...token, content: normalise(token.content) })),
    );
  }

  idOf(token: string): number | undefined {
    return this.#ids.get(token);
  }

  /** Sections of a text as it came. */
  inText(text: string): TextSection[] {
    return find(this.#plain, text);
  }

  /** And of one that is normalised. */
  inNormalised(text: string): TextSection[] {
    return find(this.#normalised, text);
  }
}

function find(finder: Finder | undefined, text: string): TextSection[] {
  if (text === '') return [];
  return finder === undefined ? [{ text, at: 0 }] : finder.sections(text);
}

type Known = AddedToken & { id: number };

class Finder {
  readonly #tokens: readonly Known[];
  readonly #trie = new Trie();
  /** The beginnings of all tokens: most texts hold none of them. */
  readonly #beginning: RegExp;

  private constructor(tokens: readonly Known[]) {
    this.#tokens = tokens;
    for (const [place, { content }] of tokens.entries()) this.#trie.add(content, place);
    const units = new Set(tokens.map(({ content }) => content[0]!));
    this.#beginning = new RegExp(`[${Array.from(units, escaped).join('').replaceAll('-', '\\-')}]`, 'g');
  }

  static of(tokens: readonly Known[]): Finder | undefined {
    const some = tokens.filter(({ content }) => content !== '');
    return some.length === 0 ? undefined : new Finder(some);
  }

  sections(text: string): TextSection[] {
    const out: TextSection[] = [];
    let from = 0;
    let behind = 0; // what was matched, single words or not
    for (const { index } of text.matchAll(this.#beginning)) {
      const token = index < behind ? undefined : this.#longestAt(text, index);
      if (token === undefined) continue;
      let [start, end] = [index, index + token.content.length];
      behind = end;
      // At most two units decide: a character may be a pair of them.
      const joins =
        ENDS_WITH_WORD.test(text.slice(Math.max(0, start - 2), start)) ||
        STARTS_WITH_WORD.test(text.slice(end, end + 2));
      if (token.single_word && joins) continue;
      if (token.lstrip) {
        while (start > from && IS_SPACE.test(text[start - 1]!)) start--;
        start = Math.max(start, from); // blanks that the token before took
      }
      if (token.rstrip) while (end < text.length && IS_SPACE.test(text[end]!)) end++;
      if (start > from) out.push({ text: text.slice(from, start), at: from });
      if (end > start) out.push({ text: text.slice(start, end), id: token.id, at: start });
      from = end;
    }
    if (from < text.length) out.push({ text: text.slice(from), at: from });
    return out;
  }

  #longestAt(text: string, at: number): Known | undefined {
    let node = Trie.ROOT;
    let place = -1;
    for (let to = at; to < text.length; ) {
      node = this.#trie.child(node, text.charCodeAt(to++));
      if (node < 0) break;
      if (this.#trie.valueOf(node) >= 0) place = this.#trie.valueOf(node);
    }
    return this.#tokens[place];
  }
}

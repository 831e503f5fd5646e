/**
 * A tokenizer.json at work: text → added tokens → normaliser → pre-tokenizer → model → ids. Each step is that of the Rust
 * library `tokenizers`, by which models were trained and Python embeds; the package @huggingface/tokenizers differs from it
 * in most of them (docs/internals/decisions.md has the list), and is asked for the translation of regular expressions alone.
 */
import { AddedTokens } from './added.js';
import { Cuts } from './cuts.js';
import { type TokenizerJson, type TokenizerStep, unsupportedStep } from './json.js';
import { modelOf } from './models.js';
import { type Normalizer, normalizerOf } from './normalizers.js';
import { type PreTokenizer, preTokenizerOf } from './pretokenizers.js';
import type { TokenModel } from './vocabulary.js';

/** Normalisers behind which the Rust library knows that a beginning is gone. */
const DROPPERS = ['"Strip"', '"StripAccents"', '"BertNormalizer"', '"Nmt"'];
/** UTF-16 units of a text that are tried first. */
const FIRST_PART = 8192;
/** A character that a normaliser may drop at the beginning of a text. */
const DROPPED = /^[^\p{L}\p{N}\p{P}]/u;

export class Pipeline {
  /** Special tokens around a text. */
  readonly before: readonly number[];
  readonly after: readonly number[];
  /** Whether all tokens of a text are of type 0. */
  readonly oneType: boolean;
  readonly #added: AddedTokens;
  readonly #normalise: Normalizer;
  readonly #preTokenise: PreTokenizer;
  readonly #model: TokenModel;
  readonly #marksFirst: boolean;
  readonly #cuts: Cuts | undefined;

  /** @throws UnsupportedStep, or what a file that is not whole leads to */
  constructor(json: TokenizerJson) {
    this.#normalise = normalizerOf(json.normalizer);
    this.#preTokenise = preTokenizerOf(json.pre_tokenizer);
    const steps = JSON.stringify([json.normalizer, json.pre_tokenizer]);
    this.#marksFirst = steps.includes('"prepend_scheme":"first"') && DROPPERS.some((one) => steps.includes(one));
    this.#model = modelOf(json.model);
    this.#added = new AddedTokens(
      json.added_tokens ?? [],
      (token) => this.#model.idOf(token),
      this.#model.size,
      this.#normalise,
    );
    this.#cuts = Cuts.of(json, this.#normalise);
    [this.before, this.after] = around(json.post_processor);
    this.oneType = !hasTypes(json.post_processor);
  }

  idOf(token: string): number | undefined {
    return this.#added.idOf(token) ?? this.#model.idOf(token);
  }

  /** The ids of a text, without special ones: what the package's own tokenizer answers. */
  encode(text: string): { ids: number[] } {
    const ids: number[] = [];
    this.append(text, ids);
    return { ids };
  }

  /** Appends the ids of a text, without special ones, to `out`; it may stop when there are more than `most` in it. */
  append(text: string, out: number[], most = Number.POSITIVE_INFINITY): void {
    const from = out.length;
    // The beginning of a long text is enough, as long as no token in it depends on the rest (cuts.ts).
    for (let size = FIRST_PART; Number.isFinite(most) && 2 * size <= text.length; size *= 4) {
      const end = this.#cuts?.placeBehind(text, size) ?? text.length;
      if (2 * end > text.length) break;
      this.#run(text.slice(0, end), out, most, true);
      if (out.length > most) return;
      out.length = from;
    }
    this.#run(text, out, most, false);
  }

  /** @param open - the text is a beginning: its last piece may go on, and counts as far as a model knows its tokens anyway */
  #run(text: string, out: number[], most: number, open: boolean): void {
    const sections = this.#added.inText(text);
    for (const [i, section] of sections.entries()) {
      if (out.length > most) return;
      if (section.id !== undefined) {
        out.push(section.id);
        continue;
      }
      const normal = this.#normalise(section.text);
      const first = section.at === 0 && this.#keepsItsBeginning(section.text, normal);
      const parts = this.#added.inNormalised(normal);
      for (const [j, part] of parts.entries()) {
        if (part.id !== undefined) {
          out.push(part.id);
          continue;
        }
        const pieces = this.#preTokenise([{ text: part.text, first: first && part.at === 0 }]);
        const last = open && i === sections.length - 1 && j === parts.length - 1 ? pieces.length - 1 : -1;
        for (const [k, piece] of pieces.entries()) {
          this.#model.encode(piece.text, out, most, k === last);
          if (out.length > most) return;
        }
      }
    }
  }

  /** A text whose first character was dropped begins behind its beginning. */
  #keepsItsBeginning(text: string, normal: string): boolean {
    const dropped = this.#marksFirst ? DROPPED.exec(text)?.[0] : undefined;
    return dropped === undefined || this.#normalise(text.slice(dropped.length)) !== normal;
  }
}

/** @throws UnsupportedStep for a post-processor that does more than to put tokens around a text */
function around(step: TokenizerStep | null | undefined): [number[], number[]] {
  if (step === null || step === undefined) return [[], []];
  switch (step.type) {
    case 'ByteLevel':
      return [[], []];
    case 'BertProcessing':
    case 'RobertaProcessing':
      return [[(step['cls'] as [string, number])[1]], [(step['sep'] as [string, number])[1]]];
    case 'Sequence': {
      const [before, after]: [number[], number[]] = [[], []];
      for (const one of step['processors'] as TokenizerStep[]) {
        const [left, right] = around(one);
        before.unshift(...left);
        after.push(...right);
      }
      return [before, after];
    }
    case 'TemplateProcessing':
      return template(step);
    default:
      throw unsupportedStep('post-processor', step);
  }
}

interface TemplateItem {
  SpecialToken?: { id: string; type_id?: number };
  Sequence?: { id: string; type_id?: number };
}

function hasTypes(step: TokenizerStep | null | undefined): boolean {
  if (step?.type === 'Sequence') return (step['processors'] as TokenizerStep[]).some(hasTypes);
  if (step?.type !== 'TemplateProcessing') return false;
  return (step['single'] as TemplateItem[]).some((item) => ((item.SpecialToken ?? item.Sequence)?.type_id ?? 0) !== 0);
}

function template(step: TokenizerStep): [number[], number[]] {
  const ids = step['special_tokens'] as Record<string, { ids: number[] }>;
  const sides: [number[], number[]] = [[], []];
  let side = 0;
  for (const { SpecialToken: token, Sequence: text } of step['single'] as TemplateItem[]) {
    if (token !== undefined) sides[side]!.push(...ids[token.id]!.ids);
    else if (text?.id === 'A' && side === 0) side = 1;
    else throw unsupportedStep('post-processor', step);
  }
  if (side === 0) throw unsupportedStep('post-processor', step);
  return sides;
}

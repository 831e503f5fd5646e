/** Pre-tokenizers of tokenizer.json, as the Rust library `tokenizers` does them. */
import { bytesAsText } from './bytes.js';
import { type TokenizerStep, unsupportedStep } from './json.js';
import { escaped, patternOf } from './patterns.js';
import { type Behavior, type Piece, splitPiece } from './pieces.js';
import { PUNCTUATION, SPACE, WORD } from './unicode.js';

export type PreTokenizer = (pieces: Piece[]) => Piece[];

const WORDS = new RegExp(`[${WORD}]+|[^${WORD}${SPACE}]+`, 'gu');
const SPACES = new RegExp(SPACE, 'gu');
const PUNCTUATIONS = new RegExp(PUNCTUATION, 'gu');
const NUMERICS = /\p{N}/gu;
/** GPT-2's. */
const BYTE_LEVEL = new RegExp(
  `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^${SPACE}\\p{L}\\p{N}]+|${SPACE}+(?!\\P{White_Space})|${SPACE}+`,
  'gu',
);
const BEHAVIORS = ['Removed', 'Isolated', 'Contiguous', 'MergedWithPrevious', 'MergedWithNext'];

/** @throws UnsupportedStep */
export function preTokenizerOf(step: TokenizerStep | null | undefined): PreTokenizer {
  if (step === null || step === undefined) return (pieces) => pieces;
  switch (step.type) {
    case 'Sequence': {
      const all = (step['pretokenizers'] as TokenizerStep[]).map(preTokenizerOf);
      return (pieces) => all.reduce((read, one) => one(read), pieces);
    }
    case 'BertPreTokenizer':
      return (pieces) => each(each(pieces, SPACES, 'Removed'), PUNCTUATIONS, 'Isolated');
    case 'Whitespace':
      return (pieces) => each(pieces, WORDS, 'Removed', true);
    case 'WhitespaceSplit':
      return (pieces) => each(pieces, SPACES, 'Removed');
    case 'Punctuation': {
      const behavior = behaviorOf(step, 'Isolated');
      return (pieces) => each(pieces, PUNCTUATIONS, behavior);
    }
    case 'Digits': {
      const behavior = step['individual_digits'] === true ? 'Isolated' : 'Contiguous';
      return (pieces) => each(pieces, NUMERICS, behavior);
    }
    case 'CharDelimiterSplit': {
      const delimiter = new RegExp(escaped(String(step['delimiter'])), 'gu');
      return (pieces) => each(pieces, delimiter, 'Removed');
    }
    case 'Split': {
      const pattern = patternOf(step['pattern']);
      const behavior = behaviorOf(step);
      return (pieces) => each(pieces, pattern, behavior, step['invert'] === true);
    }
    case 'FixedLength': {
      const length = Number(step['length'] ?? 5);
      const parts = new RegExp(`[^]{${length}}`, 'gu');
      return (pieces) => each(pieces, parts, 'Isolated');
    }
    case 'ByteLevel':
      return byteLevel(step);
    case 'Metaspace':
      return metaspace(step);
    default:
      throw unsupportedStep('pre-tokenizer', step);
  }
}

function each(pieces: readonly Piece[], pattern: RegExp, behavior: Behavior, invert = false): Piece[] {
  return pieces.flatMap((piece) => splitPiece(piece, pattern, behavior, invert));
}

function behaviorOf(step: TokenizerStep, usual?: Behavior): Behavior {
  const behavior = step['behavior'] ?? usual;
  if (!BEHAVIORS.includes(behavior as string)) throw unsupportedStep('pre-tokenizer', step);
  return behavior as Behavior;
}

function byteLevel({ add_prefix_space: space, use_regex: regex }: TokenizerStep): PreTokenizer {
  return (pieces) => {
    const spaced = space === true ? pieces.map((piece) => before(piece, ' ')) : pieces;
    const parts = regex === false ? spaced : each(spaced, BYTE_LEVEL, 'Isolated');
    return parts.map(({ text, first }) => ({ text: bytesAsText(text), first }));
  };
}

function metaspace(step: TokenizerStep): PreTokenizer {
  const mark = String(step['replacement'] ?? '\u2581');
  const scheme = step['add_prefix_space'] === false ? 'never' : (step['prepend_scheme'] ?? 'always');
  const parts = new RegExp(escaped(mark), 'gu');
  return (pieces) => {
    const marked = pieces.map(({ text, first }) => {
      const piece = { text: text.replaceAll(' ', () => mark), first };
      return scheme === 'always' || (scheme === 'first' && first) ? before(piece, mark) : piece;
    });
    return step['split'] === false ? marked : each(marked, parts, 'MergedWithNext');
  };
}

function before({ text, first }: Piece, mark: string): Piece {
  return { text: text.startsWith(mark) ? text : mark + text, first };
}

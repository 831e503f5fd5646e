/** Normalisers of tokenizer.json, as the Rust library `tokenizers` does them. */
import { bytesAsText } from './bytes.js';
import { Charsmap } from './charsmap.js';
import { type TokenizerStep, unsupportedStep } from './json.js';
import { patternOf } from './patterns.js';
import { BERT_DROPS, IDEOGRAPH, MARK, NONSPACING_MARK, SPACE } from './unicode.js';

export type Normalizer = (text: string) => string;

const LEADING = new RegExp(`^${SPACE}+`, 'u');
const TRAILING = new RegExp(`${SPACE}+$`, 'u');
const SPACES = new RegExp(SPACE, 'gu');

/** @throws UnsupportedStep */
export function normalizerOf(step: TokenizerStep | null | undefined): Normalizer {
  if (step === null || step === undefined) return (text) => text;
  switch (step.type) {
    case 'Sequence': {
      const all = (step['normalizers'] as TokenizerStep[]).map(normalizerOf);
      return (text) => all.reduce((read, one) => one(read), text);
    }
    case 'BertNormalizer':
      return bert(step);
    case 'Lowercase':
      return lowerCase;
    case 'NFC':
    case 'NFD':
    case 'NFKC':
    case 'NFKD':
      return (text) => text.normalize(step.type);
    case 'StripAccents':
      return (text) => text.replace(MARK, '');
    case 'Strip': {
      const { strip_left: left, strip_right: right } = step;
      return (text) => {
        const read = left ? text.replace(LEADING, '') : text;
        return right ? trimEnd(read) : read;
      };
    }
    case 'Prepend': {
      const mark = String(step['prepend']);
      return (text) => (text === '' ? text : mark + text);
    }
    case 'Replace': {
      const pattern = patternOf(step['pattern']);
      const content = String(step['content']);
      return (text) => text.replace(pattern, () => content); // `$` means nothing in Rust's
    }
    case 'Nmt':
      return nmt;
    case 'ByteLevel':
      return bytesAsText;
    case 'Precompiled': {
      const map = Charsmap.of(step['precompiled_charsmap']);
      return map === undefined ? (text) => text : (text) => map.normalise(text);
    }
    default:
      throw unsupportedStep('normaliser', step);
  }
}

/**
 * Lowers each character by itself: JavaScript's rule for a final sigma looks at its neighbours, and Rust's does not.
 */
export function lowerCase(text: string): string {
  return text.includes('Σ')
    ? text
        .split('Σ')
        .map((part) => part.toLowerCase())
        .join('σ')
    : text.toLowerCase();
}

/** A regular expression that ends in $ tries every blank of a long run anew. */
function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && TRAILING.test(text[end - 1]!)) end--;
  return text.slice(0, end);
}

function bert(step: TokenizerStep): Normalizer {
  const { clean_text: clean, handle_chinese_chars: ideographs, strip_accents: strip, lowercase: lower } = step;
  return (text) => {
    let read = text;
    if (clean) read = read.replace(BERT_DROPS, '').replace(SPACES, ' ');
    if (ideographs) read = read.replace(IDEOGRAPH, ' $& ');
    if (strip ?? lower) read = read.normalize('NFD').replace(NONSPACING_MARK, '');
    return lower ? lowerCase(read) : read;
  };
}

const NMT_DROPS = /[\p{Cc}]/gu;
const NMT_KEEPS = '\0\t\n\f\r';
const NMT_BLANKS = /[\t\n\f\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]/gu;

function nmt(text: string): string {
  return text.replace(NMT_DROPS, dropped).replace(NMT_BLANKS, ' ');
}

/** Drops two controls of the second block, and all of the first block but NMT_KEEPS. */
function dropped(control: string): string {
  if (control > '\u007f') return control === '\u008f' || control === '\u009f' ? '' : control;
  return NMT_KEEPS.includes(control) ? control : '';
}

/** Patterns of tokenizer.json, which are written for Oniguruma, as JavaScript's. */
import { loadTokenizers } from '../packages.js';
import { unsupportedStep } from './json.js';

/** @throws UnsupportedStep where it cannot be translated */
export function patternOf(pattern: unknown): RegExp {
  const { String: plain, Regex: regex } = (pattern ?? {}) as { String?: unknown; Regex?: unknown };
  if (typeof plain === 'string') return new RegExp(escaped(plain), 'gu');
  if (typeof regex !== 'string') throw unsupportedStep('pattern', pattern);
  const { SplitPreTokenizer } = loadTokenizers();
  let translated: RegExp | null;
  try {
    // The package translates Oniguruma's syntax when it makes a pre-tokenizer.
    translated = new SplitPreTokenizer({
      type: 'Split',
      pattern: { Regex: regex },
      behavior: 'Isolated',
      invert: false,
    }).pattern;
  } catch {
    translated = null;
  }
  if (translated === null) throw unsupportedStep('pattern', pattern);
  return translated;
}

export function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
}

/** JSON in which integers are what was written, however large. */
import { setOwn } from './own.js';

/**
 * JSON.parse, but integers beyond ±(2^53 − 1) become exact bigints, as Qdrant's client has them from Node 22 on. It is for
 * answers of servers: quick, and as lenient as JSON.parse. Files of people are read by parseJson() of store/import/json.ts,
 * which refuses what would be lost.
 *
 * @throws SyntaxError as JSON.parse does
 */
export function parseExact(text: string): unknown {
  const plain: unknown = JSON.parse(text);
  // Hardly any text has 16 digits in a row. Where only its strings have, it is scanned once more, but not parsed twice.
  if (!/(?:^|[\s:,[])-?\d{16}/.test(text)) return plain;
  const quoted = quoteLarge(text);
  return quoted === text ? plain : withIntegers(plain, JSON.parse(quoted));
}

/** No part of a fraction; perhaps of a string. */
const LARGE = /(?<![\w.+-])-?[1-9]\d{15,}(?![\d.eE])/g;

/** JSON with such integers as strings. */
function quoteLarge(text: string): string {
  const parts: string[] = [];
  let copied = 0;
  /** The first string that ends behind what was looked at. */
  let string = text.indexOf('"');
  let end = string < 0 ? 0 : endOfString(text, string);
  for (const { 0: digits, index } of text.matchAll(LARGE)) {
    while (string >= 0 && end <= index) {
      string = text.indexOf('"', end);
      end = string < 0 ? 0 : endOfString(text, string);
    }
    const isInString = string >= 0 && string < index;
    if (isInString || Number.isSafeInteger(Number(digits))) continue;
    parts.push(text.slice(copied, index), '"', digits, '"');
    copied = index + digits.length;
  }
  parts.push(text.slice(copied));
  return parts.join('');
}

/** Behind the quote that ends it. */
function endOfString(text: string, from: number): number {
  for (let at = text.indexOf('"', from + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    let escapes = 0;
    while (text[at - 1 - escapes] === '\\') escapes++;
    if (escapes % 2 === 0) return at + 1;
  }
  return text.length;
}

/**
 * Makes bigints, in place, of the values that are numbers in `plain` and strings in `quoted`; the two are otherwise the
 * same.
 */
function withIntegers(plain: unknown, quoted: unknown): unknown {
  if (typeof plain === 'number') return typeof quoted === 'string' ? BigInt(quoted) : plain;
  if (typeof plain !== 'object' || plain === null) return plain;
  const fields = plain as Record<string, unknown>;
  for (const key of Object.keys(fields)) {
    const before = fields[key];
    const value = withIntegers(before, (quoted as Record<string, unknown>)[key]);
    if (value !== before) setOwn(fields, key, value);
  }
  return plain;
}

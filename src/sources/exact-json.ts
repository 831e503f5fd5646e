/** JSON whose integers stay what they are: JSON.parse rounds those beyond 2^53 − 1, and says nothing. */
import { randomUUID } from 'node:crypto';

/** A string, or a number with all that may belong to it. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*/gs;
const LONG = /\d{16}/;

/** As JSON.parse, but integers beyond 2^53 − 1 become bigints. Text without sixteen digits in a row costs one look at it. */
export function parseExact(text: string): unknown {
  const rounded: unknown = JSON.parse(text);
  if (!LONG.test(text)) return rounded;
  // Nobody who writes the text can know the mark, so nothing in it can be taken for one.
  const mark = randomUUID();
  let marked = 0;
  const safe = text.replace(TOKEN, (token) => {
    if (token[0] === '"' || !/^-?\d{16,}$/.test(token) || Number.isSafeInteger(Number(token))) return token;
    marked++;
    return `{"${mark}":"${token}"}`;
  });
  if (marked === 0) return rounded;
  return JSON.parse(safe, (_, value) =>
    typeof value === 'object' && value !== null && Object.hasOwn(value, mark) ? BigInt(value[mark]) : value,
  );
}

const ZERO = 0x30;
const NINE = 0x39;
const DIGITS = 16;

/** Whether sixteen digits stand in a row, so that an integer may be beyond 2^53 − 1. Looks at one byte of sixteen. */
export function hasLongNumber(bytes: Uint8Array): boolean {
  const isDigit = (at: number) => bytes[at]! >= ZERO && bytes[at]! <= NINE;
  for (let at = DIGITS - 1; at < bytes.length; at += DIGITS) {
    if (!isDigit(at)) continue;
    let from = at;
    while (from > 0 && isDigit(from - 1)) from--;
    let to = at + 1;
    while (to < bytes.length && isDigit(to)) to++;
    if (to - from >= DIGITS) return true;
  }
  return false;
}

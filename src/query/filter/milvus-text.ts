/** Pieces of Milvus expressions. No text of a caller's gets into one but through literal() and column(). */
import { describe, FunnelError } from '../../errors.js';

/** True, false, or an expression that is one of them for every row, never unknown. */
export type Piece = boolean | { text: string; binds: 'or' | 'and' | 'not' | 'atom' };

export function atom(text: string): Piece {
  return { text, binds: 'atom' };
}

export function and(...pieces: readonly Piece[]): Piece {
  return join('and', pieces);
}

export function or(...pieces: readonly Piece[]): Piece {
  return join('or', pieces);
}

export function not(piece: Piece): Piece {
  if (typeof piece === 'boolean') return !piece;
  // The server reads every parenthesis by a call within calls, so none is written in vain.
  if (piece.binds === 'not') return atom(piece.text.slice('not '.length));
  return { text: `not ${wrapped(piece, piece.binds !== 'atom')}`, binds: 'not' };
}

function join(word: 'and' | 'or', pieces: readonly Piece[]): Piece {
  const decided = word === 'or';
  if (pieces.includes(decided)) return decided;
  const parts = pieces.filter((piece) => typeof piece !== 'boolean');
  if (parts.length === 0) return !decided;
  if (parts.length === 1) return parts[0]!;
  // Both are of one kind with themselves; and binds before or.
  const loose = (part: (typeof parts)[number]) => word === 'and' && part.binds === 'or';
  return { text: parts.map((part) => wrapped(part, loose(part))).join(` ${word} `), binds: word };
}

function wrapped({ text }: { text: string }, parentheses: boolean): string {
  return parentheses ? `(${text})` : text;
}

const ESCAPES: Record<string, string> = { '"': '\\"', '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/**
 * A value as an expression has it. Escaped is what both readers of it know (Milvus' takes Go's escapes, Milvus Lite's five);
 * all else stands for itself. Fractions keep their point, for whole numbers are read as 64-bit integers.
 */
export function literal(value: string | number | bigint | boolean, fraction = false): string {
  if (typeof value === 'string') return `"${value.replace(/["\\\n\r\t]/g, (char) => ESCAPES[char]!)}"`;
  const text = String(value);
  return fraction && !/[.e]/.test(text) ? `${text}.0` : text;
}

export function list(values: readonly (string | number | bigint | boolean)[], fraction = false): string {
  return `[${values.map((value) => literal(value, fraction)).join(', ')}]`;
}

/** Words that are no names, in whatever case, here or in some version of the server. */
const KEYWORDS = new Set(
  'and or not in like is null exists true false iso interval empty contains between json_contains array_contains'.split(
    ' ',
  ),
);

/** A name that can stand in an expression as it is. */
export function isName(text: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(text) && !KEYWORDS.has(text.toLowerCase());
}

export function column(name: string): string {
  if (isName(name)) return name;
  throw unsupported(`${describe(name)} as the name of a field`);
}

export function unsupported(what: string, instead = 'use nativeFilter where it can be said otherwise'): FunnelError {
  return new FunnelError('UNSUPPORTED', `Milvus cannot express ${what} as it is meant: ${instead}`);
}

/** Pieces of Milvus expressions. No text of a caller's gets into one but through literal() and column(). */
import { FunnelError } from '../../core/errors.js';

/** Characters of one expression. A request to Milvus has at most 64 MB, and its server takes long over far less. */
export const MAX_EXPRESSION = 4_000_000;

/**
 * An expression before it is written, with its length in characters: pieces are shared, so the text may be far larger.
 */
export type Expression =
  | { op: 'atom'; text: string; size: number; prefix?: boolean; opposite?: string }
  | { op: 'not' | 'and' | 'or'; parts: readonly Expression[]; size: number };

/** True, false, or an expression that is one of them for every row, never unknown. */
export type FilterPiece = boolean | Expression;

/** @param opposite - the negation of `text`, written without `not`; only for values that are never null */
export function atom(text: string, opposite?: string): FilterPiece {
  return sized({ op: 'atom', text, size: text.length, ...(opposite !== undefined && { opposite }) });
}

/**
 * A condition that begins with a word, `exists X`. Within others it is in parentheses: grammars before 2.4 take what follows
 * for a part of it.
 */
export function prefixed(text: string): FilterPiece {
  return sized({ op: 'atom', text, size: text.length, prefix: true });
}

export function and(...pieces: readonly FilterPiece[]): FilterPiece {
  return combine('and', pieces);
}

export function or(...pieces: readonly FilterPiece[]): FilterPiece {
  return combine('or', pieces);
}

export function not(piece: FilterPiece): FilterPiece {
  if (typeof piece === 'boolean') return !piece;
  if (piece.op === 'not') return piece.parts[0]!;
  return oppositeOf(piece) ?? sized({ op: 'not', parts: [piece], size: piece.size + 'not ()'.length });
}

const opposites = new WeakMap<Expression, Expression | undefined>();

/** Said without `not`, which milvus-lite 2.5 lacks; undefined where a part has no opposite. */
function oppositeOf(piece: Expression): Expression | undefined {
  if (opposites.has(piece)) return opposites.get(piece);
  const made = turned(piece);
  opposites.set(piece, made);
  return made;
}

function turned(piece: Expression): Expression | undefined {
  if (piece.op === 'not') return piece.parts[0];
  if (piece.op === 'atom') {
    return piece.opposite === undefined ? undefined : (atom(piece.opposite, piece.text) as Expression);
  }
  const parts: Expression[] = [];
  for (const part of piece.parts) {
    const other = oppositeOf(part);
    if (other === undefined) return undefined;
    parts.push(other);
  }
  return combine(piece.op === 'and' ? 'or' : 'and', parts) as Expression;
}

/** As and() and or() do, of more pieces than a call takes arguments. */
export function combine(op: 'and' | 'or', pieces: readonly FilterPiece[]): FilterPiece {
  const decided = op === 'or';
  if (pieces.includes(decided)) return decided;
  const parts = pieces.filter((piece) => typeof piece !== 'boolean');
  if (parts.length === 0) return !decided;
  if (parts.length === 1) return parts[0]!;
  let size = (parts.length - 1) * ` ${op} `.length + parenthesesOf(parts.length);
  for (const part of parts) size += part.size + (isLoose(part, op) ? '()'.length : 0);
  return sized({ op, parts, size });
}

/** @throws FunnelError UNSUPPORTED before anything is written */
function sized(expression: Expression): Expression {
  if (expression.size <= MAX_EXPRESSION) return expression;
  throw unsupported(
    `a filter that takes more than ${MAX_EXPRESSION} characters`,
    'a request has a limit; min_should is written out choice by choice, and these multiply where one is within another',
  );
}

/** Parts that stand side by side. Servers read long flat chains in the square of their time, or refuse them beyond 50. */
const FLAT = 8;

/** Characters that halving a chain of parts adds. */
function parenthesesOf(parts: number): number {
  if (parts <= FLAT) return 0;
  const half = parts >>> 1;
  return '()()'.length + parenthesesOf(half) + parenthesesOf(parts - half);
}

/**
 * In the server's grammar `not` binds before ==, in and all else that compares, so what it negates is always in parentheses;
 * Milvus Lite reads it otherwise. So is the one of `and` and `or` within the other.
 */
export function write(expression: Expression): string {
  if (expression.op === 'atom') return expression.text;
  const { op, parts } = expression;
  if (op === 'not') return `not (${write(parts[0]!)})`;
  return chain(
    parts.map((part) => (isLoose(part, op) ? `(${write(part)})` : write(part))),
    op,
  );
}

function chain(parts: readonly string[], op: 'and' | 'or'): string {
  if (parts.length <= FLAT) return parts.join(` ${op} `);
  const half = parts.length >>> 1;
  return `(${chain(parts.slice(0, half), op)}) ${op} (${chain(parts.slice(half), op)})`;
}

function isLoose(part: Expression, within: 'and' | 'or'): boolean {
  return part.op === 'atom' ? part.prefix === true : part.op === (within === 'and' ? 'or' : 'and');
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

/** The least 64-bit integer has no literal: it would be read as minus and an integer too large. The next one has. */
export const LEAST = -(2n ** 63n);

export function list(values: readonly (string | number | bigint | boolean)[], fraction = false): string {
  return `[${values.map((value) => literal(value, fraction)).join(', ')}]`;
}

/** Words that are no names, in whatever case, here or in some version of the server. */
const KEYWORDS = new Set(
  [
    'and or not in like is null exists true false iso interval empty contains between threshold minimum_should_match',
    'text_match phrase_match random_sample match_all match_any match_least match_most match_exact element_filter',
    'array_length array_contains array_contains_all array_contains_any json_contains json_contains_all json_contains_any',
    'st_equals st_touches st_overlaps st_crosses st_contains st_intersects st_within st_dwithin st_isvalid',
  ].flatMap((line) => line.split(' ')),
);

/** A name that can stand in an expression as it is. */
export function isName(text: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(text) && !KEYWORDS.has(text.toLowerCase());
}

export function column(name: string): string {
  if (isName(name)) return name;
  throw unsupported(`${JSON.stringify(name)} as the name of a field`);
}

export function unsupported(what: string, instead = 'use nativeFilter where it can be said otherwise'): FunnelError {
  return new FunnelError('UNSUPPORTED', `Milvus cannot express ${what} as it is meant: ${instead}`);
}

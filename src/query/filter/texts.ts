/** Conditions on text, as Qdrant reads them where a key has no text index. */
import type { FilterNode } from './ast.js';

type TextCondition = Pick<Extract<FilterNode, { op: 'text' }>, 'by' | 'text'>;

/** Whether a string has the text of a condition. */
export function textTest({ by, text }: TextCondition): (value: string) => boolean {
  if (by === 'prefix') return (value) => value.startsWith(text);
  if (by !== 'text_any') return (value) => value.includes(text);
  const words = wordsOf(text);
  return (value) => words.some((word) => value.includes(word));
}

/** White space of Unicode, which is not quite that of JavaScript. */
const SPACE = /[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/;

/** The words between white space, each once. */
export function wordsOf(text: string): string[] {
  return [...new Set(text.split(SPACE).filter((word) => word !== ''))];
}

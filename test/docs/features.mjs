// docs/requests.md: its table, and its examples, which go on from the first block.
import { examplesIn } from './examples.mjs';

const TABLE = /(<!-- table -->\n)[\s\S]*?(<!-- \/table -->)/;

export function withTable(text, table) {
  if (!TABLE.test(text)) throw new Error('docs/requests.md has no place for the table');
  return text.replace(TABLE, (_, before, after) => `${before}\n${table}\n\n${after}`);
}

/** Each as a program, with what it prints. */
export function examplesOf(text) {
  const [, setUp] = /```js\n((?:(?!```)[\s\S])*)```/.exec(text);
  return examplesIn(text).map(([, code, output]) => ({ program: `${setUp}\n${code}`, output }));
}

/** The columns of files that declare their types, as far as people and vectors need to know them. */
import { keysOfPath } from '../../store/import/fields.js';
import type { VectorColumn } from './reader.js';

export interface ColumnTree {
  name: string;
  kind: 'leaf' | 'list' | 'map' | 'struct';
  /** For people: "list of uint8". */
  words: string;
  /** The elements of a list. */
  element?: ColumnTree;
  /** Elements of each list, where all have as many. */
  size?: number;
  /** The fields of a struct. */
  fields?: readonly ColumnTree[];
}

/** Describes what the column of a name, or of a path into structs, has for vectors. */
export function vectorColumnOf(trees: readonly ColumnTree[], name: string): VectorColumn | undefined {
  let column = trees.find((one) => one.name === name);
  if (column === undefined) {
    const [first, ...path] = keysOfPath(name) ?? [];
    column = trees.find((one) => one.name === first);
    for (const part of path)
      column = column?.kind === 'struct' ? column.fields!.find((one) => one.name === part) : undefined;
  }
  if (column === undefined) return undefined;
  const { words, size } = column;
  return { kind: vectorKind(column), words: `a column of ${words}`, ...(size !== undefined && { dim: size }) };
}

function vectorKind({ kind, element, words }: ColumnTree): VectorColumn['kind'] {
  if (kind === 'struct') return 'struct';
  if (kind === 'list') {
    if (element!.kind === 'list') return 'lists';
    const of = element!.kind === 'leaf' ? element!.words : '';
    if (of === 'uint8' || of === 'uint16') return of;
    if (of === 'uint32' || of === 'uint64') return 'uint';
    if (of === 'boolean') return 'booleans';
    return /^(float|double|half float|int\d+|decimal.*)$/.test(of) ? 'numbers' : 'other';
  }
  if (kind !== 'leaf') return 'other';
  if (words.startsWith('binary')) return 'bytes';
  return words === 'string' || words === 'json' ? 'text' : 'other';
}

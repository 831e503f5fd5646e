/** Names of indexes, which are any text, as names of folders and of collections of Milvus, and back. */
import { expected } from '../../core/errors.js';

/** Capitals are escaped, too: some file systems take them for small letters. */
export function escapedName(name: string): string {
  return Array.from(Buffer.from(name), (byte) => {
    const letter = String.fromCharCode(byte);
    return /[a-z0-9_-]/.test(letter) ? letter : `%${byte.toString(16).padStart(2, '0')}`;
  }).join('');
}

/** Undefined of a folder that no index is called. */
export function unescapedName(folder: string): string | undefined {
  if (!/^(?:[a-z0-9_-]|%[0-9a-f]{2})+$/.test(folder)) return undefined;
  try {
    const name = decodeURIComponent(folder);
    return escapedName(name) === folder ? name : undefined;
  } catch {
    return undefined;
  }
}

/** Letters, digits and _ stay; all else is _x and the number of the character and _; a _x of the name's own as well. */
export function collectionName(prefix: string, name: string): string {
  return (
    prefix +
    name.replace(/_x|[^A-Za-z0-9_]/gu, (some) => `_x${some.codePointAt(0)!.toString(16)}_${some === '_x' ? 'x' : ''}`)
  );
}

/** Undefined of a collection that no index is called. */
export function nameOfCollection(prefix: string, collection: string): string | undefined {
  if (!collection.startsWith(prefix)) return undefined;
  const name = collection.slice(prefix.length).replace(/_x([0-9a-f]{1,6})_/g, (all, code) => {
    const number = Number.parseInt(code, 16);
    return number <= 0x10ffff ? String.fromCodePoint(number) : all;
  });
  return name !== '' && collectionName(prefix, name) === collection ? name : undefined;
}

/** @throws FunnelError BAD_ARGUMENT */
export function checkIndexName(name: unknown): string {
  if (typeof name === 'string' && name !== '' && !/\p{Surrogate}/u.test(name)) return name;
  throw expected('BAD_ARGUMENT', 'the name of an index, a well-formed text,', 'indexName', name);
}

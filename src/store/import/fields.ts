/** Values of a row by name: that of a key, or by the path of a filter (`_source.embedding`) that of an object within. */

import { setOwn } from '../../core/own.js';
import { parsePath } from '../../query/filter/path.js';

type Values = Record<string, unknown>;

/** Names in an error; more tell nobody anything. */
const MOST_NAMES = 30;
const DEEPEST = 3;

const paths = new Map<string, readonly string[] | undefined>();

/** The keys of a path of several; undefined of a name that is none. */
export function keysOfPath(name: string): readonly string[] | undefined {
  if (!paths.has(name)) {
    if (paths.size > 1000) paths.clear();
    paths.set(name, parsed(name));
  }
  return paths.get(name);
}

function parsed(name: string): readonly string[] | undefined {
  try {
    const { steps } = parsePath(name, 'a column');
    return steps.length > 1 && !steps.some(({ each }) => each) ? steps.map(({ key }) => key) : undefined;
  } catch {
    return undefined; // a name with a bracket, say: of a key, if of anything
  }
}

function isObject(value: unknown): value is Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

/** A key of that very name comes before a path. */
export function valueAt(values: Values, name: string): unknown {
  if (Object.hasOwn(values, name)) return values[name];
  const keys = keysOfPath(name);
  if (keys === undefined) return undefined;
  let value: unknown = values;
  for (const key of keys) {
    if (!isObject(value) || !Object.hasOwn(value, key)) return undefined;
    value = value[key];
  }
  return value;
}

/** Where `valueAt(from, name)` is, in objects of its own: filters find it by the same path. */
export function putAt(target: Values, from: Values, name: string, value: unknown): void {
  const keys = Object.hasOwn(from, name) ? [name] : (keysOfPath(name) ?? [name]);
  let at = target;
  for (const key of keys.slice(0, -1)) {
    const held = Object.hasOwn(at, key) ? at[key] : undefined;
    // A copy, since it may be the row's own.
    const next = isObject(held) ? copyOf(held) : {};
    setOwn(at, key, next);
    at = next;
  }
  setOwn(at, keys.at(-1)!, value);
}

/** The row without some of its values. An object that had nothing else goes with them. */
export function without(values: Values, names: readonly string[]): Values {
  const rest: Values = {};
  for (const key of Object.keys(values)) if (!names.includes(key)) setOwn(rest, key, values[key]);
  for (const name of names) if (!Object.hasOwn(values, name)) remove(rest, keysOfPath(name) ?? []);
  return rest;
}

function remove(from: Values, [key, ...more]: readonly string[]): void {
  if (key === undefined || !Object.hasOwn(from, key)) return;
  if (more.length === 0) {
    delete from[key];
    return;
  }
  const held = from[key];
  if (!isObject(held)) return;
  const rest = copyOf(held);
  remove(rest, more);
  if (Object.keys(rest).length === 0 && Object.keys(held).length > 0) delete from[key];
  else setOwn(from, key, rest);
}

function copyOf(values: Values): Values {
  const copy: Values = {};
  for (const key of Object.keys(values)) setOwn(copy, key, values[key]);
  return copy;
}

/** For errors: what the row has, as these options would name it. */
export function namesIn(values: Values): string {
  const names: string[] = [];
  const add = (object: Values, prefix: string, depth: number): void => {
    for (const key of Object.keys(object)) {
      const step = /[".[\]]|^$/.test(key) ? `"${key}"` : key;
      const value = object[key];
      if (isObject(value) && depth < DEEPEST && Object.keys(value).length > 0)
        add(value, `${prefix}${step}.`, depth + 1);
      else names.push(prefix === '' ? key : `${prefix}${step}`);
    }
  };
  add(values, '', 1);
  if (names.length === 0) return 'nothing';
  const some = names.slice(0, MOST_NAMES).map((name) => JSON.stringify(name));
  return `only ${some.join(', ')}${names.length > some.length ? ` and ${names.length - some.length} more` : ''}`;
}

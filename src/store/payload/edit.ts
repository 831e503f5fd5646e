/** Payloads with keys set or removed, as Qdrant has it: the model for what paths lead to, and for null. */
import { isBytes, isDate } from '../../core/realm.js';
import type { Path, Step } from '../../query/filter/ast.js';

type Fields = Record<string, unknown>;

/**
 * Keys of `patch` take the place of those that are there, or come in addition; those that are null go. At a path the same
 * happens to the object there: what is missing on the way is made, what is no object gives way to one; `a[]` is every element
 * of an array, and an empty one where there is none.
 *
 * @param payload is changed where it is an object
 */
export function withFields(payload: unknown, patch: Fields, at: Path | undefined): Fields {
  const fields = isFields(payload) ? payload : {};
  if (at === undefined) merge(fields, patch);
  else setAt(fields, at.steps, 0, patch);
  return fields;
}

/** Without what the paths lead to. @param payload is changed */
export function withoutPaths(payload: unknown, paths: readonly Path[]): unknown {
  if (isFields(payload)) for (const { steps } of paths) removeAt(payload, steps, 0);
  return payload;
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !isDate(value) && !isBytes(value);
}

function merge(fields: Fields, patch: Fields): void {
  for (const key of Object.keys(patch)) {
    if (patch[key] === null) delete fields[key];
    else put(fields, key, patch[key]);
  }
}

function setAt(fields: Fields, steps: readonly Step[], i: number, patch: Fields): void {
  const { key, each } = steps[i]!;
  const there = own(fields, key);
  const go = (value: unknown): Fields => {
    const inner = isFields(value) ? value : {};
    if (i + 1 === steps.length) merge(inner, patch);
    else setAt(inner, steps, i + 1, patch);
    return inner;
  };
  if (!each) put(fields, key, go(there));
  else put(fields, key, Array.isArray(there) ? there.map(go) : []);
}

function removeAt(fields: Fields, steps: readonly Step[], i: number): void {
  const { key, each } = steps[i]!;
  const there = own(fields, key);
  const isLast = i + 1 === steps.length;
  if (!each) {
    if (isLast) delete fields[key];
    else if (isFields(there)) removeAt(there, steps, i + 1);
  } else if (Array.isArray(there)) {
    if (isLast) there.length = 0;
    else for (const element of there) if (isFields(element)) removeAt(element, steps, i + 1);
  }
}

function own(fields: Fields, key: string): unknown {
  return Object.hasOwn(fields, key) ? fields[key] : undefined;
}

/** Also a key of that name which objects have a meaning for. */
function put(fields: Fields, key: string, value: unknown): void {
  if (key !== '__proto__') fields[key] = value;
  else Object.defineProperty(fields, key, { value, writable: true, enumerable: true, configurable: true });
}

/** Which part of a payload comes with a hit; as Qdrant selects it. */
import { expected, FunnelError } from '../core/errors.js';
import { setOwn } from '../core/own.js';
import { isDate } from '../core/realm.js';
import { parsePath } from './filter/path.js';

/** All, nothing, or paths: `title`, `author.name`, `reviews[].stars`. A list is what to include. */
export type PayloadSelector =
  | boolean
  | readonly string[]
  | {
      /** The paths that are kept. */
      include: readonly string[];
    }
  | {
      /** The paths that are left out. */
      exclude: readonly string[];
    };

/** The paths as a tree. */
interface Branch {
  /** A path ends here: all below is meant. */
  end: boolean;
  keys: Map<string, Branch>;
  /** The elements of an array. */
  each?: Branch | undefined;
}

/**
 * Undefined is a selection, too: of nothing.
 *
 * @throws FunnelError BAD_ARGUMENT
 */
export function checkPayloadSelection(
  value: unknown,
  where = 'withPayload',
): asserts value is PayloadSelector | undefined {
  readSelection(value, where);
}

/**
 * The selected part; undefined where nothing is asked for. The payload stays as it is; the answer may share parts of
 * it.
 *
 * An included path keeps all that lies under it and all that leads to it: objects without other keys, arrays without
 * elements that no path means, and whatever else is found on the way. An excluded one leaves its object behind, if
 * empty.
 */
export function selectPayload(payload: unknown, selector: PayloadSelector | undefined): unknown {
  return payloadSelection(selector)(payload);
}

/** selectPayload of one selector, for many payloads. */
export function payloadSelection(selector: PayloadSelector | undefined): (payload: unknown) => unknown {
  const { all, include, exclude } = readSelection(selector, 'withPayload');
  if (include) return (payload) => included(payload, include);
  if (exclude) return (payload) => excluded(payload, exclude);
  return all ? (payload) => payload : () => undefined;
}

function readSelection(value: unknown, where: string): { all?: boolean; include?: Branch; exclude?: Branch } {
  if (value === undefined || typeof value === 'boolean') return { all: value === true };
  if (Array.isArray(value)) return { include: readPaths(value, where) };
  if (typeof value === 'object' && value !== null) {
    const [kind, another] = Object.keys(value);
    if ((kind === 'include' || kind === 'exclude') && another === undefined) {
      return { [kind]: readPaths((value as Record<string, unknown>)[kind], `${where}.${kind}`) };
    }
    const keys = Object.keys(value).join(', ') || 'none';
    throw new FunnelError('BAD_ARGUMENT', `Expected either include or exclude in ${where} but received ${keys}`);
  }
  throw expected('BAD_ARGUMENT', 'true, false, an array of paths, { include } or { exclude }', where, value);
}

function readPaths(paths: unknown, where: string): Branch {
  if (!Array.isArray(paths)) throw expected('BAD_ARGUMENT', 'an array of paths', where, paths);
  const root = newBranch();
  for (let i = 0; i < paths.length; i++) {
    let at = root;
    for (const { key, each } of parsePath(paths[i], `${where}[${i}]`).steps) {
      at = branchOf(at, key);
      if (each) {
        at.each ??= newBranch();
        at = at.each;
      }
    }
    at.end = true;
  }
  return root;
}

function branchOf(at: Branch, key: string): Branch {
  const branch = at.keys.get(key) ?? newBranch();
  at.keys.set(key, branch);
  return branch;
}

function newBranch(): Branch {
  return { end: false, keys: new Map() };
}

function included(value: unknown, { end, keys, each }: Branch): unknown {
  if (end) return value;
  if (Array.isArray(value)) return each ? value.map((one) => included(one, each)) : [];
  if (!isObject(value)) return value;
  const part: Record<string, unknown> = {};
  // In the payload's order, as a database answers.
  for (const key of Object.keys(value)) {
    const branch = keys.get(key);
    if (branch) setOwn(part, key, included(value[key], branch));
  }
  return part;
}

function excluded(value: unknown, { keys, each }: Branch): unknown {
  if (Array.isArray(value)) {
    if (!each) return value;
    return each.end ? [] : value.map((one) => excluded(one, each));
  }
  if (keys.size === 0 || !isObject(value)) return value;
  const part: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    const branch = keys.get(key);
    if (!branch?.end) setOwn(part, key, branch ? excluded(value[key], branch) : value[key]);
  }
  return part;
}

/** Dates and bytes, which embedded payloads may hold, have no keys to choose from. */
function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !isDate(value) && !ArrayBuffer.isView(value);
}

/** Search parameters: each source takes some of them, and names the others when it refuses. */
import { expected, FunnelError } from '../core/errors.js';
import { checkInteger } from '../core/validate.js';
import type { SearchParams } from './source/source.js';

/** A check of one parameter's value: a boolean, an integer of at least 1, or one of its own, which returns a copy. */
export type ParamCheck = 'flag' | 'count' | ((value: unknown, where: string) => unknown);

/** The params that a source takes, by name. */
export type KnownParams = Partial<Record<keyof SearchParams, ParamCheck>>;

/** Every parameter that some source takes. */
const ALL: Record<keyof SearchParams, true> = {
  exact: true,
  hnsw_ef: true,
  quantization: true,
  acorn: true,
  indexed_only: true,
  ef: true,
  nprobe: true,
  search_list: true,
  reorder_k: true,
  level: true,
  refine_k: true,
  hints: true,
  probes: true,
  shardKey: true,
  partitions: true,
  consistency: true,
  serverTimeout: true,
};

/** The params that say which rows are read, and how: they act in every call of a request, not in its search alone. */
export const READ_PARAMS = ['shardKey', 'partitions', 'consistency', 'serverTimeout'] as const;

/**
 * A copy with what is set.
 *
 * @throws FunnelError UNSUPPORTED naming a parameter of other sources, BAD_ARGUMENT naming one of none, or a wrong value
 */
export function checkParams(params: SearchParams | undefined, known: KnownParams, source: string): SearchParams {
  if (params === undefined || params === null) return {};
  if (typeof params !== 'object' || Array.isArray(params)) {
    throw expected('BAD_ARGUMENT', 'an object', 'params', params);
  }
  const own: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(params)) {
    if (value === undefined) continue;
    const check = Object.hasOwn(known, name) ? known[name as keyof SearchParams] : undefined;
    if (check === undefined) throw unknownParam(name, known, source);
    own[name] = checkedParam(value, check, `params.${name}`);
  }
  return own as SearchParams;
}

function checkedParam(value: unknown, check: ParamCheck, where: string): unknown {
  if (typeof check === 'function') return check(value, where);
  if (check === 'count') return checkInteger(value, 1, 0xffff_ffff, where);
  if (typeof value !== 'boolean') throw expected('BAD_ARGUMENT', 'a boolean', where, value);
  return value;
}

function unknownParam(name: string, known: KnownParams, source: string): FunnelError {
  const names = Object.keys(known).join(', ') || 'nothing';
  const said = `Expected ${names} in params but received ${name}`;
  if (Object.hasOwn(ALL, name)) {
    return new FunnelError('UNSUPPORTED', `${said}: ${source} has nothing that it could act on`);
  }
  const remedy = /^(strict_)?group_/.test(name)
    ? 'queryGroups() makes groups'
    : 'no source has a parameter of that name';
  return new FunnelError('BAD_ARGUMENT', `${said}: ${remedy}`);
}

/** A check of a parameter that is an object: its keys, each by a check of its own. */
export function objectParam(known: Readonly<Record<string, ParamCheck>>): ParamCheck {
  return (value, where) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw expected('BAD_ARGUMENT', `{ ${Object.keys(known).join(', ')} }`, where, value);
    }
    const own: Record<string, unknown> = {};
    for (const [name, part] of Object.entries(value)) {
      if (part === undefined) continue;
      const check = Object.hasOwn(known, name) ? known[name] : undefined;
      if (check === undefined) {
        const names = Object.keys(known).join(', ');
        throw new FunnelError('BAD_ARGUMENT', `Expected one of ${names} in ${where} but received ${name}`);
      }
      own[name] = checkedParam(part, check, `${where}.${name}`);
    }
    return own;
  };
}

/** A check of a parameter that is a number from `least` to `most`, both included. */
export function numberParam(least: number, most = Number.MAX_VALUE): ParamCheck {
  return (value, where) => {
    if (typeof value === 'number' && value >= least && value <= most) return value;
    const range = most === Number.MAX_VALUE ? `of at least ${least}` : `in ${least}..${most}`;
    throw expected('BAD_ARGUMENT', `a number ${range}`, where, value);
  };
}

/** The params of a request that its other calls have too, as a part of those. */
export function readParams(params: SearchParams | undefined): { params?: SearchParams } {
  if (params === undefined) return {};
  const own = Object.fromEntries(
    READ_PARAMS.flatMap((name) => (params[name] === undefined ? [] : [[name, params[name]]])),
  );
  return Object.keys(own).length === 0 ? {} : { params: own };
}

/** A copy that later changes of the caller's do not reach. */
export function ownParams(params: SearchParams): SearchParams {
  const copies = Object.entries(params).map(([name, value]) => [
    name,
    Array.isArray(value) ? value.slice() : typeof value === 'object' && value !== null ? { ...value } : value,
  ]);
  return Object.fromEntries(copies);
}

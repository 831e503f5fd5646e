/** Search parameters: each source takes some of them, and names the others when it refuses. */
import { expected, FunnelError } from '../core/errors.js';
import { checkInteger } from '../core/validate.js';
import type { SearchParams } from './source/source.js';

/** The params that a source takes, by name. */
export type KnownParams = Partial<Record<keyof SearchParams, 'flag' | 'count'>>;

/**
 * A copy with what is set.
 *
 * @throws FunnelError UNSUPPORTED naming the parameter, BAD_ARGUMENT
 */
export function checkParams(params: SearchParams | undefined, known: KnownParams, source: string): SearchParams {
  if (params === undefined || params === null) return {};
  if (typeof params !== 'object' || Array.isArray(params)) {
    throw expected('BAD_ARGUMENT', 'an object', 'params', params);
  }
  const own: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(params)) {
    if (value === undefined) continue;
    const kind = Object.hasOwn(known, name) ? known[name as keyof SearchParams] : undefined;
    if (kind === undefined) {
      throw new FunnelError(
        'UNSUPPORTED',
        `Expected ${Object.keys(known).join(', ') || 'nothing'} in params but received ${name}: ${source} has nothing that it could act on`,
      );
    }
    if (kind === 'count') checkInteger(value, 1, 0xffff_ffff, `params.${name}`);
    else if (typeof value !== 'boolean') throw expected('BAD_ARGUMENT', 'a boolean', `params.${name}`, value);
    own[name] = value;
  }
  return own as SearchParams;
}

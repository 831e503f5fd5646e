/** The part of a collection that a call reads: shards or partitions by name, of the source and of a request. */
import { expected } from '../core/errors.js';
import { isListOf, isString } from '../core/validate.js';

/** A list of one or more names, copied. @throws FunnelError BAD_ARGUMENT */
export function checkNameList(value: unknown, where: string): string[] {
  if (isListOf(value, isString) && value.length > 0 && !value.includes('')) return value.slice();
  throw expected('BAD_ARGUMENT', 'an array of one or more names', where, value);
}

/**
 * The names that a request reads: its own, which must be among those of a source that has some, else the source's.
 *
 * @throws FunnelError BAD_ARGUMENT naming the one that is not among them
 */
export function narrowed<Name extends string | number>(
  given: readonly Name[] | undefined,
  asked: readonly Name[] | undefined,
  where: string,
  source: string,
): readonly Name[] | undefined {
  if (given === undefined || asked === undefined) return asked ?? given;
  const other = asked.find((name) => !given.includes(name));
  if (other === undefined) return asked;
  const own = given.map((name) => JSON.stringify(name)).join(', ');
  throw expected('BAD_ARGUMENT', `one of ${own}, which ${source} was made for,`, where, other);
}

/** The consistency level of a request, in the one form that the SDK passes on. */
import { expected } from '../../core/errors.js';

/** As Milvus numbers them. */
const LEVELS = ['Strong', 'Session', 'Bounded', 'Eventually'] as const;

/**
 * How new the rows are that a request sees. 'Strong': all that was written before. 'Bounded': some seconds old at most. 'Eventually':
 * whatever is there. 'Session' is no promise through this SDK, which sends no time of a write along: ask for 'Strong' to read
 * what you wrote.
 */
export type MilvusConsistency = (typeof LEVELS)[number];

/**
 * The level by its name: SDK 3.0.6 takes the number of 'Strong', 0, for no level, and sends the collection's own.
 *
 * @param level - a name, or a value of the SDK's ConsistencyLevelEnum
 * @throws FunnelError BAD_ARGUMENT: another value; 'Customized' (4) needs a time that no request of ours has
 */
export function consistencyLevel(level: unknown, where = 'consistency'): MilvusConsistency | undefined {
  if (level === undefined) return undefined;
  const name = typeof level === 'number' ? LEVELS[level] : LEVELS.find((one) => one === level);
  if (name !== undefined) return name;
  throw expected('BAD_ARGUMENT', `one of ${LEVELS.join(', ')}, or their numbers 0 to 3,`, where, level);
}

/**
 * Values that all copies of this module in a thread share: a dev server loads it again, and a program may import and
 * require it.
 */
import workerThreads from 'node:worker_threads';

/** The map of that name. On a module of Node's own: test runners give each file a global object, but a thread has one of these. */
export function mapOfThread<Value>(name: string): Map<string, Value> {
  const symbol = Symbol.for(name);
  const there = workerThreads as unknown as Record<symbol, Map<string, Value> | undefined>;
  if (there[symbol] === undefined) Object.defineProperty(there, symbol, { value: new Map() });
  return there[symbol]!;
}

/** In place of threads.ts in browsers and on the edge, where an index works on the thread that calls it. */

export function usableThreads(): number {
  return 1;
}

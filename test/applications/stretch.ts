/** How long a call keeps the event loop from turning. */
import { readFileSync } from 'node:fs';

/** Milliseconds that this thread has worked, where the system says so: other processes of a busy machine do not count. */
function worked(): number {
  if (process.platform !== 'linux') return performance.now();
  return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'latin1').split(' ')[0]) / 1e6;
}

/** The longest stretch of work between two turns of the loop. */
export async function longestStretch(call: () => Promise<unknown>): Promise<number> {
  let longest = 0;
  let last = worked();
  let running = true;
  const look = () => {
    const now = worked();
    longest = Math.max(longest, now - last);
    last = now;
  };
  const turn = () => {
    look();
    if (running) setImmediate(turn);
  };
  setImmediate(turn);
  await call();
  look();
  running = false;
  return longest;
}

/** How long a call keeps the event loop from turning. */
import { readFileSync } from 'node:fs';

/** Milliseconds that this thread has worked, where the system says so: other processes of a busy machine do not count. */
function worked(): number {
  if (process.platform !== 'linux') return performance.now();
  return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'latin1').split(' ')[0]) / 1e6;
}

/** Milliseconds that the host of a virtual machine has taken from its processors: whoever ran seems to have worked meanwhile. */
function stolen(): number {
  if (process.platform !== 'linux') return 0;
  const ticks = /^cpu +(?:\d+ +){7}(\d+)/.exec(readFileSync('/proc/stat', 'latin1'))?.[1];
  return 10 * Number(ticks ?? 0); // ticks are hundredths of a second
}

/** The longest stretch of work between two turns of the loop. */
export async function longestStretch(call: () => Promise<unknown>): Promise<number> {
  let longest = 0;
  let last = worked();
  let taken = stolen();
  let running = true;
  const look = () => {
    const [now, takenNow] = [worked(), stolen()];
    longest = Math.max(longest, now - last - (takenNow - taken));
    [last, taken] = [now, takenNow];
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

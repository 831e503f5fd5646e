/** Bounds on times, on machines that do other work, too: it only ever adds, so a bound has to hold once in a few attempts. */

/** The least that `measure` gives in as many attempts as it takes to come below `bound`, five at most. */
export async function least(bound: number, measure: () => number | Promise<number>): Promise<number> {
  let value = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 5 && !(value < bound); attempt++) value = Math.min(value, await measure());
  return value;
}

/** Milliseconds that `work` takes. */
export async function wallMs(work: () => unknown): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** Milliseconds of processors that `work`, which returns when it is done, takes of this process. */
export function processorMs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** Runs `work`, which has deadlines, again where it failed, three times at most: a fault fails each time. */
export async function again(work: () => Promise<void>): Promise<void> {
  for (let left = 2; ; left--) {
    try {
      return await work();
    } catch (error) {
      if (left === 0) throw error;
    }
  }
}

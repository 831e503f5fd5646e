/** How fast work goes that nobody waits for: half of the time belongs to others, on the disk and in the event loop. */
import { nextTurn } from '../../core/host.js';
import type { FileStep } from './step.js';

/** Milliseconds at a stretch, before and after a rest. */
const STRETCH = 5;
const LONGEST_REST = 50;

export class Pace {
  #since = performance.now();
  #hurried: boolean;

  constructor(hurried = false) {
    this.#hurried = hurried;
  }

  get hurried(): boolean {
    return this.#hurried;
  }

  /** Somebody waits for it now. */
  hurry(): void {
    this.#hurried = true;
  }

  /** A place in long work where others may have their turn; one that was due when nobody waits takes as long as the work did. */
  readonly rest: FileStep<void> = {
    now: () => {},
    later: async () => {
      const worked = performance.now() - this.#since;
      if (worked < STRETCH) return;
      if (this.#hurried) await new Promise<void>(nextTurn);
      else await new Promise((resolve) => setTimeout(resolve, Math.min(worked, LONGEST_REST)));
      this.#since = performance.now();
    },
  };
}

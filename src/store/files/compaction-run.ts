/** The compaction of an index that is under way, at most one: its parts in order, those that commit between other writes. */
import {
  type Compacted,
  type CompactionPlan,
  type CompactOptions,
  exchange,
  forget,
  plan,
  rewrite,
} from './compact.js';
import type { Core } from './core.js';
import { discard } from './discard.js';
import { diskError, filesError } from './errors.js';
import { giveBack, giveBackSlowly } from './give-back.js';
import type { Pace } from './pace.js';
import { runLater, runNow, type Steps, turnStep } from './step.js';
import type { WriteQueue } from './write-queue.js';

const WAIT_MS = 100;

const NOTHING_COMPACTED: Compacted = { rowsDropped: 0, bytesFreed: 0 };

export class CompactionRun {
  readonly #writes: WriteQueue;
  #running: { controller: AbortController; done: Promise<unknown> } | undefined;

  constructor(writes: WriteQueue) {
    this.#writes = writes;
  }

  get isUnderWay(): boolean {
    return this.#running !== undefined;
  }

  /** @throws FunnelError ABORTED, DISK, CORRUPT; NOT_WRITABLE while another is under way */
  async run(core: Core, options: CompactOptions): Promise<Compacted> {
    if (this.#running !== undefined) throw filesError('NOT_WRITABLE', 'Expected one compaction at a time');
    const controller = new AbortController();
    const signal =
      options.signal === undefined ? controller.signal : AbortSignal.any([options.signal, controller.signal]);
    const done = this.#run(core, { ...options, signal });
    this.#running = { controller, done: done.catch(() => {}) };
    try {
      return await done;
    } catch (error) {
      throw diskError('compacting', error);
    } finally {
      this.#running = undefined;
    }
  }

  async #run(core: Core, options: CompactOptions): Promise<Compacted> {
    const planned = await this.#writes.between(() => plan(core));
    const compacted = planned === undefined ? NOTHING_COMPACTED : await this.#carryOut(core, planned, options);
    await giveBackSlowly(core, this.#writes, options);
    return compacted;
  }

  async #carryOut(core: Core, planned: CompactionPlan, options: CompactOptions): Promise<Compacted> {
    try {
      const { files, dropped } = await runLater(rewrite(core, planned, options));
      try {
        while (dropped.length > 0) {
          await this.#writes.between(() => forgetSome(core, dropped, options.pace));
          await turnStep.later();
        }
        return await this.#writes.between(() => exchange(core, planned, files));
      } catch (error) {
        await runLater(discard(core, files));
        throw error;
      }
    } finally {
      release(core, planned);
    }
  }

  /** @throws FunnelError NOT_WRITABLE while an asynchronous write is under way, DISK, CORRUPT */
  runSync(core: Core): Compacted {
    if (this.#running !== undefined) throw filesError('NOT_WRITABLE', 'Expected one compaction at a time');
    const planned = this.#writes.now(plan(core));
    const compacted = planned === undefined ? NOTHING_COMPACTED : this.#carryOutNow(core, planned);
    runNow(giveBack(core));
    return compacted;
  }

  #carryOutNow(core: Core, planned: CompactionPlan): Compacted {
    try {
      const { files, dropped } = runNow(rewrite(core, planned, {}));
      try {
        for (const part of dropped) runNow(forget(core, part));
        return runNow(exchange(core, planned, files));
      } catch (error) {
        runNow(discard(core, files));
        throw error;
      }
    } catch (error) {
      throw diskError('compacting', error);
    } finally {
      release(core, planned);
    }
  }

  /** Resolves when what is under way has ended. */
  async abort(reason: Error): Promise<void> {
    this.#running?.controller.abort(reason);
    await this.#running?.done;
  }
}

/**
 * Drops the first part; where somebody waits, or rows die faster than they are dropped, as many as fit into the time that writes
 * may wait at once.
 */
function* forgetSome(core: Core, dropped: number[][], pace: Pace | undefined): Steps<void> {
  const until = performance.now() + WAIT_MS;
  do yield* forget(core, dropped.shift()!);
  while (dropped.length > 0 && pace?.hurried && performance.now() < until);
}

function release(core: Core, { files }: CompactionPlan): void {
  for (const file of files) core.files.release(file);
}

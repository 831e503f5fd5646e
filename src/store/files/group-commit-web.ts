/** In place of group-commit.ts where every index is in memory: there a commit waits for nothing, and each write has its own. */
import type { Id } from '../../core/types.js';
import { type Appended, append, type Batch } from './append.js';
import type { Core } from './core.js';
import { remove } from './delete.js';
import type { WriteQueue } from './write-queue.js';

export class GroupCommit {
  readonly #queue: WriteQueue;
  readonly #core: Core;

  constructor(queue: WriteQueue, core: Core) {
    this.#queue = queue;
    this.#core = core;
  }

  append(batch: Batch): Promise<Appended> {
    return this.#queue.later(() => append(this.#core, batch));
  }

  delete(ids: readonly Id[]): Promise<number[]> {
    return this.#queue.later(() => remove(this.#core, ids));
  }
}

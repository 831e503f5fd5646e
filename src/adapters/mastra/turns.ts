/** Calls that write come one after the other for each index: what one reads and writes, no other changes in between. */
export class WriteTurns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Runs after all that was asked for under this name before. */
  async take<T>(name: string, run: () => Promise<T>): Promise<T> {
    const before = this.#last.get(name) ?? Promise.resolve();
    const mine = before.then(run, run);
    const ended = mine.catch(() => {});
    this.#last.set(name, ended);
    try {
      return await mine;
    } finally {
      if (this.#last.get(name) === ended) this.#last.delete(name);
    }
  }

  /** Resolves when all that was asked for has ended. */
  async ended(): Promise<void> {
    await Promise.all(this.#last.values());
  }
}

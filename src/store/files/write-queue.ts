/** The writes of an index, one after the other, and which of them may happen in the turn of their call. */
import { filesError } from './errors.js';
import { runLater, runNow, type Steps } from './step.js';

export class WriteQueue {
  /** The asynchronous writes, one after the other. */
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  /** Asynchronous writes that were ever asked for. */
  asked = 0;
  #isWriting = false;
  /** Reads that no write comes between; and those that are to begin when the write under way has ended. */
  readonly #reads = new Set<Promise<unknown>>();
  readonly #readsBehind: (() => void)[] = [];
  /** Files that are being written beside those. */
  #besides = 0;
  /** Whether synchronous calls write: they must not find one of our own commits under way, which nobody could await. */
  #isWrittenNow = false;
  readonly #checkWritable: () => void;
  readonly #before: () => Steps<void> | undefined;

  /**
   * @param checkWritable throws where the index takes no writes. It is to hold on to the index, so that one that nobody else
   *   refers to is not taken for gone, and opened by another writer, while a write is under way
   * @param before what an earlier write has left to do, which comes before the next one
   */
  constructor(checkWritable: () => void, before: () => Steps<void> | undefined = () => undefined) {
    this.#checkWritable = checkWritable;
    this.#before = before;
  }

  /** Whether nothing asynchronous is on its way to the files. */
  get isStill(): boolean {
    return this.#waiting === 0 && this.#besides === 0;
  }

  /** Resolves when every write that was asked for before has ended, well or badly. */
  get ended(): Promise<unknown> {
    return this.#last;
  }

  /** Runs after all writes that were asked for before. */
  later<T>(run: () => Steps<T> | Promise<Steps<T>>): Promise<T> {
    this.#waiting++;
    this.asked++;
    const mine = this.#last.then(async () => {
      try {
        while (this.#reads.size > 0) await Promise.all(this.#reads);
        this.#isWriting = true;
        this.#checkWritable();
        const before = this.#before();
        if (before !== undefined) await runLater(before);
        return await runLater(await run());
      } finally {
        this.#waiting--; // before the caller goes on, who may go on with a synchronous call
        this.#isWriting = false;
        for (const begin of this.#readsBehind.splice(0)) begin();
      }
    });
    this.#last = mine.catch(() => {});
    return mine;
  }

  /**
   * A read that no asynchronous write comes between: it begins behind the one that is under way, and the next one waits for
   * it. Not within a write, which would wait for itself.
   */
  readBetween<T>(run: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const begin = () => {
        // An error that run() throws at once goes to its caller alone: the write that ends here and other reads go on.
        const mine = (async () => run())()
          .then(resolve, reject)
          .finally(() => this.#reads.delete(mine));
        this.#reads.add(mine);
      };
      if (this.#isWriting) this.#readsBehind.push(begin);
      else begin();
    });
  }

  /** The write of a file that is no part of the index yet: it waits for no other, and no other for it. */
  async beside<T>(steps: Steps<T>): Promise<T> {
    this.#besides++;
    try {
      return await runLater(steps);
    } finally {
      this.#besides--;
    }
  }

  /** A commit that no caller waits for: where callers write synchronously, in one turn. */
  async between<T>(run: () => Steps<T>): Promise<T> {
    if (!this.#isWrittenNow || this.#waiting > 0) return this.later(run);
    this.#checkWritable();
    this.#runBefore();
    return runNow(run());
  }

  /** @throws FunnelError NOT_WRITABLE while an asynchronous write is under way */
  now<T>(steps: Steps<T>): T {
    this.checkIdle();
    this.#isWrittenNow = true;
    this.#runBefore();
    return runNow(steps);
  }

  #runBefore(): void {
    const before = this.#before();
    if (before !== undefined) runNow(before);
  }

  /** @throws FunnelError NOT_WRITABLE while an asynchronous write is under way */
  checkIdle(): void {
    if (this.#waiting === 0) return;
    throw filesError('NOT_WRITABLE', 'Expected no asynchronous write under way for a synchronous one: await it first');
  }
}

/**
 * Threads that build know of the searches of the calling thread. These run where they are asked for, and a processor has
 * to be free for them: while they come, fewer threads build than there are processors, and the others wait, ready to search.
 */

/** The numbers that are shared: how many threads build now, a count of searches of the calling thread, and one of messages to threads. */
const BUILDING = 0;
const SEARCHES = 1;
const MESSAGES = 2;

/** Milliseconds after a search in which the next is awaited. */
const EXPECTED = 200;
/** Milliseconds after which a thread that waits looks again. */
const LOOK = 5;

export type Manners = Int32Array<SharedArrayBuffer>;

export function newManners(): Manners {
  return new Int32Array(new SharedArrayBuffer(12));
}

/** The calling thread searches. */
export function searchesHere(shared: Manners): void {
  Atomics.add(shared, SEARCHES, 1);
}

/** A thread has ended in the middle of what it did: the others are not to wait for it. */
export function nobodyBuilds(shared: Manners): void {
  Atomics.store(shared, BUILDING, 0);
}

/** A thread that waits has something to read. */
export function wake(shared: Manners): void {
  Atomics.add(shared, MESSAGES, 1);
  Atomics.notify(shared, MESSAGES);
}

/** A thread's part in it. */
export class Builder {
  #searches: number;
  #searchedAt = Number.NEGATIVE_INFINITY;
  #builds = false;

  /** @param most threads that may build while the calling thread searches */
  constructor(
    readonly shared: Manners,
    readonly most: number,
  ) {
    this.#searches = Atomics.load(shared, SEARCHES);
  }

  begin(): void {
    Atomics.add(this.shared, BUILDING, 1);
    this.#builds = true;
  }

  end(): void {
    const { shared } = this;
    // Never below 0, where the count was begun anew for a thread that failed.
    for (let building = Atomics.load(shared, BUILDING); this.#builds && building > 0; ) {
      const found = Atomics.compareExchange(shared, BUILDING, building, building - 1);
      if (found === building) break;
      building = found;
    }
    this.#builds = false;
  }

  /**
   * Waits while others build and the calling thread searches.
   *
   * @param serve answers the messages that have come; false where the build is to end
   */
  giveWay(serve: () => boolean): void {
    const { shared, most } = this;
    for (let building = Atomics.load(shared, BUILDING); building > most && this.#areExpected(); ) {
      const found = Atomics.compareExchange(shared, BUILDING, building, building - 1);
      if (found === building) {
        this.#builds = false;
        break;
      }
      building = found;
    }
    while (!this.#builds) {
      const messages = Atomics.load(shared, MESSAGES);
      const building = Atomics.load(shared, BUILDING);
      const mayBuild = !serve() || building < most || !this.#areExpected();
      if (!mayBuild) Atomics.wait(shared, MESSAGES, messages, LOOK);
      else if (Atomics.compareExchange(shared, BUILDING, building, building + 1) === building) this.#builds = true;
    }
  }

  #areExpected(): boolean {
    const searches = Atomics.load(this.shared, SEARCHES);
    const now = performance.now();
    if (searches !== this.#searches) this.#searchedAt = now;
    this.#searches = searches;
    return now < this.#searchedAt + EXPECTED;
  }
}

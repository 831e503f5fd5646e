/** Keeps a source's facts of its collection: read once for all who wait, believed for a minute. */
import { guarded, setDeadline } from '../core/call.js';
import type { FunnelError } from '../core/errors.js';
import { MAY_HAVE_CHANGED, SAYS_NOTHING } from '../query/source/layout.js';

/** Milliseconds. A collection made anew with the same dims, or an alias that moved, refuses no search: only age tells. */
const MAX_AGE = 60_000;
/** Milliseconds for the reading itself, which is nobody's call in particular. */
const DEADLINE = 30_000;

interface Reading<T> {
  answer: Promise<T>;
  /** Ends the reading when nobody waits for it any more. */
  controller: AbortController;
  waiting: number;
  value?: T;
  readAt: number;
}

/** Options of {@link Known}. */
export interface KnownOptions<T> {
  /** The source's name, for errors. */
  where: string;
  /** Asks the server; the signal fires when nobody waits any more. */
  read(signal: AbortSignal): Promise<T>;
  /** False for what the next search must read again. */
  keep(value: T): boolean;
  /** The error of ours for one that the client threw. */
  classify(error: unknown): FunnelError;
}

/**
 * Keeps a source's facts of its collection: read once for all calls that wait for them, believed for a minute, and read
 * again after a failure that may mean that the collection has changed.
 */
export class Known<T> {
  private current: Reading<T> | undefined;

  /** Asks nothing yet. */
  constructor(private readonly options: KnownOptions<T>) {}

  /** The facts that are still believed, without waiting. */
  get fresh(): T | undefined {
    const { current } = this;
    return current !== undefined && performance.now() - current.readAt <= MAX_AGE ? current.value : undefined;
  }

  /**
   * Returns the facts; reads them now if need be.
   *
   * @param signal - that of the call which asks
   * @throws what `read` throws, as `classify` says it; the signal's reason
   */
  async get(signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    const { fresh, current } = this;
    if (fresh !== undefined) return fresh; // nearly every call's: without a listener, which costs it some microseconds
    if (current?.value !== undefined) this.current = undefined;
    this.current ??= this.start(signal);
    const reading = this.current;
    const leave = () => {
      // The next one asks anew, rather than wait behind the same silence.
      this.drop(reading);
      if (--reading.waiting === 0) reading.controller.abort(signal.reason);
    };
    reading.waiting++;
    signal.addEventListener('abort', leave, { once: true });
    try {
      return await reading.answer;
    } finally {
      signal.removeEventListener('abort', leave);
      // A call that was given up while it waited must not go on to search.
      signal.throwIfAborted();
    }
  }

  /**
   * After a failed search: reads again if the failure may mean that the collection has changed. Undefined where that would
   * tell nothing; throws what is now wrong with the collection.
   *
   * @param used - what that search went by; another search may have read anew in the meantime
   */
  async afresh(used: T, failure: FunnelError, signal: AbortSignal): Promise<T | undefined> {
    const gone = failure.code === 'NO_COLLECTION';
    if (!gone && !MAY_HAVE_CHANGED.has(failure.code)) return undefined;
    if (this.current?.value === used) this.current = undefined;
    if (gone) return undefined;
    try {
      return await this.get(signal);
    } catch (error) {
      if (SAYS_NOTHING.has((error as FunnelError).code)) return undefined;
      throw error;
    }
  }

  private start(asker: AbortSignal): Reading<T> {
    const { where, read, keep, classify } = this.options;
    const controller = new AbortController();
    // Whoever asks first has no use for an answer that comes later.
    setDeadline(controller.signal, asker);
    const answer = guarded(where, { timeout: DEADLINE, signal: controller.signal }, read, classify);
    const reading: Reading<T> = { answer, controller, waiting: 0, readAt: 0 };
    answer.then(
      (value) => {
        reading.value = value;
        reading.readAt = performance.now();
        if (!keep(value)) this.drop(reading);
      },
      () => this.drop(reading),
    );
    return reading;
  }

  private drop(reading: Reading<T>): void {
    if (this.current === reading) this.current = undefined;
  }
}

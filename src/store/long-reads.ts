/** Work that reads a whole index for minutes: told how far it is, aborted, and ended by close(). */
import { expected, FunnelError } from '../core/errors.js';
import { checkKeys } from '../core/validate.js';
import type { CheckProgress } from './files/verify-types.js';

/** Options of backup() and verify(). */
export interface CheckOptions {
  /** Told after each MiB. */
  onProgress?: (progress: CheckProgress) => void;
  /** Ends the call when it aborts; the error then has the code ABORTED. */
  signal?: AbortSignal;
}

/** Work that close() ends and waits for. */
export class LongReads {
  readonly #running = new Map<Promise<unknown>, AbortController>();

  get busy(): boolean {
    return this.#running.size > 0;
  }

  /** @param run calls `told` often; it throws when the work is to end */
  async run<T>(where: string, options: CheckOptions, run: (work: CheckWork) => Promise<T>): Promise<T> {
    checkKeys(options, ['onProgress', 'signal'], `the options of ${where}`);
    const { onProgress, signal } = options;
    if (onProgress !== undefined && typeof onProgress !== 'function') {
      throw expected('BAD_ARGUMENT', 'a function', 'onProgress', onProgress);
    }
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      throw expected('BAD_ARGUMENT', 'an AbortSignal', 'signal', signal);
    }
    const controller = new AbortController();
    const work = new CheckWork(where, onProgress, signal, controller.signal);
    work.check();
    const running = run(work);
    this.#running.set(running, controller);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  async close(): Promise<void> {
    for (const controller of this.#running.values()) controller.abort();
    await Promise.allSettled(this.#running.keys());
  }
}

/** How far a backup or a verification is, and whether it is to go on. */
class CheckWork {
  #done = 0;
  total = 0;

  constructor(
    private readonly where: string,
    private readonly onProgress: CheckOptions['onProgress'],
    private readonly signal: AbortSignal | undefined,
    private readonly closing: AbortSignal,
  ) {}

  /** @throws FunnelError ABORTED, CLOSED */
  readonly check = (): void => {
    if (this.closing.aborted) throw new FunnelError('CLOSED', `Expected an open index until ${this.where} ends`);
    if (this.signal?.aborted) {
      throw new FunnelError('ABORTED', `${this.where} was aborted`, { cause: this.signal.reason });
    }
  };

  readonly read = (bytes: number): void => {
    this.check();
    this.#done += bytes;
    this.onProgress?.({ done: Math.min(this.#done, this.total), total: this.total });
  };

  get done(): number {
    return this.#done;
  }
}

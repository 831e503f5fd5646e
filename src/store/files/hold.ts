/** A file as its one writer holds it: the lock of the system where there is one, and the record. */
import { filesError } from './errors.js';
import { identityOf, isLocal, type KernelLock, takeKernelLock } from './kernel-lock.js';
import type { Kv } from './kv.js';
import { writerRecordOf } from './lmdb-check.js';
import { pause, type Steps, take } from './step.js';
import { type Claim, Passing, takeOver } from './writer-record.js';
import { addWriter, removeWriter, type Writer, writerOf } from './writers.js';

/** How long a lock may outlive its writer: as long as a child process that it just forked has its descriptors. */
const LINGERS_MS = 1000;
const TURN_MS = 5;

/** Stands for an index that is being opened. */
class Opening implements Writer {
  readonly isOpening = true;

  revoke(): boolean {
    return false;
  }
}

export class Hold {
  readonly #file: string;
  readonly #key: string;
  readonly #claim: Claim;
  #lock: KernelLock | undefined;
  #writer: Writer | undefined;

  /**
   * Takes the lock of the system, or asks for it: {@link wait} is next.
   *
   * @throws FunnelError INDEX_LOCKED; the system's error where the file cannot be opened for writing
   */
  constructor(file: string, breakLock: boolean) {
    const { device, inode } = identityOf(file);
    this.#file = file;
    this.#key = `${device}:${inode}`;
    const before = writerOf(this.#key);
    if (typeof before === 'object' && before.isOpening) {
      throw filesError(
        'INDEX_LOCKED',
        'Expected no other writer of the index but this very process opens it: await that',
      );
    }
    if (breakLock && typeof before === 'object' && !before.revoke()) {
      const why = 'the index that is open in this thread has one under way: await it first';
      throw filesError('INDEX_LOCKED', `Expected no write for breakLock but ${why}`);
    }
    const inThread = typeof before === 'object' ? (breakLock ? 'gone' : 'live') : before;
    this.#claim = { lock: 'none', breakLock, inode, local: isLocal(file), inThread };
    this.#take();
    if (inThread !== 'live') this.of(new Opening());
  }

  #take(): void {
    const answer = takeKernelLock(this.#file);
    this.#lock = typeof answer === 'object' ? answer : undefined;
    this.#claim.lock = typeof answer === 'object' ? 'taken' : answer;
  }

  /**
   * Waits for what passes where another has the lock. LMDB is not opened before: who only wants to write takes no part in its
   * locks and transactions, and what would go wrong between two that open and close it at once cannot.
   *
   * @throws FunnelError INDEX_LOCKED
   */
  *wait(): Steps<void> {
    const until = performance.now() + LINGERS_MS;
    while (this.#claim.lock === 'held') {
      try {
        takeOver(writerRecordOf(this.#file), this.#claim);
      } catch (error) {
        if (!(error instanceof Passing) || performance.now() > until) throw error;
      }
      yield* take(pause(TURN_MS));
      this.#take();
    }
  }

  /** Puts our record in the place of that of the writer before. @throws FunnelError INDEX_LOCKED, DISK, NOT_WRITABLE */
  claim(kv: Kv): void {
    kv.claim((holder) => takeOver(holder, this.#claim));
  }

  /** The writer is there. It must not be kept alive by this. */
  of(writer: Writer): void {
    if (this.#writer !== undefined) removeWriter(this.#key, this.#writer);
    this.#writer = writer;
    addWriter(this.#key, writer, this.#lock);
  }

  release(): void {
    if (this.#writer !== undefined) removeWriter(this.#key, this.#writer);
    this.#writer = undefined;
    this.#lock?.release();
  }
}

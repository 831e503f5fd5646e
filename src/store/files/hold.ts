/** A file as its one writer holds it: the lock of the system where there is one, and the record. */
import { filesError } from './errors.js';
import { identityOf, isLocal, type KernelLock, takeKernelLock } from './kernel-lock.js';
import { type Claim, takeOver } from './writer-record.js';
import { addWriter, removeWriter, type Writer, writerOf } from './writers.js';

export class Hold {
  readonly #key: string;
  readonly #claim: Claim;
  readonly #lock: KernelLock | undefined;
  #writer: Writer | undefined;

  /**
   * Takes the lock of the system. Whether that makes us the writer is for the record to say.
   *
   * @throws FunnelError INDEX_LOCKED; the system's error where the file cannot be opened for writing
   */
  constructor(file: string, breakLock: boolean) {
    const { device, inode } = identityOf(file);
    this.#key = `${device}:${inode}`;
    const before = writerOf(this.#key);
    if (breakLock && typeof before === 'object' && !before.revoke()) {
      const why = 'the index that is open in this thread has one under way: await it first';
      throw filesError('INDEX_LOCKED', `Expected no write for breakLock but ${why}`);
    }
    const answer = takeKernelLock(file);
    this.#lock = typeof answer === 'object' ? answer : undefined;
    this.#claim = {
      lock: typeof answer === 'object' ? 'taken' : answer,
      breakLock,
      inode,
      local: isLocal(file),
      inThread: typeof before === 'object' ? (breakLock ? 'gone' : 'live') : before,
    };
  }

  /** For the store: the record of the writer that was, and ours in its place. @throws FunnelError INDEX_LOCKED */
  readonly takeOver = (holder: Uint8Array | undefined): Uint8Array => takeOver(holder, this.#claim);

  /** The writer is there. It must not be kept alive by this. */
  of(writer: Writer): void {
    this.#writer = writer;
    addWriter(this.#key, writer, this.#lock);
  }

  release(): void {
    if (this.#writer !== undefined) removeWriter(this.#key, this.#writer);
    this.#writer = undefined;
    this.#lock?.release();
  }
}

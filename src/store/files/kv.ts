/** The records beside the row files: the state record, pages of ids and deaths, payloads. One commit is atomic. */
import type { FileStep } from './step.js';

/** Entries to put; those without a value are removed. Values carry their own checksums. */
export type Entries = [key: number, value: Uint8Array | undefined][];

export interface Commit {
  state: Uint8Array;
  /** By page of ids. */
  ids: Entries;
  /** By page of deaths. */
  dead: Entries;
  /** By ordinal. */
  payloads: Entries;
  /** By number: see changed-rows.ts. */
  changes?: Entries;
  /** By page: see edit-pages.ts. */
  edits?: Entries;
}

export interface Kv {
  /** The name of the file, for errors. */
  readonly file: string;
  /** The newest committed state record; undefined before the first. The bytes may be reused by the next read. */
  state(): Uint8Array | undefined;
  ids(page: number): Uint8Array | undefined;
  dead(page: number): Uint8Array | undefined;
  /** A copy of its own. */
  payload(ordinal: number): Uint8Array | undefined;
  /** An entry of the log of changed payloads. */
  changes(at: number): Uint8Array | undefined;
  /** A page of changed payloads; entry 0 lists them. A copy of its own. */
  edits(page: number): Uint8Array | undefined;
  /** All reads inside see one and the same commit. */
  snapshot<T>(read: () => T): T;
  /**
   * Becomes the writer. `decide` gets the record of the writer that is, and answers the record to put or throws.
   * Every later commit fails when another has become the writer meanwhile.
   */
  claim(decide: (holder: Uint8Array | undefined) => Uint8Array): void;
  /** Resolves when the commit is on disk (durability 'relaxed': when it is visible to all processes). */
  commit(commit: Commit): FileStep<void>;
  /** Whether to queue so many payloads in one go would keep the event loop from turning; never where nobody waits for it. */
  isLong(payloads: number): FileStep<boolean>;
  /**
   * Puts many payloads that no state counts yet, or that pages of edits have, before the commit that does or drops these: it has
   * to run in one go. False where they belong into that commit all the same. After a failure some are there.
   */
  stage(payloads: Entries): FileStep<boolean>;
  /** Removes payloads of rows from this one on, which no state counts. */
  unstage(rows: number): FileStep<void>;
  /** Starts over after a failed commit, so that reads see what is on disk. */
  reopen(): void;
  /** Bytes on disk. */
  bytes(): number;
  /** Writes a file like this one, with all of one commit; absent where there is no file. */
  copyTo?(path: string): Promise<void>;
  /** Whether much of that is of no use, and can be given back. */
  hasSlack(): boolean;
  /**
   * Gives some of it back, from a place on, while no commit is under way; 0 is the start.
   *
   * @returns where to go on; at the end undefined, or 0 where there will be more in a moment. Never throws: a later time will do
   */
  giveBack(from: number): number | undefined;
  /** Stops being the writer. */
  close(): FileStep<void>;
}

/** The results of reading an index against its checksums: types alone, which public declarations name. */

/** A part that is not what was written. */
export interface VerifyProblem {
  /** The file's name, within the folder of the index. */
  file: string;
  /** Which part of it, and what is wrong there. */
  message: string;
}

/** How far verify() or backup() has come. */
export interface CheckProgress {
  /** Bytes that were read, or copied. */
  done: number;
  /** Bytes in all. */
  total: number;
}

/** The result of backup(). */
export interface BackupResult {
  /** Rows in the copy. */
  rows: number;
  /** Its bytes on disk. */
  bytes: number;
}

/** The result of verify(). */
export interface VerifyResult {
  /** Rows that live. */
  rows: number;
  /** Bytes that were read. */
  bytes: number;
  /** The places that are not as they were written; empty: all is. It reads no further than the hundredth. */
  problems: VerifyProblem[];
}

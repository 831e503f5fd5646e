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

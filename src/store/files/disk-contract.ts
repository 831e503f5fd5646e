/** The disk as this folder sees it. Tests put a failing one in its place; ':memory:' has one of its own. */
import type { FileStep } from './step.js';

/**
 * File operations, each a {@link FileStep}. `fd` is a file descriptor of the system, except on the disk of ':memory:'.
 * All throw the system's errors.
 */
export interface Disk {
  /** 'create' fails with EEXIST when the file is there. All can read. */
  open(path: string, how: 'create' | 'write' | 'read'): FileStep<number>;
  close(fd: number): FileStep<void>;
  /** Bytes. */
  size(fd: number): number;
  /** Reads until `into` is full or the file ends; the number of bytes. */
  read(fd: number, into: Uint8Array, position: number): FileStep<number>;
  /** Writes all of `bytes`. */
  write(fd: number, bytes: Uint8Array, position: number): FileStep<void>;
  /** Makes the file's contents survive a power loss. */
  sync(fd: number): FileStep<void>;
  truncate(fd: number, bytes: number): FileStep<void>;
  rename(from: string, to: string): FileStep<void>;
  unlink(path: string): FileStep<void>;
  /** Names in a folder. */
  list(folder: string): string[];
  /** Makes creations, renames and deletions in a folder survive a power loss. */
  syncDir(folder: string): FileStep<void>;
  /** The contents of a file, where they lie in memory anyway. */
  bytesOf?(fd: number): Uint8Array;
}

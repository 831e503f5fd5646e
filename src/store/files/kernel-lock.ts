/**
 * The lock of the one writer that the system keeps, and drops with the process or the thread that took it, however these
 * end. It is on `data.mdb` itself, which nobody deletes as a leftover and a copy of which is another file. Where a binary is
 * missing, macOS and Windows can lock by opening; Linux cannot, and the record in the store has to do (writer-record.ts).
 */
import * as fs from 'node:fs';
import { nativeFiles } from './native.js';
import { once } from './once.js';

export interface KernelLock {
  release(): void;
}

/** 'held': somebody has it, alive for certain. 'none': there is no such lock here. */
export type LockAnswer = KernelLock | 'held' | 'none';

/** A flag of BSD and macOS: open(2) takes the lock. Node names neither this one nor the next. */
const BSD_O_EXLOCK = 0x20;
/** A flag of libuv on Windows: nobody else may open the file. */
const UV_FS_O_EXLOCK = 0x10000000;

/** Never waits. @throws the system's error where the file cannot be opened for writing */
export function takeKernelLock(file: string): LockAnswer {
  if (process.platform === 'win32') return opened(`${file}.writer`, fs.constants.O_CREAT | UV_FS_O_EXLOCK, 'EBUSY');
  const { lockFile } = nativeFiles();
  if (lockFile === undefined) {
    const exclusive = BSD_O_EXLOCK | fs.constants.O_NONBLOCK;
    if (process.platform === 'darwin' || process.platform === 'freebsd') return opened(file, exclusive, 'EAGAIN');
    fs.closeSync(fs.openSync(file, 'r+'));
    return 'none';
  }
  // Node closes what a thread has opened when the thread ends, the system what a process has.
  const fd = fs.openSync(file, 'r+');
  const answer = lockFile(fd);
  if (answer === 0) return release(fd);
  fs.closeSync(fd);
  return answer === 1 ? 'held' : 'none';
}

function opened(file: string, flags: number, held: string): LockAnswer {
  try {
    return release(fs.openSync(file, fs.constants.O_RDWR | flags));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === held) return 'held';
    if (code === 'ENOTSUP' || code === 'EOPNOTSUPP') return 'none';
    throw error;
  }
}

function release(fd: number): KernelLock {
  return {
    release: once(() => {
      try {
        nativeFiles().unlockFile?.(fd);
        fs.closeSync(fd);
      } catch {
        // It is gone: whatever the system says, a descriptor that was closed holds nothing.
      }
    }),
  };
}

/** Linux: file systems of one machine, so that the locks of its kernel are all that there are. By statfs(2). */
const LOCAL = new Set([
  0xef53, // ext2 to ext4
  0x58465342, // XFS
  0x9123683e, // Btrfs
  0x2fc12fc1, // ZFS
  0xf2f52010, // F2FS
  0xca451a4e, // bcachefs
  0x3153464a, // JFS
  0x52654973, // ReiserFS
  0x01021994, // tmpfs
  0x858458f6, // ramfs
  0x794c7630, // overlay
]);

/** False also where nobody knows. */
export function isLocal(file: string): boolean {
  if (process.platform !== 'linux') return false;
  try {
    return LOCAL.has(fs.statfsSync(file).type);
  } catch {
    return false;
  }
}

/** The file behind a path, whatever the path: for as long as it is open, no other has the same. */
export function identityOf(file: string): { device: string; inode: string } {
  const { dev, ino } = fs.statSync(file, { bigint: true });
  return { device: String(dev), inode: String(ino) };
}

/** The disk of the system. */
import * as fs from 'node:fs';
import { promisify } from 'node:util';
import type { Disk } from './disk-contract.js';
import { errorCodeOf } from './errors.js';
import { type FileStep, pause, runLater, runNow, type Steps, take } from './step.js';

export type { Disk };

const FLAGS = { create: 'wx+', write: 'r+', read: 'r' } as const;
const open = promisify(fs.open);
const close = promisify(fs.close);
const fsync = promisify(fs.fsync);
const ftruncate = promisify(fs.ftruncate);

export const nodeDisk: Disk = {
  open: (path, how) => ({ now: () => fs.openSync(path, FLAGS[how]), later: () => open(path, FLAGS[how]) }),
  close: (fd) => ({ now: () => fs.closeSync(fd), later: () => close(fd) }),
  size: (fd) => fs.fstatSync(fd).size,
  read: (fd, into, position) => ({
    now() {
      let done = 0;
      for (let got = 1; got > 0 && done < into.length; done += got) {
        got = fs.readSync(fd, into, done, into.length - done, position + done);
      }
      return done;
    },
    async later() {
      let done = 0;
      for (let got = 1; got > 0 && done < into.length; done += got) {
        got = await readSome(fd, into, done, position + done);
      }
      return done;
    },
  }),
  write: (fd, bytes, position) => ({
    now() {
      for (let done = 0; done < bytes.length; ) {
        done += fs.writeSync(fd, bytes, done, bytes.length - done, position + done);
      }
    },
    async later() {
      for (let done = 0; done < bytes.length; ) done += await writeSome(fd, bytes, done, position + done);
    },
  }),
  sync: (fd) => ({ now: () => fs.fsyncSync(fd), later: () => fsync(fd) }),
  truncate: (fd, bytes) => ({ now: () => fs.ftruncateSync(fd, bytes), later: () => ftruncate(fd, bytes) }),
  rename: (from, to) => patiently({ now: () => fs.renameSync(from, to), later: () => fs.promises.rename(from, to) }),
  unlink: (path) => ({ now: () => fs.unlinkSync(path), later: () => fs.promises.unlink(path) }),
  list: (folder) => fs.readdirSync(folder),
  syncDir: (folder) => ({ now: () => syncDir(folder), later: () => syncDirLater(folder) }),
};

/** How long a scanner of viruses or an indexer may have a new file open. */
const SCANNED_MS = 2000;

/** On Windows what was just written may be open elsewhere for a moment, so that it cannot be renamed. */
function patiently(step: FileStep<void>): FileStep<void> {
  if (process.platform !== 'win32') return step;
  const until = performance.now() + SCANNED_MS;
  const isMomentary = (error: unknown) =>
    /^(EBUSY|EPERM|EACCES)$/.test(errorCodeOf(error) ?? '') && performance.now() < until;
  const tried = function* (): Steps<void> {
    for (;;) {
      try {
        return yield* take(step);
      } catch (error) {
        if (!isMomentary(error)) throw error;
      }
      yield* take(pause(10));
    }
  };
  return { now: () => runNow(tried()), later: () => runLater(tried()) };
}

function readSome(fd: number, into: Uint8Array, from: number, position: number): Promise<number> {
  return new Promise((resolve, reject) =>
    fs.read(fd, into, from, into.length - from, position, (error, got) => (error ? reject(error) : resolve(got))),
  );
}

function writeSome(fd: number, bytes: Uint8Array, from: number, position: number): Promise<number> {
  return new Promise((resolve, reject) =>
    fs.write(fd, bytes, from, bytes.length - from, position, (error, got) => (error ? reject(error) : resolve(got))),
  );
}

function syncDir(folder: string): void {
  if (process.platform === 'win32') return; // has no such thing; NTFS logs changes of folders in order
  const fd = fs.openSync(folder, 'r');
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** A sync of the folder waits for the disk: not in the event loop. */
async function syncDirLater(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const fd = await open(folder, 'r');
  try {
    await fsync(fd);
  } finally {
    await close(fd);
  }
}

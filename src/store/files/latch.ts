/**
 * One process at a time opens or closes LMDB. Who closes it last destroys the mutexes in its lock file, and LMDB lets another in
 * at that very moment, who then meets mutexes that nobody makes again while he has the file open. The latch is a lock of the
 * index's folder, held for the call alone. It helps, and nobody depends on it: where the system has no such lock, or another
 * holds it for too long, the call goes on without.
 */
import { closeSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { identityOf } from './kernel-lock.js';
import { nativeFiles } from './native.js';
import { mapOfThread } from './of-thread.js';
import { once } from './once.js';
import { pause } from './step.js';

/** Opening takes some milliseconds, closing less; more on a machine that is short of processors. */
export const LONGEST_MS = 5000;

/** How many latches of a folder this thread has: it must not wait for itself. */
const held = () => mapOfThread<number>('funnelvec.latches');

/** @returns what lets go of it; may be called again */
export function takeLatch(file: string): () => void {
  const { lockFile } = nativeFiles();
  if (lockFile === undefined) return () => {};
  const folder = dirname(file);
  let fd: number;
  let key: string;
  try {
    const { device, inode } = identityOf(folder);
    key = `${device}:${inode}`;
    fd = openSync(folder, 'r');
  } catch {
    return () => {}; // the folder is gone or forbidden, which the call itself will tell
  }
  const all = held();
  const until = performance.now() + LONGEST_MS;
  while ((all.get(key) ?? 0) === 0 && lockFile(fd) === 1 && performance.now() < until) {
    pause(1).now();
  }
  all.set(key, (all.get(key) ?? 0) + 1);
  return once(() => {
    const left = all.get(key)! - 1;
    left > 0 ? all.set(key, left) : all.delete(key);
    nativeFiles().unlockFile?.(fd);
    closeSync(fd);
  });
}

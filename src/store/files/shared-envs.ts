/**
 * LMDB opens a file once in a process: whoever comes later shares what is there, which takes no writes if a reader opened it.
 * lmdb-js finds that out too late, and never lets go of such an attempt, so it is known here, for this thread.
 */
import { filesError } from './errors.js';
import { identityOf } from './kernel-lock.js';
import { mapOfThread } from './of-thread.js';
import { once } from './once.js';

interface Shared {
  file: string;
  users: number;
  readOnly: boolean;
}

const all = () => mapOfThread<Shared>('funnelvec.environments');

/** The files that this thread has open, in one order for all processes. */
export function openFiles(): string[] {
  return [...all()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, { file }]) => file);
}

/** Writers whose turn to open LMDB is yet to come: readers that come before have them do so first. */
const coming = () => mapOfThread<() => void>('funnelvec.coming');

/** @returns what takes it back */
export function announceWriter(file: string, open: () => void): () => void {
  const { device, inode } = identityOf(file);
  const key = `${device}:${inode}`;
  coming().set(key, open);
  return () => void (coming().get(key) === open && coming().delete(key));
}

export function letWriterOpen(file: string): void {
  const { device, inode } = identityOf(file);
  try {
    coming().get(`${device}:${inode}`)?.();
  } catch {
    // It tries again when it is its turn, and says why not.
  }
}

const collected = new FinalizationRegistry<() => void>((release) => release());

/**
 * @param user let go of when it is collected as garbage, too
 * @returns what lets go of it
 * @throws FunnelError NOT_WRITABLE
 */
export function shareEnv(file: string, readOnly: boolean, user: object): () => void {
  const envs = all();
  const { device, inode } = identityOf(file);
  const key = `${device}:${inode}`;
  const there = envs.get(key);
  if (there?.readOnly && !readOnly) {
    const why =
      'this process has it open with readOnly, and LMDB opens a file once: close that, or open the writer first';
    throw filesError('NOT_WRITABLE', `Expected to open ${file} for writing but ${why}`);
  }
  const shared = there ?? { file, users: 0, readOnly };
  shared.users++;
  envs.set(key, shared);
  const release = once(() => {
    if (--shared.users === 0 && envs.get(key) === shared) envs.delete(key);
  });
  collected.register(user, release);
  return release;
}

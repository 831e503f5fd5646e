/**
 * The writers of this thread, by file: also those of another copy of this module, which a dev server loads again, or a
 * program that both imports and requires it. So an index that was lost there can be taken back, and one that was collected
 * as garbage is known to be gone.
 */
import type { KernelLock } from './kernel-lock.js';
import { mapOfThread } from './of-thread.js';

/** The members of a writer that every version of this module knows. */
export interface Writer {
  /** Ends its time as the writer; false while a write is under way, which would go on. */
  revoke(): boolean;
  /** It is not there yet, and its record may not be: an open() is under way. */
  readonly isOpening?: true;
}

interface Entry {
  writer: WeakRef<Writer>;
  lock: KernelLock | undefined;
}

const all = () => mapOfThread<Entry>('funnelvec.writers');

const collected = new FinalizationRegistry<Entry>(({ lock }) => lock?.release());

export function addWriter(key: string, writer: Writer, lock: KernelLock | undefined): void {
  const entry = { writer: new WeakRef(writer), lock };
  all().set(key, entry);
  collected.register(writer, entry, writer);
}

export function removeWriter(key: string, writer: Writer): void {
  collected.unregister(writer);
  if (all().get(key)?.writer.deref() === writer) all().delete(key);
}

/** 'gone': there was one in this thread, and nothing refers to it any more; its lock is free now. */
export function writerOf(key: string): Writer | 'gone' | undefined {
  const entry = all().get(key);
  if (entry === undefined) return undefined;
  const writer = entry.writer.deref();
  if (writer !== undefined) return writer;
  entry.lock?.release();
  return 'gone';
}

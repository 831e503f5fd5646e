/**
 * Who writes: the record that the one writer of an index leaves in the store. A process that died without removing it is
 * recognised by its pid and, where the system tells it, the time it started, so that a pid given again deceives nobody.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { filesError } from './errors.js';

export interface WriterRecord {
  pid: number;
  host: string;
  /** The boot of the machine and the pid namespace: pids mean something only within. Empty where unknown. */
  boot: string;
  namespace: string;
  /** When the process started, in the system's own unit. Empty where unknown. */
  started: string;
  /** ISO time. */
  since: string;
}

export function thisWriter(): WriterRecord {
  return { ...here(), pid: process.pid, started: startOf(process.pid) ?? '', since: new Date().toISOString() };
}

function here(): Pick<WriterRecord, 'host' | 'boot' | 'namespace'> {
  return {
    host: hostname(),
    boot: attempt(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()) ?? '',
    namespace: attempt(() => readlinkSync('/proc/self/ns/pid')) ?? '',
  };
}

/** Field 22 of /proc/<pid>/stat, clock ticks since boot. The second field is in parentheses and may hold anything. */
function startOf(pid: number): string | undefined {
  return attempt(() => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]; // killed, and not yet waited for
  });
}

function attempt<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch {
    return undefined;
  }
}

/**
 * The record to put where `bytes` is.
 *
 * @throws FunnelError INDEX_LOCKED when the writer there may be alive; it says who, since when, and what helps
 */
export function takeOver(bytes: Uint8Array | undefined, breakLock: boolean): Buffer {
  const holder = bytes === undefined ? undefined : parse(bytes);
  if (holder !== undefined && !breakLock) {
    const why = whyHeld(holder);
    if (why !== undefined) {
      const who = `process ${holder.pid} on ${holder.host} since ${holder.since}`;
      throw filesError('INDEX_LOCKED', `Expected no other writer of the index but ${who} is one: ${why}`);
    }
  }
  return Buffer.from(JSON.stringify(thisWriter()), 'utf8');
}

/** A record that cannot be read holds nothing. */
function parse(bytes: Uint8Array): WriterRecord | undefined {
  const record = attempt(() => JSON.parse(Buffer.from(bytes).toString('utf8')) as WriterRecord);
  return typeof record?.pid === 'number' ? record : undefined;
}

/** Undefined when the holder is dead. */
function whyHeld(holder: WriterRecord): string | undefined {
  const { host, boot, namespace } = here();
  if (holder.host !== host) return 'on another machine; if it is dead for certain, open with breakLock: true';
  if (holder.boot !== boot) return undefined;
  if (holder.namespace !== namespace)
    return 'in another container; if it is dead for certain, open with breakLock: true';
  const started = startOf(holder.pid);
  if (holder.pid === process.pid && holder.started === (started ?? ''))
    return 'this very process; close that index first';
  if (holder.started !== '') {
    if (started === undefined && holder.boot !== '') return undefined; // /proc works here, and has no such process
    return started === holder.started ? 'it is running' : undefined;
  }
  return isRunning(holder.pid)
    ? 'it is running; if it is another program by now, open with breakLock: true'
    : undefined;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

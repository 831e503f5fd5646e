/**
 * The record that the one writer of an index leaves in the store. It tells people who that is, and decides where no
 * lock of the system does (kernel-lock.ts): by pid, thread and the time that these started, so that a number given
 * again deceives nobody.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { threadId } from 'node:worker_threads';
import { FunnelError } from '../../core/errors.js';

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
  // Records of older versions lack the following members.
  /** Node's number of the thread. */
  thread?: number;
  /** The system's number of the thread and when it started. Empty where unknown. */
  task?: string;
  taskStarted?: string;
  /** Whether the writer has the lock of the system. */
  locked?: boolean;
  /** The inode of the file that it writes: what was copied meanwhile is another. */
  inode?: string;
}

/** Facts of the file that whoever opens it knows. */
export interface Claim {
  /** The lock of the system: 'taken', 'held' by another, or 'none' where there is none. */
  lock: 'taken' | 'held' | 'none';
  breakLock: boolean;
  inode: string;
  /** On a file system of this machine alone. */
  local: boolean;
  /** Whether this thread has had a writer of the file: it still has, it was collected as garbage, or nobody knows. */
  inThread: 'live' | 'gone' | undefined;
}

export function thisWriter(locked: boolean, inode: string): WriterRecord {
  const task = ownTask();
  return {
    ...here(),
    pid: process.pid,
    started: startOf(process.pid) ?? '',
    since: new Date().toISOString(),
    thread: threadId,
    task,
    taskStarted: startOf(process.pid, task) ?? '',
    locked,
    inode,
  };
}

function here(): Pick<WriterRecord, 'host' | 'boot' | 'namespace'> {
  return {
    host: hostname(),
    boot: attempt(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()) ?? '',
    namespace: attempt(() => readlinkSync('/proc/self/ns/pid')) ?? '',
  };
}

/** <pid>/task/<number> */
function ownTask(): string {
  return attempt(() => readlinkSync('/proc/thread-self').split('/')[2]) ?? '';
}

/**
 * Field 22 of a stat file, clock ticks since boot. The second field is in parentheses and may hold anything. Undefined when it
 * has ended; '' where the system does not tell.
 */
function startOf(pid: number, task?: string): string | undefined {
  const stat = attempt(() => readFileSync(`/proc/${pid}/${task ? `task/${task}/` : ''}stat`, 'latin1'));
  if (stat === undefined) return isRunning(pid) && !(task && startOf(pid)) ? '' : undefined; // of another user, hidden
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]; // killed, and not yet waited for
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function attempt<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch {
    return undefined;
  }
}

/** The lock is held for a moment, by one who opens or closes the index, or by what is left of one who has ended. */
export class Passing extends FunnelError {}

/**
 * The record to put where `bytes` is.
 *
 * @throws FunnelError INDEX_LOCKED when the writer there may be alive; it says who, since when, and what helps
 */
export function takeOver(bytes: Uint8Array | undefined, claim: Claim): Buffer {
  const holder = bytes === undefined ? undefined : parse(bytes);
  const held = claim.lock === 'held' ? heldNow(holder, claim) : holder && heldBy(holder, claim);
  if (held !== undefined && (claim.lock === 'held' || held.certain || !claim.breakLock)) {
    const { who = holder, why } = held;
    const name =
      who === undefined || who === 'another' ? 'another' : `process ${who.pid} on ${who.host} since ${who.since}`;
    const message = `Expected no other writer of the index but ${name} is one: ${why}`;
    throw who === 'another' ? new Passing('INDEX_LOCKED', message) : new FunnelError('INDEX_LOCKED', message);
  }
  return Buffer.from(JSON.stringify(thisWriter(claim.lock === 'taken', claim.inode)), 'utf8');
}

/** A record that cannot be read holds nothing. */
function parse(bytes: Uint8Array): WriterRecord | undefined {
  const record = attempt(() => JSON.parse(Buffer.from(bytes).toString('utf8')) as WriterRecord);
  return typeof record?.pid === 'number' ? record : undefined;
}

interface Held {
  why: string;
  /** The writer is alive for certain, so that breakLock would make it one of two. */
  certain: boolean;
  /** When it is not the one of the record. */
  who?: 'another';
}

const TAKE_OVER = 'open with breakLock: true';
const UNSURE = `if it is dead for certain, ${TAKE_OVER}`;
const LOST = `close that index first, or, where a module that was loaded again has lost it, ${TAKE_OVER}`;

/** The system has the lock of a writer. The record may be that of the one before, or not there, for a moment. */
function heldNow(holder: WriterRecord | undefined, claim: Claim): Held {
  const moment: Held = { why: 'it opens or closes the index at this moment', certain: true, who: 'another' };
  if (holder?.locked !== true) return moment;
  const { boot, namespace } = here();
  if (holder.boot !== boot || holder.namespace !== namespace) {
    return { why: 'it runs, in another container, since the system has its lock; end it first', certain: true };
  }
  if (hasEnded(holder)) return moment;
  if (!isThisProcess(holder)) return { why: 'it is running; close the index there, or end it', certain: true };
  return isThisThread(holder) && claim.inThread !== 'live' ? moment : heldHere(holder);
}

/** By pid and thread, of this pid namespace. False where nobody knows. */
function hasEnded({ pid, started, task, taskStarted }: WriterRecord): boolean {
  const now = startOf(pid);
  if (now === undefined) return true;
  if (now === '' || started === '') return false;
  return now !== started || (!!task && startOf(pid, task) !== taskStarted);
}

/** By a writer in this process that is alive. */
function heldHere(holder: WriterRecord): Held {
  if (isThisThread(holder)) return { why: `this very process; ${LOST}`, certain: false };
  const thread = holder.thread === 0 ? 'the main thread' : `thread ${holder.thread}`;
  const why = `${thread} of this very process; close that index there, or end the thread`;
  return { why, certain: true };
}

function isThisProcess({ pid, started }: WriterRecord): boolean {
  return pid === process.pid && started === (startOf(process.pid) ?? '');
}

function isThisThread({ task, thread }: WriterRecord): boolean {
  return task ? task === ownTask() : thread === undefined || thread === threadId;
}

/** Undefined when the holder is dead. The lock of the system is ours, or there is none. */
function heldBy(holder: WriterRecord, claim: Claim): Held | undefined {
  const { host, boot, namespace } = here();
  const sameKernel = holder.boot === boot && (boot !== '' || holder.host === host);
  // It had the lock that we have now: the system has dropped it.
  if (claim.lock === 'taken' && holder.locked === true && (sameKernel || claim.local)) return undefined;
  if (claim.local && holder.inode !== undefined && holder.inode !== claim.inode) return undefined; // of the original
  if (!sameKernel) {
    if (holder.host === host) return undefined; // this machine was started anew
    return { why: `on another machine; ${UNSURE}`, certain: false };
  }
  if (holder.namespace !== namespace) return { why: `in another container; ${UNSURE}`, certain: false };
  if (hasEnded(holder)) return undefined;
  const isKnown = holder.started !== '' && startOf(holder.pid) !== '';
  if (!isKnown && !(isThisProcess(holder) && isThisThread(holder))) {
    return { why: `it is running; if it is another program by now, ${TAKE_OVER}`, certain: false };
  }
  if (!isThisProcess(holder)) return { why: 'it is running; close the index there, or end it', certain: true };
  return isThisThread(holder) && claim.inThread === 'gone' ? undefined : heldHere(holder);
}

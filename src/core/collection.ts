/** When V8 looks for shared memory that nobody has any more, and when that goes back to the system. */
import { timerIfAny } from './host.js';
import { onShared } from './shared.js';

/** Bytes of shared memory, made or let go, after which garbage is looked for. */
export const COLLECTED_EACH = 32 << 20;
/** More than V8 lets ordinary buffers grow, 64 MB, before it collects garbage for their sake. */
const ASKING_BYTES = 80 << 20;
/** Bytes after which garbage is looked for once nothing came for IDLE_MS. */
const COLLECTED_IDLE = 8 << 20;
const IDLE_MS = 3000;
/** Milliseconds after the end of an index: a process that ends with it does not wait for a collection. */
const CLOSED_MS = 50;
/** Milliseconds in which threads have collected the garbage that they were asked to, and freed what was in it. */
const COLLECTED_WITHIN = 2000;

/** ES2024's: elsewhere the options are ignored. */
const Resizable = ArrayBuffer as new (length: number, options: { maxByteLength: number }) => ArrayBuffer;

let counted = 0;
let askedAt = 0;
let isWatched = false;
let isTrimDue = false;
let trim: (() => void) | undefined;

/** @param run gives to the system what is free; undefined where that happens by itself */
export function onFreed(run: (() => void) | undefined): void {
  trim = run;
}

/** Bytes of shared memory that countShared() was told so far; a large array counts as COLLECTED_EACH. */
export function sharedCounted(): number {
  return counted;
}

/**
 * Shared memory was made in this thread, or let go. V8 counts none of it (BackingStore::PerIsolateAccountingLength), so that
 * arrays which nobody has any more would stay until a thread collects its garbage for another reason; a thread that only
 * searches hardly ever has one.
 */
export function countShared(bytes: number): void {
  counted += Math.min(bytes, COLLECTED_EACH);
  if (counted - askedAt >= COLLECTED_EACH) askForCollection();
  else if (!isWatched) watch();
}

/** The same of an index that ends. */
export function countClosed(bytes: number): void {
  counted += Math.min(bytes, COLLECTED_EACH);
  timerIfAny(() => countShared(0), CLOSED_MS);
}

/** Looks also for less than that once an index is no longer worked with: nothing else would. */
function watch(): void {
  isWatched = counted - askedAt >= COLLECTED_IDLE;
  if (!isWatched) return;
  const before = counted;
  timerIfAny(() => {
    if (counted === before) askForCollection();
    watch();
  }, IDLE_MS);
}

/**
 * Memory is free, or soon will be. malloc puts it to use again, and keeps what is free between blocks in use: arrays of rows and
 * codes differ in length, so that there is ever more of that.
 */
export function freed(): void {
  if (trim === undefined || isTrimDue) return;
  isTrimDue = true;
  timerIfAny(() => {
    isTrimDue = false;
    trim?.();
  }, COLLECTED_WITHIN);
}

onShared(countShared);

/** Makes V8 collect the garbage of this thread soon. */
export function askForCollection(): void {
  askedAt = counted;
  try {
    // It counts, and takes no memory, since nobody touches it. One that may change its length has pages of its own from the
    // system: malloc would take others' that are free, and write zeros to all of them.
    new Resizable(ASKING_BYTES, { maxByteLength: ASKING_BYTES });
  } catch {
    // There is no room for it: V8 has looked for garbage before it said so.
  }
  freed();
}

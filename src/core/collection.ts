/** When V8 looks for shared memory that nobody has any more. */
import { onSharedBuffer } from './shared.js';

/** Bytes of shared memory, made or let go, after which garbage is looked for. */
export const COLLECTED_EACH = 64 << 20;
/** More than V8 lets ordinary buffers grow, 64 MB, before it collects garbage for their sake. */
const ASKING_BYTES = 80 << 20;

let counted = 0;
let askedAt = 0;

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
  if (counted - askedAt < COLLECTED_EACH) return;
  askedAt = counted;
  askForCollection();
}

onSharedBuffer(countShared);

/** Makes V8 collect the garbage of this thread soon. */
export function askForCollection(): void {
  try {
    new ArrayBuffer(ASKING_BYTES); // it counts, and takes no memory, since nobody touches it
  } catch {
    // There is no room for it: V8 has looked for garbage before it said so.
  }
}

import type { Core } from './core.js';
import type { OpenRows } from './open-files.js';
import type { Steps } from './step.js';

/**
 * Closes row files that no state of this process names, and removes them. Where a commit failed that may be on disk all the same
 * they stay, for the next writer to look at, and are closed still: Windows lets nobody remove what is open. Never throws.
 */
export function* discard(core: Core, files: readonly OpenRows[]): Steps<void> {
  for (const file of files) {
    core.files.release(file);
    if (core.broken === undefined) yield* core.files.drop(file.path);
  }
}

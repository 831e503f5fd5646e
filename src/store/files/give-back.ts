/** Gives back what the store has on the disk and has no use for. */
import type { CompactOptions } from './compact.js';
import type { Core } from './core.js';
import { Pace } from './pace.js';
import { instant, pause, type Steps, take, turnStep } from './step.js';
import type { WriteQueue } from './write-queue.js';

/** Readers in other processes are at a commit for a turn of their event loop: then it is tried again so often, after a while. */
const ATTEMPTS = 10;
const AGAIN_MS = 50;

/** Runs while no other write does. */
export function* giveBack({ options: { kv } }: Core): Steps<void> {
  if (!kv.hasSlack()) return;
  for (let from = kv.giveBack(0); from !== undefined && from > 0; from = kv.giveBack(from)) yield* take(turnStep);
}

/** The same between writes, with rests. */
export async function giveBackSlowly(
  { options: { kv } }: Core,
  writes: WriteQueue,
  { pace = new Pace(true), signal }: CompactOptions,
): Promise<void> {
  if (!kv.hasSlack()) return;
  let from: number | undefined = 0;
  for (let attempt = 1; from !== undefined && !signal?.aborted; ) {
    const at: number = from;
    from = await writes.between(() => take(instant(() => kv.giveBack(at))));
    if (from === 0) {
      if (attempt++ === ATTEMPTS || !kv.hasSlack()) return;
      await pause(AGAIN_MS).later();
    }
    await pace.rest.later();
  }
}

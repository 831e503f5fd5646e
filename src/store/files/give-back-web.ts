/** In place of give-back.ts in browsers and on the edge, where the store is in memory. */
import type { Steps } from './step.js';

export function* giveBack(..._asked: unknown[]): Steps<void> {}

export async function giveBackSlowly(..._asked: unknown[]): Promise<void> {}

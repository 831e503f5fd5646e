/** Reads that take several turns of the event loop, and yet see one moment: writes of the meantime spoil an attempt. */
import type { IndexFiles } from './files/index-files.js';

/** Attempts beside writes, before one that holds them back. */
const ATTEMPTS = 2;

/** And whether all of it is of one moment. */
export interface Whole<T> {
  value: T;
  isWhole: boolean;
}

/**
 * Beside writes, then between two of them. In one go in the end, where that can be: only synchronous writes, and those of another
 * process, are left to spoil an attempt.
 *
 * @param files those of the index, up to date
 * @param ask an attempt; `hold` tells it whether payloads are those of its beginning, where that is asked for
 * @param isFiltered whether payloads that change meanwhile spoil it, too
 */
export async function oneMoment<T>(
  files: () => IndexFiles,
  ask: (hold: () => boolean) => Promise<Whole<T>>,
  inOneGo?: () => T,
  isFiltered = true,
): Promise<T> {
  const attempt = () => {
    const now = files();
    return ask(isFiltered ? now.payloadsHold() : () => true);
  };
  for (let i = 0; i < ATTEMPTS; i++) {
    const { value, isWhole } = await attempt();
    if (isWhole) return value;
  }
  const { value, isWhole } = await files().readBetween(attempt);
  return isWhole || inOneGo === undefined ? value : inOneGo();
}

/**
 * Turns of the event loop: work on the main thread gives one back after some milliseconds, be it one long call or many short
 * ones that are awaited one after the other and never wait for anything.
 */
import { nextTurn } from './host.js';

/** Milliseconds of work in one turn. */
const STRETCH = 4;

const waiting: (() => void)[] = [];
/** The start of the process: the first to ask is overdue, and to load the clock with this file would cost all who import it. */
let began = 0;

/** Whether the work of this turn has lasted long enough; also after a pause, when a turn costs next to nothing. */
export function overdue(stretch = STRETCH): boolean {
  return performance.now() - began >= stretch;
}

/** Resolves in a later turn: who waits longest goes on first, and all share a turn's stretch. */
export function othersTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (waiting.push(resolve) === 1) nextTurn(goOn);
  });
}

async function goOn(): Promise<void> {
  began = performance.now();
  do {
    waiting[0]!();
    await undefined; // it works until it waits
    waiting.shift();
  } while (waiting.length > 0 && !overdue());
  if (waiting.length > 0) nextTurn(goOn);
}

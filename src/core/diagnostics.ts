/** Messages to whoever listens, on channels of node:diagnostics_channel; see docs/index.md. */
import { type Channel, channel } from 'node:diagnostics_channel';
import type { DiagnosticEvent } from './diagnostic-event.js';

export type Counts = Omit<DiagnosticEvent, 'operation' | 'target' | 'began' | 'ms' | 'error'>;

/** Who did what to what. */
export type Told = readonly [kind: keyof typeof CHANNELS, operation: string, target: string];

const CHANNELS = {
  query: channel('funnelvec:query'),
  write: channel('funnelvec:write'),
  build: channel('funnelvec:build'),
  sync: channel('funnelvec:sync'),
};

/** Runs it, and tells of it where somebody listens. */
export function telling<T>(told: Told, run: () => Promise<T>, counts: (result: T) => Counts): Promise<T> {
  const to = CHANNELS[told[0]];
  return to.hasSubscribers ? toldLater(to, told, run, counts) : run();
}

/** The same of what is done when it returns. */
export function tellingNow<T>(told: Told, run: () => T, counts: (result: T) => Counts): T {
  const to = CHANNELS[told[0]];
  if (!to.hasSubscribers) return run();
  const tell = teller(to, told);
  let result: T;
  try {
    result = run();
  } catch (error) {
    tell({ error });
    throw error;
  }
  tell(counts(result));
  return result;
}

async function toldLater<T>(to: Channel, told: Told, run: () => Promise<T>, counts: (result: T) => Counts): Promise<T> {
  const tell = teller(to, told);
  let result: T;
  try {
    result = await run();
  } catch (error) {
    tell({ error });
    throw error;
  }
  tell(counts(result));
  return result;
}

function teller(to: Channel, [, operation, target]: Told): (more: Counts | { error: unknown }) => void {
  const start = performance.now();
  return (more) => {
    const began = performance.timeOrigin + start;
    const event: DiagnosticEvent = { operation, target, began, ms: performance.now() - start, ...more };
    to.publish(event);
  };
}

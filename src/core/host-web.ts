/** In place of host.ts in browsers and on the edge: what every JavaScript engine there has. */

/** There is no environment that a page could read. */
export function variable(_name: string): string | undefined {
  return undefined;
}

export function architecture(): string {
  return 'unknown';
}

export function randomBytes(count: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(count));
}

/** A message, since a browser makes timers wait for some milliseconds; a frame or an event may come before it. */
export function nextTurn(run: () => void): void {
  if (typeof MessageChannel === 'undefined') {
    setTimeout(run, 0);
    return;
  }
  // One for each turn: a channel that stays open would keep some runtimes from ending.
  const { port1, port2 } = new MessageChannel();
  port1.addEventListener('message', () => {
    port1.close();
    run();
  });
  port1.start();
  port2.postMessage(undefined);
}

export const nextTurnIfAny = nextTurn;

export type Timer = ReturnType<typeof setTimeout>;

export function timerIfAny(run: () => void, ms: number): Timer {
  return setTimeout(run, ms);
}

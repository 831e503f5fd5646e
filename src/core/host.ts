/** The few things that the system around the language gives: Node.js here, in browsers and on the edge host-web.ts. */
import { setImmediate } from 'node:timers'; // jest's jsdom environment has no global one

/** A variable of the environment. */
export function variable(name: string): string | undefined {
  return process.env[name];
}

/** For people: 'x64', 'arm64', ... */
export function architecture(): string {
  return process.arch;
}

/** From the system's own source of randomness; by the global one, since to load node:crypto takes milliseconds. */
export function randomBytes(count: number): Uint8Array {
  return globalThis.crypto.getRandomValues(new Uint8Array(count));
}

/** Runs in a later turn of the event loop. */
export function nextTurn(run: () => void): void {
  setImmediate(run);
}

/** The same, but a program does not go on for it. */
export function nextTurnIfAny(run: () => void): void {
  setImmediate(run).unref();
}

export type Timer = ReturnType<typeof setTimeout>;

/** Runs after so many milliseconds; a program does not go on for it. */
export function timerIfAny(run: () => void, ms: number): Timer {
  return setTimeout(run, ms).unref();
}

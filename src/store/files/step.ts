/**
 * One text for a call and its sync twin: a procedure is a generator that yields the steps that may wait, and whoever runs
 * it lets each happen now, or later without blocking the event loop.
 */
import { sharedBuffer } from '../../core/shared.js';
import type { Sliced } from '../../core/slices.js';
import { othersTurn as nextTurn, overdue } from '../../core/turns.js';

/** Something that may wait. */
export interface FileStep<T> {
  now(): T;
  later(): Promise<T>;
}

// biome-ignore lint/suspicious/noExplicitAny: what a yield answers has the type of the step that was yielded; take() says it
export type Steps<T> = Generator<FileStep<any>, T, any>;

/** `const size = yield* take(disk.size(fd))` */
export function* take<T>(step: FileStep<T>): Generator<FileStep<T>, T, T> {
  return yield step;
}

/** A step that never waits. */
export function instant<T>(run: () => T): FileStep<T> {
  return { now: run, later: async () => run() };
}

/** A step that does nothing for so many milliseconds. */
export function pause(ms: number): FileStep<void> {
  return {
    now: () => void Atomics.wait(new Int32Array(sharedBuffer(4)), 0, 0, ms),
    later: () => new Promise((resolve) => setTimeout(resolve, ms)),
  };
}

/**
 * Begins a step without waiting for it. Its result is another step, to be taken before anything depends on it, and in
 * any case: `const writing = yield* take(begun(disk.write(…)))`.
 */
export function begun<T>(step: FileStep<T>): FileStep<FileStep<T>> {
  return {
    now() {
      const value = step.now();
      return instant(() => value);
    },
    async later() {
      const value = step.later();
      value.catch(() => {}); // met by who takes it
      return { now: () => step.now(), later: () => value };
    },
  };
}

/** The same for a step that only reads: where nothing waits, it happens when it is taken. */
export function ahead<T>(step: FileStep<T>): FileStep<FileStep<T>> {
  return { now: () => step, later: () => begun(step).later() };
}

/** The step without its outcome. */
export function settledStep(step: FileStep<unknown>): FileStep<void> {
  return {
    now() {
      try {
        step.now();
      } catch {}
    },
    later: () =>
      step.later().then(
        () => {},
        () => {},
      ),
  };
}

/** Between parts of long work: nothing now, but later the event loop turns when it is time. */
export const turnStep: FileStep<void> = instant(() => {});

/** Sliced work as steps. */
export function* inTurns<T>(work: Sliced<T>): Steps<T> {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
    yield* take(turnStep);
  }
}

export function runNow<T>(steps: Steps<T>): T {
  let state = steps.next();
  while (!state.done) {
    let answer: unknown;
    try {
      answer = state.value.now();
    } catch (error) {
      state = steps.throw(error);
      continue;
    }
    state = steps.next(answer);
  }
  return state.value;
}

export async function runLater<T>(steps: Steps<T>): Promise<T> {
  let state = steps.next();
  while (!state.done) {
    let answer: unknown;
    if (state.value === turnStep) {
      // Without a promise where time is left: on the way through one, others would take the whole turn.
      if (overdue()) await nextTurn();
      state = steps.next();
      continue;
    }
    try {
      answer = await state.value.later();
      // Steps of an index in memory never wait.
      if (overdue()) await nextTurn();
    } catch (error) {
      state = steps.throw(error);
      continue;
    }
    state = steps.next(answer);
  }
  if (overdue()) await nextTurn();
  return state.value;
}

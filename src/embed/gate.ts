/**
 * Keeps a thread from being ended inside a run of onnxruntime-node, which would abort the whole process: who wants to end it
 * closes its gate and waits until it is empty.
 */

/** Places in the shared integers. */
const CLOSED = 0;
const INSIDE = 1;

export class Gate {
  /** Shared memory: it goes to the thread. */
  readonly state: Int32Array;

  constructor(state: Int32Array = new Int32Array(new SharedArrayBuffer(8))) {
    this.state = state;
  }

  /** In the thread. `false`: closed, nothing may begin. Each `true` is followed by a leave(). */
  enter(): boolean {
    // In this order: who closes the gate looks inside afterwards.
    Atomics.add(this.state, INSIDE, 1);
    if (Atomics.load(this.state, CLOSED) === 0) return true;
    this.leave();
    return false;
  }

  leave(): void {
    Atomics.sub(this.state, INSIDE, 1);
    Atomics.notify(this.state, INSIDE);
  }

  /** From outside. */
  close(): void {
    Atomics.store(this.state, CLOSED, 1);
  }

  /** Blocks until nobody is inside, for at most so many milliseconds. */
  waitUntilEmpty(most: number): void {
    const end = performance.now() + most;
    for (;;) {
      const inside = Atomics.load(this.state, INSIDE);
      const left = end - performance.now();
      if (inside === 0 || left <= 0) return;
      Atomics.wait(this.state, INSIDE, inside, left);
    }
  }
}

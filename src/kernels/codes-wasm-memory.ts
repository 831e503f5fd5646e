/** Blocks in the memory of the WASM code kernels, which threads share. */
import { FunnelError } from '../core/errors.js';
import { isSharedMemory } from '../core/shared.js';

/** A shared WebAssembly.Memory; @types/node does not declare it. */
export interface SharedWasmMemory {
  readonly buffer: ArrayBufferLike;
  grow(pages: number): number;
}

/** Alignment and least size of a block, and what may be read behind one. */
export const UNIT = 64;
const PAGE = 65_536;

// Its first bytes, as 32-bit numbers: where unused memory begins, in units; an identity of four; spare scratch.
const TOP = 0;
const IDENTITY = 1;
const SPARE = 5;
const HEADER = 32;

// A spare is an address, in units, and above that the logarithm of its size. Larger ones are not kept.
const ADDRESS_BITS = 26;
const LEAST_SPARE = 16;
const LARGEST_SPARE = 20;

interface ArrayType<T> {
  new (buffer: ArrayBufferLike, at: number, length: number): T;
  readonly BYTES_PER_ELEMENT: number;
}

/** 2^log bytes. */
export interface ScratchBlock {
  at: number;
  log: number;
}

export function roundUp(bytes: number): number {
  return Math.ceil(bytes / UNIT) * UNIT;
}

/**
 * Blocks of a memory that threads share. Unused memory lies behind a mark in the memory itself, which a thread moves on
 * by one atomic exchange; what a thread releases goes to its own list and is reused by it alone. Scratch of a call is
 * borrowed from all threads' spares, each a number that is exchanged as a whole. So there is no lock, which a thread that
 * is terminated could leave locked, and what is lost with a thread is its list, and scratch if it was in a call.
 */
export class SharedHeap {
  /** Free blocks, ascending, neighbours joined. */
  readonly #free: { at: number; bytes: number }[] = [];
  readonly #header: Uint32Array;
  /** A memory shows itself as another buffer after growth and in another thread. */
  readonly #known = new WeakMap<ArrayBufferLike, boolean>();
  #lastHeld: ArrayBufferLike | undefined;

  constructor(
    readonly memory: SharedWasmMemory,
    /** Where blocks may begin, behind the header. */
    base: number,
  ) {
    this.#header = new Uint32Array(memory.buffer, 0, HEADER);
    for (let i = IDENTITY; i < SPARE; i++) {
      Atomics.compareExchange(this.#header, i, 0, 1 + Math.floor(Math.random() * 0xffff_ffff));
    }
    Atomics.compareExchange(this.#header, TOP, 0, roundUp(base) / UNIT);
  }

  allocate(bytes: number): Uint8Array {
    const { at, fresh } = this.#take(Math.max(UNIT, roundUp(bytes)));
    const memory = this.view(Uint8Array, at, bytes);
    return fresh ? memory : memory.fill(0);
  }

  release({ byteOffset, byteLength }: Uint8Array): void {
    this.#give(byteOffset, Math.max(UNIT, roundUp(byteLength)));
  }

  /** At least as many bytes, not zeroed. */
  borrow(bytes: number): ScratchBlock {
    const log = Math.max(LEAST_SPARE, Math.ceil(Math.log2(bytes)));
    for (let i = SPARE; i < HEADER; i++) {
      const spare = Atomics.load(this.#header, i);
      if (spare >>> ADDRESS_BITS < log || Atomics.compareExchange(this.#header, i, spare, 0) !== spare) continue;
      return { at: (spare & (2 ** ADDRESS_BITS - 1)) * UNIT, log: spare >>> ADDRESS_BITS };
    }
    return { at: this.#take(2 ** log).at, log };
  }

  giveBack({ at, log }: ScratchBlock): void {
    const spare = log * 2 ** ADDRESS_BITS + at / UNIT;
    for (let i = SPARE; log <= LARGEST_SPARE && i < HEADER; i++) {
      if (Atomics.compareExchange(this.#header, i, 0, spare) === 0) return;
    }
    this.#give(at, 2 ** log);
  }

  view<T>(Type: ArrayType<T>, at: number, length: number): T {
    const end = at + length * Type.BYTES_PER_ELEMENT;
    if (end > this.memory.buffer.byteLength) this.memory.grow(0); // sees what other threads added
    return new Type(this.memory.buffer, at, length);
  }

  #take(needed: number): { at: number; fresh: boolean } {
    const i = this.#free.findIndex((block) => block.bytes >= needed);
    if (i === -1) return { at: this.#extend(needed), fresh: true };
    const block = this.#free[i]!;
    const { at } = block;
    block.at += needed;
    block.bytes -= needed;
    if (block.bytes === 0) this.#free.splice(i, 1);
    return { at, fresh: false };
  }

  #give(at: number, bytes: number): void {
    const next = this.#free.findIndex((block) => block.at > at);
    const i = next === -1 ? this.#free.length : next;
    this.#free.splice(i, 0, { at, bytes });
    this.#join(i);
    if (i > 0) this.#join(i - 1);
  }

  /** Whether a buffer is this memory. */
  holds(buffer: ArrayBufferLike): boolean {
    if (buffer === this.#lastHeld) return true;
    let known = this.#known.get(buffer);
    if (known === undefined) {
      known = this.#isMemory(buffer);
      this.#known.set(buffer, known);
    }
    if (known) this.#lastHeld = buffer;
    return known;
  }

  #isMemory(buffer: ArrayBufferLike): boolean {
    if (!isSharedMemory(buffer) || buffer.byteLength < 4 * HEADER) return false;
    return new Uint32Array(buffer, 0, HEADER).every(
      (value, i) => i < IDENTITY || i >= SPARE || value === this.#header[i],
    );
  }

  /** Takes unused memory, which is zero. */
  #extend(bytes: number): number {
    for (;;) {
      const top = Atomics.load(this.#header, TOP);
      const end = top + bytes / UNIT;
      this.#reach(end * UNIT + UNIT); // the last for reads behind a block
      if (Atomics.compareExchange(this.#header, TOP, top, end) === top) return top * UNIT;
    }
  }

  #reach(bytes: number): void {
    if (bytes <= this.memory.buffer.byteLength) return;
    this.memory.grow(0); // sees what other threads added
    if (bytes <= this.memory.buffer.byteLength) return;
    const missing = Math.ceil((bytes - this.memory.buffer.byteLength) / PAGE);
    // Some ahead, since growing costs a message to every thread.
    const ahead = Math.min(this.memory.buffer.byteLength / PAGE, 256);
    for (const pages of [missing + ahead, missing]) {
      try {
        this.memory.grow(pages);
        return;
      } catch (cause) {
        if (pages !== missing) continue;
        throw new FunnelError(
          'BAD_ARGUMENT',
          `Expected an index that fits into WebAssembly memory (4 GiB at most, less where memory is short) but received ` +
            `one that needs ${Math.ceil(bytes / 2 ** 20)} MiB`,
          { cause },
        );
      }
    }
  }

  /** Joins free block i with the one behind it where they touch. */
  #join(i: number): void {
    const block = this.#free[i]!;
    const next = this.#free[i + 1];
    if (next === undefined || block.at + block.bytes < next.at) return;
    block.bytes += next.bytes;
    this.#free.splice(i + 1, 1);
  }
}

/** The memory of one call of a WASM code kernel, and a task's members in it. */
import type { CodeKernelName } from './codes.js';
import { CODE_SIGNATURES } from './codes.js';
import { roundUp, type ScratchBlock, type SharedHeap, UNIT } from './codes-wasm-memory.js';
import type { Raw, Signature } from './signatures.js';

export type TypedArray = Uint8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float32Array | Float64Array;

/** The memory of one call beside its task: scratch, and copies of what does not lie in the shared memory. */
export class Call {
  #borrowed: ScratchBlock[] = [];
  #top = 0;
  #end = 0;
  #outputs: { array: TypedArray; copy: Uint8Array }[] = [];

  constructor(readonly heap: SharedHeap) {}

  /** Also after a call that failed. */
  begin(): void {
    this.#outputs.length = 0;
    this.end();
  }

  /** Copies outputs back. */
  end(): void {
    for (const { array, copy } of this.#outputs) bytesOf(array).set(copy);
    for (const scratch of this.#borrowed) this.heap.giveBack(scratch);
    this.#outputs.length = 0;
    this.#borrowed.length = 0;
    this.#top = 0;
    this.#end = 0;
  }

  /** Not zeroed; 64-byte aligned, with room for reads behind it. */
  take(bytes: number): number {
    const needed = roundUp(bytes) + UNIT;
    if (this.#top + needed > this.#end) {
      const scratch = this.heap.borrow(needed);
      this.#borrowed.push(scratch);
      this.#top = scratch.at;
      this.#end = scratch.at + 2 ** scratch.log;
    }
    const at = this.#top;
    this.#top += needed;
    return at;
  }

  input(array: TypedArray): number {
    if (array.length === 0) return 0;
    return this.heap.holds(array.buffer) ? array.byteOffset : this.#copy(array).byteOffset;
  }

  /** Also read: what a kernel does not write stays as it is. */
  output(array: TypedArray): number {
    if (this.heap.holds(array.buffer)) return array.byteOffset;
    const copy = this.#copy(array);
    this.#outputs.push({ array, copy });
    return copy.byteOffset;
  }

  #copy(array: TypedArray): Uint8Array {
    const copy = this.heap.view(Uint8Array, this.take(array.byteLength), array.byteLength);
    copy.set(bytesOf(array));
    return copy;
  }
}

function bytesOf(array: TypedArray): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** How an argument reaches the module: as a number, or as a pointer to an array that is read, perhaps with its length, or written. */
const NUMBER = 0;
const INPUT = 1;
const SIZED_INPUT = 2;
const OUTPUT = 3;

function wayOf(argument: string): number {
  if (argument.startsWith('out ')) return OUTPUT;
  const [type] = argument.split(' ') as [string];
  return type.endsWith('[]') ? INPUT : type.endsWith('[n]') ? SIZED_INPUT : NUMBER;
}

/**
 * A kernel of the module as a function over a task: by its signature, with pointers in place of arrays, each followed by
 * its length where the signature says so, and scratch behind them where the kernel wants some.
 */
export function marshalled(
  name: CodeKernelName,
  raw: Raw,
  call: Call,
  scratchBytes?: (task: unknown) => number,
): (task: unknown) => unknown {
  const { arguments: wanted, pass } = CODE_SIGNATURES[name] as Signature<unknown>;
  const ways = Uint8Array.from(wanted, wayOf);
  const length = ways.length + ways.filter((way) => way === SIZED_INPUT).length + (scratchBytes ? 1 : 0);
  const run = raw as (...args: number[]) => unknown;
  let scratch = 0;
  const inOrder = (...values: unknown[]) => {
    const args = new Array<number>(length);
    let n = 0;
    for (let i = 0; i < ways.length; i++) {
      const way = ways[i];
      if (way === NUMBER) args[n++] = values[i] as number;
      else if (way === OUTPUT) args[n++] = call.output(values[i] as TypedArray);
      else {
        const array = values[i] as TypedArray;
        args[n++] = call.input(array);
        if (way === SIZED_INPUT) args[n++] = array.length;
      }
    }
    if (scratchBytes !== undefined) args[n] = scratch;
    return run(...args);
  };
  return (task) => {
    call.begin();
    if (scratchBytes !== undefined) scratch = call.take(scratchBytes(task));
    const answer = pass(inOrder, task);
    call.end();
    return answer;
  };
}

/** Memory that threads share, where a page may have some: only cross-origin isolated ones do. */

let made: (bytes: number) => void = () => {};

/** `tell` hears of each buffer: only an index has so many that somebody counts them (collection.ts). */
export function onSharedBuffer(tell: (bytes: number) => void): void {
  made = tell;
}

/** Zeroed. Of this thread alone where there is no shared memory, and no other thread then works on it. */
export function sharedBuffer(bytes: number): ArrayBuffer {
  made(bytes);
  return (typeof SharedArrayBuffer === 'undefined'
    ? new ArrayBuffer(bytes)
    : new SharedArrayBuffer(bytes)) as unknown as ArrayBuffer;
}

/** Also where the global is hidden from a page, whose WebAssembly may share memory all the same. */
export function isSharedMemory(buffer: ArrayBufferLike): boolean {
  return (buffer as SharedArrayBuffer)[Symbol.toStringTag] === 'SharedArrayBuffer';
}

/** Whether all threads that there may be can work on it. */
export function servesThreads(buffer: ArrayBufferLike): boolean {
  return typeof SharedArrayBuffer === 'undefined' || isSharedMemory(buffer);
}

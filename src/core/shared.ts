/** Memory that threads share, where a page may have some: only cross-origin isolated ones do. */

let count: (bytes: number) => void = () => {};

/** `tell` hears of what is garbage, or may soon be: only an index has so much that somebody counts it (collection.ts). */
export function onShared(tell: (bytes: number) => void): void {
  count = tell;
}

/** Zeroed. Of this thread alone where there is no shared memory, and no other thread then works on it. */
export function sharedBuffer(bytes: number): ArrayBuffer {
  count(bytes);
  return keptBuffer(bytes);
}

/** The same for who says when it is let go: what was just made is no reason to look for garbage. */
export function keptBuffer(bytes: number): ArrayBuffer {
  return (typeof SharedArrayBuffer === 'undefined'
    ? new ArrayBuffer(bytes)
    : new SharedArrayBuffer(bytes)) as unknown as ArrayBuffer;
}

/** Memory of `keptBuffer` has no user any more. */
export function letGo({ byteLength }: { readonly byteLength: number }): void {
  count(byteLength);
}

/** Also where the global is hidden from a page, whose WebAssembly may share memory all the same. */
export function isSharedMemory(buffer: ArrayBufferLike): boolean {
  return (buffer as SharedArrayBuffer)[Symbol.toStringTag] === 'SharedArrayBuffer';
}

/** Whether all threads that there may be can work on it. */
export function servesThreads(buffer: ArrayBufferLike): boolean {
  return typeof SharedArrayBuffer === 'undefined' || isSharedMemory(buffer);
}

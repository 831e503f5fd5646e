/** Memory that threads share, where a page may have some: only cross-origin isolated ones do. */

/** Zeroed. Of this thread alone where there is no shared memory, and no other thread then works on it. */
export function sharedBuffer(bytes: number): ArrayBuffer {
  return (typeof SharedArrayBuffer === 'undefined'
    ? new ArrayBuffer(bytes)
    : new SharedArrayBuffer(bytes)) as unknown as ArrayBuffer;
}

export function isSharedMemory(buffer: ArrayBufferLike): boolean {
  return typeof SharedArrayBuffer !== 'undefined' && buffer instanceof SharedArrayBuffer;
}

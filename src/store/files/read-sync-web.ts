/** In place of read-sync.ts in browsers and on the edge, where no row lies on a disk. */

export function readSync(_fd: number, _into: Uint8Array, _at: number, _length: number, _position: number): number {
  throw new Error('there are no files here');
}

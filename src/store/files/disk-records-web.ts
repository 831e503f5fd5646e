/** In place of disk-records.ts in browsers and on the edge, where no row lies on a disk: so nobody calls these. */

export function readFromDisk(..._asked: unknown[]): void {
  throw new Error('there are no files here');
}

export const scoreFromDisk = readFromDisk;

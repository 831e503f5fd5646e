/** In place of disk-records.ts in browsers and on the edge, where no row lies on a disk: so nobody calls these. */

export function readFromDisk(..._asked: unknown[]): void {
  throw new Error('there are no files here');
}

export const scoreFromDisk = readFromDisk;
// Modules of Node.js import these; the published package has them in one file with modules that reading other files needs.
export const extendRecords = readFromDisk;
export const checkRecords = readFromDisk;

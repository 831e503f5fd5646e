/** In place of collection.ts in browsers and on the edge: codes there are in memory that WebAssembly gives back. */

export function countShared(_bytes: number): void {}

export function countClosed(_bytes: number): void {}

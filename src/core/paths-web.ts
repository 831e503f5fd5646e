/** In place of paths.ts in browsers and on the edge: names of files in memory. */
const join = (...parts: string[]): string => parts.join('/');

export { join };

/** In place of paths.ts in browsers and on the edge: names of files in memory. */

export function join(...parts: string[]): string {
  return parts.join('/');
}

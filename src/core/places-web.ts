/** In place of places.ts in browsers and on the edge, where no package has a place. */

export { VERSION } from './version.js';

export function places(): string[] {
  return [];
}

export function distFolder(): string | undefined {
  return undefined;
}

export function moduleFile(_name: string): string | undefined {
  return undefined;
}

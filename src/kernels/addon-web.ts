/** In place of addon.ts in browsers and on the edge, which load no binaries. */
import type { Raw } from './signatures.js';

export function platformName(): string {
  return 'web';
}

export function addonPaths(): string[] {
  return [];
}

export interface Addon {
  levels: Record<string, Record<string, Raw>>;
  common: Record<string, Raw>;
  signatures(): Record<string, readonly string[]>;
  needs(): Record<string, readonly string[]>;
}

/** Throws. */
export function loadAddon(): Addon & { path: string } {
  throw new Error('browsers and the edge run no native binaries');
}

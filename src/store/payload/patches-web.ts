/** In place of patches.ts in browsers and on the edge, where payloads do not change in place: there are no such rows. */
import type { PayloadFacts } from './facts.js';
import type { Growing, OrdinalPart, Postings } from './postings.js';

export class PatchLayers {
  readonly pending = new Set<number>();
  readonly isBehind = false;
  readonly size = 0;
  readonly pairs = 0;
  readonly values = 0;

  mark(_ordinals: Uint32Array, _covered: number): void {}

  sort(): [] {
    return [];
  }

  into(_ordinal: number): never {
    throw new Error('no row is pending');
  }

  hold(_ordinal: number): boolean {
    return true;
  }

  over(parts: OrdinalPart[], _of: (facts: PayloadFacts<Postings>) => OrdinalPart[]): OrdinalPart[] {
    return parts;
  }

  left<Entries>(entries: Entries): Entries {
    return entries;
  }

  entries(): [] {
    return [];
  }

  begin(): { facts: PayloadFacts<Growing>; hold: () => boolean } | undefined {
    return undefined;
  }

  end(): void {}
}

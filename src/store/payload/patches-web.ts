/** In place of patches.ts in browsers and on the edge, where payloads do not change in place: there are no such rows. */
import { doneWork, type Sliced } from '../../core/slices.js';
import type { PayloadFacts } from './facts.js';
import type { OrdinalPart } from './parts.js';
import type { Growing, Postings } from './postings.js';

export class PatchLayers {
  readonly pending = new Set<number>();
  readonly isBehind = false;
  readonly size = 0;
  readonly changed = 0;
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

  get now(): this {
    return this;
  }

  over(parts: OrdinalPart[], _of: (facts: PayloadFacts<Postings>) => unknown): Sliced<OrdinalPart[]> {
    return doneWork(parts);
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

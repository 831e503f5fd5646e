/** In place of patches.ts in browsers and on the edge, where payloads do not change in place: there are no such rows. */
import type { PayloadFacts } from './facts.js';
import { Growing, type OrdinalPart } from './postings.js';

export class Patches {
  readonly facts: PayloadFacts<Growing> = { values: new Growing(), counts: new Growing(), flags: new Growing() };
  readonly pending = new Set<number>();
  readonly size = 0;
  readonly pairs = 0;

  has(_ordinal: number): boolean {
    return false;
  }

  mark(_ordinal: number): void {}

  into(_ordinal: number): PayloadFacts<Growing> {
    return this.facts;
  }

  /** Nobody asks: of none there is nothing to leave out. */
  without(_part: OrdinalPart): Uint32Array {
    return new Uint32Array(0);
  }
}

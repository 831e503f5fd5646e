/** In place of ordinal-set.ts in browsers and on the edge, which have no such many rows, and where every byte is loaded. */

/** Rows whose payload is yet to be read. Some may go while one goes through them. */
export type PendingRows = Pick<OrdinalSet, 'has' | 'size'> & Iterable<number>;

export class OrdinalSet implements Iterable<number> {
  readonly #rows = new Set<number>();

  get size(): number {
    return this.#rows.size;
  }

  has(ordinal: number): boolean {
    return this.#rows.has(ordinal);
  }

  /** False where it is here already. */
  add(ordinal: number): boolean {
    return !this.has(ordinal) && !!this.#rows.add(ordinal);
  }

  delete(ordinal: number): void {
    this.#rows.delete(ordinal);
  }

  /** Ascending. */
  list(): Uint32Array {
    return Uint32Array.from(this.#rows).sort();
  }

  [Symbol.iterator](): Iterator<number> {
    return this.#rows.values();
  }
}

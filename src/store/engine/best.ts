/** The k best (key descending, ordinal ascending), kept in order. */
export class Best {
  readonly keys: number[] = [];
  readonly ordinals: number[] = [];

  constructor(readonly k: number) {}

  /** The key that a newcomer must reach; −Infinity while there is room. */
  get threshold(): number {
    return this.keys.length < this.k ? -Infinity : this.keys[this.k - 1]!;
  }

  offer(key: number, ordinal: number): void {
    const { keys, ordinals, k } = this;
    let low = 0;
    let high = keys.length;
    if (high === k && !before(key, ordinal, keys[k - 1]!, ordinals[k - 1]!)) return;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (before(key, ordinal, keys[middle]!, ordinals[middle]!)) high = middle;
      else low = middle + 1;
    }
    keys.splice(low, 0, key);
    ordinals.splice(low, 0, ordinal);
    if (keys.length > k) {
      keys.pop();
      ordinals.pop();
    }
  }
}

function before(key: number, ordinal: number, otherKey: number, otherOrdinal: number): boolean {
  return key > otherKey || (key === otherKey && ordinal < otherOrdinal);
}

/** Strings by their UTF-16 units, in flat arrays: a vocabulary of 250,000 tokens takes some 20 MB. */

export class Trie {
  static readonly ROOT = 0;
  #count = 1;
  #parents = new Int32Array(1024);
  #units = new Uint16Array(1024);
  #values = new Int32Array(1024).fill(-1);
  /** Open addressing: the node of a parent and a unit, 0 for none. */
  #slots = new Int32Array(4096);

  add(text: string, value: number): void {
    let node = Trie.ROOT;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      const next = this.child(node, unit);
      node = next >= 0 ? next : this.#append(node, unit);
    }
    this.#values[node] = value;
  }

  /** −1: none. */
  child(node: number, unit: number): number {
    const found = this.#slots[this.#slotOf(node, unit)]!;
    return found === 0 ? -1 : found;
  }

  /** −1 where no string ends. */
  valueOf(node: number): number {
    return this.#values[node]!;
  }

  #slotOf(parent: number, unit: number): number {
    const mask = this.#slots.length - 1;
    let slot = Math.imul(Math.imul(parent, 0x9e3779b1) ^ unit, 0x85ebca6b);
    slot = (slot ^ (slot >>> 15)) & mask;
    for (let node = this.#slots[slot]!; node !== 0; node = this.#slots[slot]!) {
      if (this.#parents[node] === parent && this.#units[node] === unit) break;
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  #append(parent: number, unit: number): number {
    const node = this.#count++;
    if (node === this.#parents.length) this.#grow();
    this.#parents[node] = parent;
    this.#units[node] = unit;
    this.#slots[this.#slotOf(parent, unit)] = node;
    return node;
  }

  #grow(): void {
    const size = 2 * this.#parents.length;
    const [parents, units, values] = [new Int32Array(size), new Uint16Array(size), new Int32Array(size).fill(-1)];
    parents.set(this.#parents);
    units.set(this.#units);
    values.set(this.#values);
    [this.#parents, this.#units, this.#values] = [parents, units, values];
    this.#slots = new Int32Array(4 * size);
    for (let node = 1; node < size / 2; node++) this.#slots[this.#slotOf(parents[node]!, units[node]!)] = node;
  }
}

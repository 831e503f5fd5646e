import type { RecordManagerInterface } from '@langchain/core/indexing';

/** Records in memory, with a clock of their own: two runs within a millisecond are two runs. */
export class Records implements RecordManagerInterface {
  readonly #rows = new Map<string, { at: number; group: string | null }>();
  #now = 1;

  async createSchema(): Promise<void> {}

  async getTime(): Promise<number> {
    return this.#now++;
  }

  async update(keys: string[], { groupIds }: { groupIds?: (string | null)[] } = {}): Promise<void> {
    const at = this.#now++;
    for (const [i, key] of keys.entries()) {
      this.#rows.set(key, { at, group: groupIds?.[i] ?? this.#rows.get(key)?.group ?? null });
    }
  }

  async exists(keys: string[]): Promise<boolean[]> {
    return keys.map((key) => this.#rows.has(key));
  }

  async listKeys(options: { before?: number; groupIds?: (string | null)[]; limit?: number | null } = {}) {
    const { before = Number.POSITIVE_INFINITY, groupIds, limit } = options;
    const rows = [...this.#rows].filter(([, { at, group }]) => at < before && (!groupIds || groupIds.includes(group)));
    return rows.map(([key]) => key).slice(0, limit ?? undefined);
  }

  async deleteKeys(keys: string[]): Promise<void> {
    for (const key of keys) this.#rows.delete(key);
  }
}

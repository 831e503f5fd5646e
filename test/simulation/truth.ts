/** The contents of the index: rows that were acknowledged, and writes of which nobody knows yet. */
import type { Order } from './writer.js';

export type WriteOrder = Extract<Order, { do: 'upsert' | 'delete' | 'expire' }>;

interface Row {
  version: number;
  until: number;
}

interface Pending {
  order: WriteOrder;
  acknowledged: boolean;
}

/** Ids that somebody is asked for, and what each may be at some moment until he answers. */
export interface Probe {
  ids: number[];
  allowed: Map<number, Set<number>>;
}

export class Truth {
  readonly rows = new Map<number, Row>();
  /** In the order in which they were sent, which is that of their commits. */
  #pending: Pending[] = [];
  readonly #probes = new Set<Probe>();

  begin(order: WriteOrder): Pending {
    const pending = { order, acknowledged: false };
    this.#pending.push(pending);
    for (const probe of this.#probes) this.#allow(probe, order);
    return pending;
  }

  acknowledge(pending: Pending): void {
    pending.acknowledged = true;
    while (this.#pending[0]?.acknowledged) apply(this.rows, this.#pending.shift()!.order);
  }

  /**
   * Settles the writes that a killed writer never acknowledged: the first few of them are there. @throws when the index
   * has none of these states
   */
  async settle(versionsOf: (ids: number[]) => Promise<number[]>): Promise<void> {
    const pending = this.#pending;
    if (pending.length === 0) return;
    const ids = [...new Set(pending.flatMap(({ order }) => this.#touched(order)))];
    const found = await versionsOf(ids);
    const least = pending.reduce((count, { acknowledged }, i) => (acknowledged ? i + 1 : count), 0);
    const state = new Map(ids.flatMap((id) => (this.rows.has(id) ? [[id, this.rows.get(id)!]] : [])));
    for (let count = 0; count <= pending.length; count++) {
      if (count > 0) apply(state, pending[count - 1]!.order);
      if (count < least || !ids.every((id, i) => (state.get(id)?.version ?? 0) === found[i])) continue;
      for (const { order } of pending.slice(0, count)) apply(this.rows, order);
      this.#pending = [];
      return;
    }
    throw new Error(`after a kill ${pending.length} writes, ${least} of them acknowledged, are neither there nor not`);
  }

  #touched(order: WriteOrder): number[] {
    if (order.do !== 'expire') return order.ids;
    return [...this.rows].filter(([, { until }]) => until < order.hour).map(([id]) => id);
  }

  get pending(): number {
    return this.#pending.length;
  }

  probe(ids: number[]): Probe {
    const probe = { ids, allowed: new Map(ids.map((id) => [id, new Set([this.rows.get(id)?.version ?? 0])])) };
    for (const { order } of this.#pending) this.#allow(probe, order);
    this.#probes.add(probe);
    return probe;
  }

  end(probe: Probe): void {
    this.#probes.delete(probe);
  }

  #allow({ allowed }: Probe, order: WriteOrder): void {
    if (order.do === 'upsert') for (const [i, id] of order.ids.entries()) allowed.get(id)?.add(order.versions[i]!);
    else if (order.do === 'delete') for (const id of order.ids) allowed.get(id)?.add(0);
    else for (const versions of allowed.values()) versions.add(0);
  }
}

function apply(rows: Map<number, Row>, order: WriteOrder): void {
  if (order.do === 'upsert') {
    order.ids.forEach((id, i) => {
      rows.set(id, { version: order.versions[i]!, until: order.untils[i]! });
    });
  } else if (order.do === 'delete') for (const id of order.ids) rows.delete(id);
  else for (const [id, { until }] of rows) if (until < order.hour) rows.delete(id);
}

/** The rows and changes that the killed writer and its judge agree on. */
import type { FunnelIndex } from 'funnelvec/store';
import { replaceRows } from '#dist/store/replace.js';

export const DIM = 6;
export const ROWS = 60;

export type Fields = Record<string, unknown>;

/** Said before a write; `null` after it. Rows are by id, or all with a value of `n`; or those of a group that others replace. */
export type Change =
  | ({ rows: number[] | { n: number } } & ({ set: Fields } | { overwrite: Fields } | { remove: string[] }))
  | { group: number; by: number[]; fields: Fields };

/** Said of a backup into the folder of that name, before and after. */
export type Said = Change | null | { begin: string } | { end: string };

export type State = Map<number, Fields>;

export function apply(state: State, change: Change): State {
  const next = new Map(state);
  if ('group' in change) {
    const { group, by, fields } = change;
    for (const [id, before] of state) if (before['group'] === group || by.includes(id)) next.delete(id);
    for (const id of by) next.set(id, fields);
    return next;
  }
  const { rows } = change;
  for (const [id, before] of state) {
    if (Array.isArray(rows) ? !rows.includes(id) : before['n'] !== rows.n) continue;
    if ('set' in change) next.set(id, { ...before, ...change.set });
    else if ('overwrite' in change) next.set(id, change.overwrite);
    else next.set(id, Object.fromEntries(Object.entries(before).filter(([key]) => !change.remove.includes(key))));
  }
  return next;
}

export function run(index: FunnelIndex<Fields>, change: Change): Promise<unknown> {
  if ('group' in change) {
    const { group, by, fields } = change;
    const points = by.map((id) => ({ id, vector: new Float32Array(DIM).fill(id), payload: fields }));
    return replaceRows(index, { must: { key: 'group', match: { value: group } } }, points);
  }
  const { rows } = change;
  const chosen = Array.isArray(rows) ? rows : { filter: { must: { key: 'n', match: { value: rows.n } } } };
  if ('set' in change) return index.setPayload(chosen, change.set);
  if ('overwrite' in change) return index.overwritePayload(chosen, change.overwrite);
  return index.deletePayloadKeys(chosen, change.remove);
}

export function textOf(state: State): string {
  const sorted = (fields: Fields) => Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([...state].map(([id, fields]) => [id, sorted(fields)]));
}

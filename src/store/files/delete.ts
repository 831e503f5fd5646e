/** Deaths of rows: one commit of the store; files of rows stay as they are until compaction. */
import type { Id } from '../../core/types.js';
import { deadPages } from './append.js';
import type { Core } from './core.js';
import { diskError } from './errors.js';
import { orderedRows } from './ordered-rows.js';
import { encodeState } from './state.js';
import { inTurns, type Steps, take, turnStep } from './step.js';

/** Ids that are sought before others get their turn. */
const ROWS_AT_ONCE = 2048;

/** The ordinals that died, ascending. Ids that no row has are ignored. Runs while no other write does. */
export function* remove(core: Core, ids: readonly Id[]): Steps<number[]> {
  if (core.state.idKind === null) return [];
  yield* inTurns(core.prepareFind());
  const found: number[] = [];
  for (const [i, id] of ids.entries()) {
    if (i % ROWS_AT_ONCE === ROWS_AT_ONCE - 1) yield* take(turnStep);
    const ordinal = core.find(id);
    if (ordinal !== undefined) found.push(ordinal);
  }
  return yield* removeRows(core, found);
}

/** Deletes rows by ordinals; rows that are dead already are ignored. */
export function* removeRows(core: Core, ordinals: Iterable<number>): Steps<number[]> {
  const { state } = core;
  const dying = yield* inTurns(orderedRows(ordinals, core.isAlive));
  if (dying.length === 0) return [];
  yield* inTurns(core.expectDeaths(dying));
  const aliveLeft = yield* inTurns(core.alive.without(dying));
  const next = { ...state, dead: state.dead + dying.length, generation: state.generation + 1 };
  try {
    yield* core.commit(next, { ids: [], dead: yield* deadPages(core, dying), payloads: [] }, encodeState);
  } catch (error) {
    throw diskError('deleting rows', error);
  }
  core.state = next;
  core.alive.clear(dying, aliveLeft);
  core.changed(dying);
  return dying;
}

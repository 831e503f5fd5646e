/** kill -9 during changes of payloads, replaced groups of rows and backups: FUNNELVEC_PAYLOAD_KILL_ROUNDS=200 npm test -- payload-kill */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { FunnelError } from 'funnelvec';
import { FunnelIndex } from 'funnelvec/store';
import { Random, SEED } from '../random.js';
import { killed } from './killed.js';
import { apply, type Change, DIM, type Fields, ROWS, type Said, type State, textOf } from './payload-kill-model.js';

const ROUNDS = Number(process.env['FUNNELVEC_PAYLOAD_KILL_ROUNDS'] ?? 6);
const CHILD = fileURLToPath(new URL('./payload-kill-child.js', import.meta.url));

describe('kill -9 of a writer of payloads', () => {
  const folder = mkdtempSync(join(tmpdir(), 'funnelvec-kill-payload-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  it(`at any of ${ROUNDS} moments loses nothing acknowledged, and opens no half backup`, async (t) => {
    const random = new Random(SEED);
    const path = join(folder, 'index');
    let state: State = new Map(Array.from({ length: ROWS }, (_, id) => [id, { n: id % 5 }]));
    const made = await FunnelIndex.create<Fields>(path, { dim: DIM });
    await made.upsert(Array.from(state, ([id, payload]) => ({ id, vector: random.vector(DIM), payload })));
    for (const [key, type] of [
      ['n', 'integer'],
      ['tag', 'keyword'],
      ['round', 'integer'],
    ] as const) {
      await made.createPayloadIndex(key, type);
    }
    await made.close();
    const seen = { changes: 0, cut: 0, whole: 0, absent: 0 };
    for (let round = 0; round < ROUNDS; round++) {
      const lines = random.int(1, 25);
      const afterMs = random.int(0, 20);
      // Some after a backup, some in the middle of one.
      const hasEnd = round % 2 === 1;
      const said = await killed<Said>([CHILD, path, folder, String(round + 1)], (text) =>
        text.split('\n').length > lines && (!hasEnd || text.includes('"end"')) ? afterMs : undefined,
      );
      const told = replay(state, said);
      seen.changes += told.acknowledged;
      const index = await FunnelIndex.open<Fields>(path, { autoOptimize: false });
      const found = await stateOf(index);
      const at = [told.states.at(-1)!, ...(told.maybe ? [told.maybe] : [])].find(
        (one) => textOf(one) === textOf(found),
      );
      assert.ok(
        at !== undefined,
        `round ${round}, seed ${SEED}: what was acknowledged is lost, or half a change is there`,
      );
      if (told.maybe) seen.cut++;
      await answersAsPayloads(index, at);
      assert.deepEqual((await index.verify()).problems, []);
      await index.close();
      const all = told.maybe ? [...told.states, told.maybe] : told.states;
      for (const [name, { from, to }] of told.backups) {
        const whole = await backedUp(join(folder, name));
        if (whole === undefined) {
          assert.equal(to, undefined, `backup ${name} was acknowledged, and is not there`);
          seen.absent++;
          continue;
        }
        seen.whole++;
        const among = all.slice(from, to === undefined ? undefined : to + 2).map(textOf);
        assert.ok(among.includes(textOf(whole)), `backup ${name} is of no commit that there was (seed ${SEED})`);
        rmSync(join(folder, name), { recursive: true });
      }
      state = at;
    }
    t.diagnostic(JSON.stringify(seen));
    assert.ok(seen.changes > ROUNDS, `only ${seen.changes} changes were acknowledged`);
    assert.ok(seen.whole > 0 && seen.absent > 0, JSON.stringify(seen));
  });
});

async function stateOf(index: FunnelIndex<Fields>): Promise<State> {
  const { points } = await index.scroll({ limit: 10 * ROWS, withPayload: true });
  return new Map(points.map(({ id, payload }) => [id as number, payload!]));
}

/** The rows of a backup, where there is one; it is whole then. */
async function backedUp(path: string): Promise<State | undefined> {
  if (!existsSync(path)) return undefined;
  let index: FunnelIndex<Fields>;
  try {
    index = await FunnelIndex.open<Fields>(path);
  } catch (error) {
    assert.ok(error instanceof FunnelError && error.code === 'NO_INDEX', String(error));
    return undefined;
  }
  assert.deepEqual((await index.verify()).problems, []);
  const state = await stateOf(index);
  await answersAsPayloads(index, state);
  await index.close();
  return state;
}

async function answersAsPayloads(index: FunnelIndex<Fields>, state: State): Promise<void> {
  for (const key of ['n', 'tag', 'round']) {
    for (const value of new Set([...state.values()].map((fields) => fields[key]))) {
      if (value === undefined) continue;
      const filter = { must: { key, match: { value: value as string } } };
      const { points } = await index.scroll({ filter, limit: 10 * ROWS, withPayload: false });
      const wanted = [...state].filter(([, fields]) => fields[key] === value).map(([id]) => id);
      assert.deepEqual(
        points.map(({ id }) => id),
        wanted,
        `${key} is ${value}`,
      );
    }
    const { stats } = await index.query({
      vector: new Float32Array(DIM).fill(1),
      filter: { must: { is_empty: { key } } },
    });
    assert.deepEqual(stats.filter!.unindexed, []);
  }
}

interface Told {
  /** Before the first change, and after each that was acknowledged. */
  states: State[];
  /** After the one that was under way. */
  maybe: State | undefined;
  acknowledged: number;
  /** Between which states each was made; without an end where it was under way. */
  backups: Map<string, { from: number; to?: number }>;
}

function replay(start: State, said: Said[]): Told {
  const states = [start];
  const backups: Told['backups'] = new Map();
  let change: Change | undefined;
  for (const line of said) {
    if (line === null) {
      if (change !== undefined) states.push(apply(states.at(-1)!, change));
      change = undefined;
    } else if ('begin' in line) backups.set(line.begin, { from: states.length - 1 });
    else if ('end' in line) backups.get(line.end)!.to = states.length - 1;
    else change = line;
  }
  const maybe = change && apply(states.at(-1)!, change);
  return { states, maybe, acknowledged: states.length - 1, backups };
}

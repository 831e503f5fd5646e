/** kill -9 at random moments of appends, deletes, segment commits, compaction and opening, 200 times. */
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { IndexFiles } from '#dist/store/files/index-files.js';
import { nativeFiles } from '#dist/store/files/native.js';
import { Random, SEED } from '../../random.js';
import { killed } from '../killed.js';
import type { Intent } from './kill-child.js';
import {
  applyAppend,
  applyDelete,
  CONFIG,
  copyModel,
  difference,
  emptyModel,
  filler,
  type Model,
  scratchFolder,
} from './model.js';

const ROUNDS = Number(process.env['FUNNELVEC_KILL_ROUNDS'] ?? 200);
const LANES = 2;
const CHILD = fileURLToPath(new URL('./kill-child.js', import.meta.url));

describe('kill -9', () => {
  const scratch = scratchFolder();
  after(scratch.remove);

  it(`at any of ${ROUNDS} moments loses nothing acknowledged and shows nothing else`, async () => {
    const lanes = await Promise.all(Array.from({ length: LANES }, (_, lane) => runLane(scratch.path, lane, ROUNDS)));
    const total = lanes.reduce((all, { operations }) => all + operations, 0);
    const inFlight = lanes.reduce((all, one) => all + one.inFlight, 0);
    assert.ok(total > ROUNDS, `only ${total} operations were acknowledged`);
    assert.ok(inFlight > ROUNDS / 4, `only ${inFlight} kills hit an operation`);
  });

  const rounds = ROUNDS / 10;
  it(`at any of ${rounds} moments finds large payloads, where free pages of the store are given back`, async (t) => {
    filler.bytes = 20_000;
    try {
      const { holes } = await runLane(scratch.path, LANES, LANES + rounds * LANES);
      if (nativeFiles().punchHole === undefined) return t.skip('nothing is given back here');
      assert.ok(holes > 0, `none of ${rounds} stores has a hole`);
    } finally {
      filler.bytes = 0;
    }
  });
});

interface Lane {
  operations: number;
  inFlight: number;
  /** Stores that take less on the disk than they are long. */
  holes: number;
}

async function runLane(scratch: string, lane: number, rounds: number): Promise<Lane> {
  const random = new Random(SEED + lane);
  let model = emptyModel();
  let path = '';
  let operations = 0;
  let inFlight = 0;
  let holes = 0;
  const most = filler.bytes > 0 ? 300 : 60;
  let slowness = 1;
  for (let round = lane; round < rounds; round += LANES) {
    if (path === '' || random.chance(0.05)) {
      path = join(scratch, `index-${round}`);
      await (await IndexFiles.create(path, CONFIG)).close();
      model = emptyModel();
    }
    const durability = random.chance(0.7) ? 'full' : 'relaxed';
    // Some die while they open the index.
    const fromStart = random.chance(0.1) ? random.int(40, 150) : undefined;
    const args = [CHILD, path, String(round + 1), durability, String(filler.bytes)];
    const said = await killed<unknown>(args, () => slowness * random.int(0, most), fromStart);
    const { sure, maybe, acknowledged } = replay(model, said);
    operations += acknowledged;
    if (maybe !== undefined) inFlight++;
    const index = await IndexFiles.open(path);
    const why = difference(index, sure);
    const whyNot = why === undefined || maybe === undefined ? why : difference(index, maybe);
    assert.equal(whyNot, undefined, `round ${round}, seed ${SEED}: ${why}; or: ${whyNot}`);
    model = why === undefined ? sure : maybe!;
    await index.close();
    const { size, blocks } = statSync(join(path, 'data.mdb'));
    if (512 * blocks < size) holes++;
    // A slow disk needs longer for as many operations, or until it is given something back.
    const isSlow = filler.bytes > 0 ? holes === 0 : operations < 2 * (round + 1);
    slowness = isSlow ? Math.min(1.3 * slowness, 30) : 1;
  }
  return { operations, inFlight, holes };
}

/** The model after what was acknowledged, and after what was under way besides. */
function replay(start: Model, said: unknown[]): { sure: Model; maybe: Model | undefined; acknowledged: number } {
  let sure = start;
  let maybe: Model | undefined;
  let acknowledged = 0;
  let intent: Intent | undefined;
  for (const line of said.slice(1)) {
    if (line === null) {
      sure = maybe!;
      maybe = undefined;
      acknowledged++;
    } else if (typeof line === 'string') {
      const { segment, remove } = intent as Extract<Intent, { segment: number }>;
      maybe = copyModel(sure);
      for (const name of remove) maybe.segments.delete(name);
      maybe.segments.set(line, segment);
      maybe.meta = { seed: segment };
    } else {
      intent = line as Intent;
      if ('append' in intent) maybe = applyAppend(sure, intent.append);
      else if ('delete' in intent) maybe = applyDelete(sure, intent.delete);
      else maybe = sure;
    }
  }
  return { sure, maybe, acknowledged };
}

/** Writes rest while more rows are dead than alive, so that what drops these catches up. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type Chores, Upkeep } from '#dist/store/upkeep.js';
import { again } from '../patient.js';

/** An index with so many rows, whose work ends when it is told to. */
function upkeepOf(deadCount: number, liveCount: number, automatic = true) {
  let end = () => {};
  const chores = {
    files: { deadCount, liveCount, bytesPerRow: 0 },
    live: { unindexed: [], deadCoded: 0, bytesPerCode: 0 },
    isOpen: () => true,
    wantsQueries: () => false,
    run: () => new Promise<void>((resolve) => (end = resolve)),
  } as unknown as Chores;
  return { upkeep: new Upkeep(chores, automatic), end: () => end() };
}

async function restOf({ upkeep }: { upkeep: Upkeep }, took: number): Promise<number> {
  const began = performance.now();
  await upkeep.rest(took);
  return performance.now() - began;
}

it('a write rests by how many times the dead outnumber the living, and by the time that it took', async () => {
  const three = upkeepOf(300, 100);
  await again(async () => assert.ok((await restOf(three, 1e6)) < 1000, 'nothing is under way'));
  const done = three.upkeep.optimize();
  await again(async () => {
    const took = await restOf(three, 100);
    assert.ok(took > 190 && took < 2000, `${took} ms of rest after a write of 100 ms`);
  });
  three.end();
  await done;
});

it('a write does not rest where fewer are dead, nor where only optimize() drops them', async () => {
  for (const one of [upkeepOf(100, 100), upkeepOf(0, 0), upkeepOf(300, 100, false)]) {
    const done = one.upkeep.optimize();
    await again(async () => assert.ok((await restOf(one, 1e6)) < 1000));
    one.end();
    await done;
  }
});

it('a write that rests goes on when the work has ended', async () => {
  await again(async () => {
    const many = upkeepOf(100_000, 1);
    const done = many.upkeep.optimize();
    setTimeout(many.end, 50);
    assert.ok((await restOf(many, 60_000)) < 4000);
    await done;
  });
});

/** open() in slices: whoever writes, opens or closes meanwhile, what was opened is the index of one moment. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { IndexFiles } from '#dist/store/files/index-files.js';
import { Random, SEED } from '../../random.js';
import { CONFIG, DIM, scratchFolder } from './model.js';
import { readRow } from './read-rows.js';

const scratch = scratchFolder();
after(scratch.remove);
let made = 0;
const fresh = () => join(scratch.path, `index-${made++}`);
const isLocked = { code: 'INDEX_LOCKED', message: /this very process/ };

/** Rows of which each has, in payload and first value, the number of the commit. */
function batch(ids: readonly string[], commit: number) {
  return {
    ids,
    rows: new Float32Array(ids.length * DIM).fill(commit),
    payloads: ids.map(() => ({ commit })),
  };
}

const idsOf = (count: number, prefix = 'row') => Array.from({ length: count }, (_, i) => `${prefix}-${i}`);

async function filled(path: string, count: number): Promise<IndexFiles> {
  const index = await IndexFiles.create(path, CONFIG, { durability: 'relaxed' });
  for (let from = 0; from < count; from += 20_000) {
    await index.append(batch(idsOf(count).slice(from, from + 20_000), 0));
  }
  return index;
}

describe('open() of many rows', () => {
  it('gives a reader all rows of one commit while a writer replaces and deletes them', {
    timeout: 120_000,
  }, async (t) => {
    const path = fresh();
    const random = new Random(SEED);
    const writer = await filled(path, 24_000);
    const ids = idsOf(24_000);
    // By generation: the ids that live, and the commit that each is of.
    const moments = new Map<number, Map<string, number>>();
    let living = new Map(ids.map((id) => [id, 0]));
    moments.set(writer.generation, living);
    let writing = true;
    const write = async () => {
      for (let commit = 1; writing; commit++) {
        const from = random.int(0, 20_000);
        const some = ids.slice(from, from + random.int(1, 2000));
        const isDelete = commit % 3 === 0;
        living = new Map(living);
        if (isDelete) for (const id of some) living.delete(id);
        else for (const id of some) living.set(id, commit);
        // Readers may see it before the promise says so.
        moments.set(writer.generation + 1, living);
        await (isDelete ? writer.delete(some) : writer.append(batch(some, commit)));
        if (commit % 4 === 0) await writer.compact(); // its commits change no row
      }
    };
    const written = write();
    const began = performance.now();
    let opened = 0;
    let moved = 0;
    const value = new Float32Array(DIM);
    // A slow disk takes long for a commit.
    const isOver = () => performance.now() - began > (moved > 0 ? 1000 : 60_000);
    for (; opened < 12 || !isOver(); opened++) {
      const before = writer.generation;
      const reader = await IndexFiles.open(path, { readOnly: true });
      if (reader.generation > before) moved++;
      const seen = Math.max(...[...moments.keys()].filter((generation) => generation <= reader.generation));
      const expected = moments.get(seen) ?? living;
      assert.equal(reader.liveCount, expected.size, `seed ${SEED}`);
      let wrong = 0;
      for (const [id, commit] of expected) {
        if (random.int(0, 9) > 0 && commit === 0) continue;
        const ordinal = reader.ordinalOf(id);
        if (ordinal === undefined || reader.idOf(ordinal) !== id) wrong++;
        else if (ordinal % 101 === 0) {
          readRow(reader, ordinal, value);
          if (value[0] !== commit) wrong++;
        }
      }
      assert.equal(wrong, 0, `of ${expected.size} rows, seed ${SEED}`);
      await reader.close();
      await nextTurn();
    }
    writing = false;
    await written;
    assert.ok(moved > 0, 'no commit came while a reader was opened');
    t.diagnostic(`${opened} readers, ${moved} with commits meanwhile, ${moments.size} generations`);
    await writer.close();
  });

  it('is one of two calls at once, of which the writer comes first', async () => {
    const path = fresh();
    await (await filled(path, 24_000)).close();
    const first = IndexFiles.open(path);
    const second = IndexFiles.open(path);
    const broken = IndexFiles.open(path, { breakLock: true });
    const reader = IndexFiles.open(path, { readOnly: true });
    assert.throws(() => IndexFiles.openSync(path), isLocked);
    const now = IndexFiles.openSync(path, { readOnly: true });
    assert.equal(now.liveCount, 24_000);
    await Promise.all([assert.rejects(second, isLocked), assert.rejects(broken, isLocked)]);
    const index = await first;
    assert.equal((await reader).liveCount, 24_000);
    await index.append(batch(['one more'], 1));
    assert.ok(now.refresh() && (await reader).refresh());
    assert.deepEqual([now.liveCount, (await reader).liveCount], [24_001, 24_001]);
    await assert.rejects(IndexFiles.open(path), isLocked);
    await Promise.all([now.close(), (await reader).close(), index.close()]);
    await (await IndexFiles.open(path)).close();
  });
});

describe('a writer behind a reader that was closed in the same go', () => {
  it('opens, whichever of both waits for promises', async () => {
    const path = fresh();
    await (await filled(path, 10)).close();
    const readers = [
      () => IndexFiles.openSync(path, { readOnly: true }),
      () => IndexFiles.open(path, { readOnly: true }),
    ];
    for (const openReader of readers) {
      for (const openWriter of [() => IndexFiles.openSync(path), () => IndexFiles.open(path)]) {
        const reader = await openReader();
        assert.equal(reader.liveCount, 10);
        reader.closeSync();
        const writer = await openWriter(); // called before any promise of the reader's is settled
        await writer.append(batch(['row-3'], 1));
        writer.closeSync();
      }
    }
  });
});

/** Free pages of the store are given back to the file system, but none that anybody may still read. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { IndexFiles } from '#dist/store/files/index-files.js';
import { oldestRead } from '#dist/store/files/lmdb-holes.js';
import { nativeFiles } from '#dist/store/files/native.js';
import { CONFIG, DIM, scratchFolder } from './model.js';

const scratch = scratchFolder();
after(scratch.remove);
const skip = nativeFiles().punchHole === undefined && 'nothing is given back here';
const ROWS = 6000;

const text = (id: number) => `payload ${id} `.repeat(60);

async function filled(name: string): Promise<IndexFiles> {
  const index = await IndexFiles.create(join(scratch.path, name), CONFIG, { durability: 'relaxed' });
  const ids = Array.from({ length: ROWS }, (_, id) => id);
  const rows = new Float32Array(DIM * ROWS).fill(1);
  await index.append({ ids, rows, payloads: ids.map((id) => ({ id, text: text(id) })) });
  return index;
}

const isKept = (id: number) => id % 10 === 0;

async function deleteMost(index: IndexFiles): Promise<void> {
  await index.delete(Array.from({ length: ROWS }, (_, id) => id).filter((id) => !isKept(id)));
}

function checkRows(index: IndexFiles): void {
  for (let id = 0; id < ROWS; id++) {
    const ordinal = index.ordinalOf(id);
    assert.equal(ordinal !== undefined, isKept(id));
    if (ordinal !== undefined) assert.deepEqual(index.payloadOf(ordinal), { id, text: text(id) });
  }
}

const store = (index: IndexFiles) => index.info().bytes.store;

describe('free pages of the store', { skip }, () => {
  for (const how of ['compact', 'compactSync'] as const) {
    it(`go back to the file system by ${how}(), and are used again`, async () => {
      const index = await filled(how);
      const before = store(index);
      await deleteMost(index);
      await index[how]();
      assert.ok(store(index) < 0.35 * before, `${store(index)} of ${before} bytes for a tenth of the rows`);
      checkRows(index);
      const ids = Array.from({ length: ROWS }, (_, id) => ROWS + id);
      const rows = new Float32Array(DIM * ROWS).fill(1);
      await index.append({ ids, rows, payloads: ids.map((id) => ({ id, text: text(id) })) });
      assert.ok(store(index) < 1.35 * before);
      await index.close();
      const again = await IndexFiles.open(index.path); // which looks at all pages
      checkRows({
        ordinalOf: (id: number) => again.ordinalOf(id),
        payloadOf: (o: number) => again.payloadOf(o),
      } as never);
      assert.equal(again.liveCount, ROWS / 10 + ROWS);
      await again.close();
    });
  }

  it('go back at the slowest, too: each look gives back something, however long it took', async (t) => {
    const index = await filled('slow');
    const before = store(index);
    await deleteMost(index);
    const now = performance.now.bind(performance);
    let looks = 0;
    t.mock.method(performance, 'now', () => now() + 20 * looks++); // every stretch is over before it begins
    await index.compact();
    t.mock.restoreAll();
    assert.ok(store(index) < 0.35 * before);
    checkRows(index);
    await index.close();
  });

  it('stay while a process reads at a commit that has them, and go when it ends, even by kill -9', async () => {
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const index = await filled(signal);
      const before = store(index);
      const child = spawn(process.execPath, [
        fileURLToPath(new URL('./holes-child.js', import.meta.url)),
        join(index.path, 'data.mdb'),
      ]);
      child.stderr.pipe(process.stderr);
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
      const first = JSON.parse((await lines.next()).value) as { count: number };
      assert.equal(first.count, ROWS);
      await deleteMost(index);
      await index.compact();
      assert.ok(store(index) > 0.9 * before, `${store(index)} of ${before} bytes, though somebody reads them`);
      child.stdin.write('again\n');
      assert.deepEqual(JSON.parse((await lines.next()).value), first);
      child.kill(signal);
      await once(child, 'close');
      await index.compact();
      assert.ok(store(index) < 0.35 * before, `${store(index)} of ${before} bytes when nobody reads them`);
      checkRows(index);
      await index.close();
    }
  });

  it('stay where the system refuses, and nothing fails by that', async () => {
    const files = nativeFiles();
    const { punchHole } = files;
    const refusals = [
      () => 28, // ENOSPC
      () => {
        throw new Error('refused');
      },
    ];
    for (const [i, refuse] of refusals.entries()) {
      const index = await filled(`refused-${i}`);
      const before = store(index);
      await deleteMost(index);
      let asked = 0;
      files.punchHole = () => {
        asked++;
        return refuse();
      };
      try {
        await index.compact();
      } finally {
        files.punchHole = punchHole!;
      }
      assert.ok(asked > 0 && store(index) > 0.9 * before);
      await index.append({ ids: [ROWS], rows: new Float32Array(DIM).fill(2), payloads: [{ id: ROWS }] });
      await index.close();
      const again = await IndexFiles.open(index.path);
      assert.deepEqual(again.payloadOf(again.ordinalOf(ROWS)!), { id: ROWS });
      assert.ok(store(again) < 0.35 * before, 'the next open() tries again');
      await again.close();
    }
  });

  it('go when the index is opened where a crash came before that', async () => {
    const index = await filled('crash');
    const before = store(index);
    const child = spawn(process.execPath, [
      fileURLToPath(new URL('./holes-child.js', import.meta.url)),
      join(index.path, 'data.mdb'),
    ]);
    await once(child.stdout, 'data');
    await deleteMost(index);
    await index.compact();
    await index.close();
    child.kill('SIGKILL');
    await once(child, 'close');
    const again = await IndexFiles.open(index.path);
    assert.ok(store(again) < 0.35 * before, `${store(again)} of ${before} bytes`);
    checkRows(again);
    await again.close();
  });
});

it('the oldest commit that is read is that of the table of readers, or none where it is not understood', () => {
  const head = '\t\tpid\t\t thread\t\t txnid\n';
  assert.equal(oldestRead('(no active readers)\n'), Number.POSITIVE_INFINITY);
  assert.equal(oldestRead(`${head}   1234 7f00aa80 -\n`), Number.POSITIVE_INFINITY);
  assert.equal(oldestRead(`${head}   1234 7f00aa80 52\n      99 7f00aa80 -\n     7 70ff 31\n`), 31);
  for (const strange of ['(no reader locks)\n', `${head}   1234 7f00aa80\n`, 'something else']) {
    assert.equal(oldestRead(strange), 0);
  }
});

/** Payloads of a large write go into the store ahead of its commit, in parts: nobody sees them before, and none stay without it. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { IndexFiles } from '#dist/store/files/index-files.js';
import type { Entries } from '#dist/store/files/kv.js';
import { LMDB_FILE } from '#dist/store/files/lmdb-env.js';
import { lmdbKv } from '#dist/store/files/lmdb-kv.js';
import { Random, SEED } from '../../random.js';
import { killed } from '../killed.js';
import { CONFIG, DIM, scratchFolder } from './model.js';

const scratch = scratchFolder();
after(scratch.remove);
let made = 0;
const fresh = () => join(scratch.path, `index-${made++}`);
const CHILD = fileURLToPath(new URL('./staged-child.js', import.meta.url));
/** Rows of a call: enough for several parts. */
const MANY = 10_000;

const request = (from: number, count: number) => ({
  ids: Array.from({ length: count }, (_, i) => from + i),
  rows: new Float32Array(count * DIM).fill(1),
  payloads: Array.from({ length: count }, (_, i) => ({ row: from + i })),
});

/** Whether the store has payloads from this row on. */
function hasPayloads(path: string, from: number, rows: number): boolean {
  const kv = lmdbKv(join(path, LMDB_FILE), { readOnly: true, relaxed: true });
  try {
    for (let ordinal = from; ordinal < rows; ordinal++) if (kv.payload(ordinal) !== undefined) return true;
    return false;
  } finally {
    kv.close().now();
  }
}

describe('payloads ahead of their commit', () => {
  it('are seen by a reader in the moment of the commit, all of them', async () => {
    const path = fresh();
    const index = await IndexFiles.create(path, CONFIG, { durability: 'relaxed' });
    await index.append(request(0, 10));
    const reader = await IndexFiles.open(path, { readOnly: true });
    let isWriting = true;
    const writing = index.append(request(10, MANY)).finally(() => {
      isWriting = false;
    });
    let looks = 0;
    while (isWriting) {
      reader.refresh();
      assert.ok(reader.rows === 10 || reader.rows === 10 + MANY, `${reader.rows} rows`);
      assert.deepEqual(reader.payloadOf(reader.rows - 1), { row: reader.rows - 1 });
      looks++;
      await new Promise(setImmediate);
    }
    await writing;
    assert.ok(looks > 5, `${looks} looks`);
    for (let row = 0; row < 10 + MANY; row += 499) assert.deepEqual(index.payloadOf(row), { row });
    await reader.close();
    await index.close();
  });

  it('go when the commit does not come: at once, or when the next writer opens the index', async () => {
    const path = fresh();
    const index = await IndexFiles.create(path, CONFIG);
    await index.append(request(0, 10));
    const { kv: own } = index.reading(({ options }) => options);
    const { commit } = own;
    own.commit = () => ({ now: () => assert.fail(), later: () => Promise.reject(new Error('no commit')) });
    await assert.rejects(index.append(request(10, MANY)), { code: 'DISK' });
    own.commit = commit;
    assert.ok(!hasPayloads(path, 10, 10 + MANY));
    await index.append({ ...request(10, 1), payloads: undefined });
    assert.deepEqual([index.rows, index.payloadOf(10)], [11, undefined]);
    await index.close();
    const kv = lmdbKv(join(path, LMDB_FILE), { readOnly: false, relaxed: false });
    kv.claim(() => new Uint8Array(1));
    const entries: Entries = Array.from({ length: MANY }, (_, i) => [11 + i, new Uint8Array(8)]);
    assert.equal(await kv.stage(entries.slice(0, 100)).later(), false); // few belong into their commit
    assert.equal(kv.payload(11), undefined);
    assert.equal(await kv.stage(entries).later(), true);
    assert.equal(kv.payload(10 + MANY)?.length, 8);
    await kv.close().later();
    assert.ok(hasPayloads(path, 11, 12));
    const again = await IndexFiles.open(path);
    assert.deepEqual(again.payloadOf(9), { row: 9 });
    await again.close();
    assert.ok(!hasPayloads(path, 11, 11 + MANY));
  });

  it('go with the next write where they could not go at once, also where its rows have none', async () => {
    const path = fresh();
    const index = await IndexFiles.create(path, CONFIG);
    await index.append(request(0, 10));
    const { kv: own } = index.reading(({ options }) => options);
    const { commit, unstage } = own;
    own.commit = () => ({ now: () => assert.fail(), later: () => Promise.reject(new Error('no commit')) });
    own.unstage = () => ({ now: () => assert.fail(), later: () => Promise.reject(new Error('no room')) });
    await assert.rejects(index.append(request(10, MANY)), { code: 'DISK' });
    Object.assign(own, { commit, unstage });
    assert.ok(hasPayloads(path, 10, 10 + MANY));
    await index.append({ ...request(10, 20), payloads: undefined });
    assert.ok(!hasPayloads(path, 10, 10 + MANY));
    await index.close();
  });

  it('end the writing, by the first error, where the store neither takes them nor opens anew', async () => {
    const path = fresh();
    const index = await IndexFiles.create(path, CONFIG);
    await index.append(request(0, 10));
    const { kv: own } = index.reading(({ options }) => options);
    own.stage = () => ({ now: () => assert.fail(), later: () => Promise.reject(new Error('disk is full')) });
    own.reopen = () => {
      throw new Error('does not open');
    };
    await assert.rejects(index.append(request(10, MANY)), /disk is full/);
    await assert.rejects(index.append(request(10, 1)), { code: 'NOT_WRITABLE' });
    assert.deepEqual([index.rows, index.payloadOf(9)], [10, { row: 9 }]);
    await index.close();
  });

  it('are put by the writer alone', async () => {
    const path = fresh();
    await (await IndexFiles.create(path, CONFIG)).close();
    const options = { readOnly: false, relaxed: true };
    const [first, second] = [lmdbKv(join(path, LMDB_FILE), options), lmdbKv(join(path, LMDB_FILE), options)];
    const entries: Entries = Array.from({ length: MANY }, (_, i) => [i, new Uint8Array(8)]);
    await assert.rejects(first.stage(entries).later(), { code: 'NOT_WRITABLE' });
    first.claim(() => new Uint8Array(1));
    second.claim(() => new Uint8Array(1));
    await assert.rejects(first.stage(entries).later(), { code: 'INDEX_LOCKED' });
    assert.equal(second.payload(0), undefined);
    await second.stage(entries).later();
    await assert.rejects(first.unstage(0).later(), { code: 'INDEX_LOCKED' });
    assert.ok(second.payload(0));
    await second.unstage(5).later();
    assert.deepEqual([second.payload(4)?.length, second.payload(5)], [8, undefined]);
    second.unstage(0).now();
    assert.equal(second.payload(4), undefined);
    await first.close().later();
    await second.close().later();
  });

  it('are all there or none after kill -9', async () => {
    const random = new Random(SEED);
    const path = fresh();
    await (await IndexFiles.create(path, CONFIG)).close();
    let sure = 0;
    for (let round = 0; round < 3; round++) {
      const said = await killed<{ begin?: number; end?: number }>([CHILD, path, String(MANY)], (text) =>
        text.includes('begin') ? random.int(20, 250) : undefined,
      );
      for (const { end } of said) if (end !== undefined) sure = end + MANY;
      const index = await IndexFiles.open(path);
      const { rows } = index;
      assert.ok(rows === sure || rows === sure + MANY, `${rows} rows of ${sure} or one call more (seed ${SEED})`);
      for (let row = 0; row < rows; row += 97) assert.deepEqual(index.payloadOf(row), { row });
      sure = rows;
      await index.close();
      assert.ok(!hasPayloads(path, rows, rows + MANY));
    }
  });
});

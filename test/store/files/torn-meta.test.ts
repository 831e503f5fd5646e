/** A read of LMDB's meta page that falls into a writer's commit: the number of the new commit, trees of the one before. */
import assert from 'node:assert/strict';
import fs, { closeSync, openSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { checkLmdbFile, writerRecordOf } from '#dist/store/files/lmdb-check.js';
import { LMDB_FILE } from '#dist/store/files/lmdb-env.js';
import { lmdbKv } from '#dist/store/files/lmdb-kv.js';
import { Check } from '#dist/store/files/lmdb-pages.js';
import { runNow } from '#dist/store/files/step.js';
import { scratchFolder } from './model.js';

const PAGE = 4096;
const HEADER = 24;
/** Bytes of a meta page before the number of its commit. */
const TREES = 128;

const scratch = scratchFolder();
after(scratch.remove);

/** Runs with one read torn: the one with this number among those that reach the meta page at `offset`. */
function withTorn<T>(at: number, offset: number, older: Buffer, run: () => T): { value: T; reads: number } {
  const { readSync } = fs;
  let reads = 0;
  const torn = (fd: number, into: Uint8Array, from: number, length: number, position: number) => {
    const got = readSync(fd, into, from, length, position);
    const begin = offset + HEADER - position;
    if (begin >= 0 && begin + TREES <= got && reads++ === at)
      into.set(older.subarray(HEADER, HEADER + TREES), from + begin);
    return got;
  };
  fs.readSync = torn as typeof fs.readSync;
  syncBuiltinESMExports();
  try {
    return { value: run(), reads };
  } finally {
    fs.readSync = readSync;
    syncBuiltinESMExports();
  }
}

describe('a meta page that is read while a writer writes it', () => {
  it('is not taken for one of its commit, whichever read it is', { skip: process.platform === 'win32' }, async () => {
    const path = join(scratch.path, LMDB_FILE);
    const kv = lmdbKv(path, { readOnly: false, relaxed: true });
    kv.claim(() => Buffer.from('{"pid":1}'));
    const fd = openSync(path, 'r');
    const metas: Buffer[] = [];
    for (let turn = 0; turn < 6; turn++) {
      const ids: [number, Uint8Array][] = Array.from({ length: 40 * turn }, (_, i) => [
        i,
        new Uint8Array(300).fill(turn),
      ]);
      kv.commit({ state: new Uint8Array(100), ids, dead: [], payloads: [] }).now();
      const pages = Buffer.alloc(2 * PAGE);
      fs.readSync(fd, pages, 0, pages.length, 0);
      metas.push(pages);
    }
    const truth = new Check(fd).meta();
    const offset = (truth.txn % 2) * PAGE;
    const older = metas.at(-3)!.subarray(offset, offset + PAGE);
    assert.equal(older.readBigUInt64LE(HEADER + TREES), BigInt(truth.txn - 2));
    const looks: [string, () => unknown, unknown][] = [
      ['a look at it', () => new Check(fd).meta(), truth],
      [
        'a check of the file',
        () => {
          const check = checkLmdbFile(path, LMDB_FILE);
          runNow(check.rest());
          check.close();
        },
        undefined,
      ],
      ['the record of the writer', () => writerRecordOf(path)?.toString(), '{"pid":1}'],
    ];
    for (const [what, look, answer] of looks) {
      let at = 0;
      for (let reads = 1; at < reads; at++) {
        const torn = withTorn(at, offset, older, look);
        assert.deepEqual(torn.value, answer, `${what}: read ${at} of ${torn.reads}`);
        reads = torn.reads;
      }
      assert.ok(at >= 2, `${what}: ${at} reads`);
    }
    closeSync(fd);
    await kv.close().later();
  });
});

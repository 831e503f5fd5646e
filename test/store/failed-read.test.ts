/** A read that fails behind a commit: what was acknowledged stays, in memory or on disk. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { FunnelIndex } from 'funnelvec/store';

const folder = fs.mkdtempSync(join(tmpdir(), 'funnelvec-failed-read-'));
after(() => fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

/** Every read fails while `run` runs, but for those of LMDB, which reads by itself. */
async function withoutReads<T>(run: () => T | Promise<T>): Promise<{ result: T; failed: number }> {
  const { readSync } = fs;
  let failed = 0;
  fs.readSync = (() => {
    failed++;
    throw Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' });
  }) as typeof readSync;
  syncBuiltinESMExports();
  try {
    return { result: await run(), failed };
  } finally {
    fs.readSync = readSync;
    syncBuiltinESMExports();
  }
}

describe('a row file that cannot be read', () => {
  for (const how of ['upsert', 'upsertSync'] as const) {
    it(`loses nothing of an ${how} that was committed`, async () => {
      const path = join(folder, how);
      // Memory holds four of the six rows: the fourth is read from the file behind the commit.
      const index = await FunnelIndex.create(path, { dim: 2, memory: 4 * 12 });
      const points = (from: number) =>
        [0, 1, 2].map((i) => ({ id: from + i, vector: [from + i + 1, 1], payload: { i } }));
      let failures = 0;
      for (const from of [0, 10, 1]) {
        const { failed } = await withoutReads(() => index[how](points(from)));
        failures += failed;
      }
      assert.ok(failures > 0, 'no read was tried');
      const whole = (one: FunnelIndex) => {
        assert.deepEqual(
          [0, 1, 2, 3, 10, 11, 12].map((id) => [...one.getSync([id])[0]!.vector]),
          [0, 1, 2, 3, 10, 11, 12].map((id) => [id + 1, 1]),
        );
        const { hits } = one.querySync({ vector: [4, 1], limit: 20, mode: 'exact' });
        assert.equal(hits.length, 7);
      };
      whole(index);
      await index.upsert(points(20));
      assert.equal(index.count, 10);
      await index.delete([20, 21, 22]);
      await index.close();
      const again = await FunnelIndex.open(path);
      whole(again);
      await again.close();
    });
  }
});

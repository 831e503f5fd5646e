/** Copies of an index while it is used, and what verify() finds. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { FunnelError } from 'funnelvec';
import { type CheckProgress, FunnelIndex } from 'funnelvec/store';
import { takeKernelLock } from '#dist/store/files/kernel-lock.js';
import { Random, SEED } from '../random.js';

const DIM = 8;
const folder = mkdtempSync(join(tmpdir(), 'funnelvec-backup-'));
after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
const random = new Random(SEED);
let made = 0;
const fresh = () => join(folder, String(made++));

async function filled(rows: number, path = fresh()): Promise<FunnelIndex> {
  const index = await FunnelIndex.create(path, { dim: DIM });
  await index.upsert(
    Array.from({ length: rows }, (_, id) => ({ id, vector: random.vector(DIM), payload: { id, text: `row ${id}` } })),
  );
  await index.createPayloadIndex('id', 'integer');
  await index.optimize();
  return index;
}

const refused = (code: string, text: RegExp) => (error: unknown) => {
  assert.ok(error instanceof FunnelError, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, text);
  return true;
};

async function all(index: FunnelIndex) {
  const { points } = await index.scroll({ limit: 10_000, withPayload: true, withVector: true });
  return points;
}

describe('backup()', () => {
  it('copies rows, payloads, codes and payload indexes; the copy is an index of its own', async () => {
    const index = await filled(3000);
    await index.delete({ filter: { must: { key: 'id', range: { lt: 100 } } } });
    await index.upsert([{ id: 5000, vector: random.vector(DIM) }]);
    const told: CheckProgress[] = [];
    const to = join(folder, 'deep', 'er', 'copy');
    const result = await index.backup(to, { onProgress: (progress) => told.push(progress) });
    assert.equal(result.rows, 2901);
    assert.equal(
      result.bytes,
      readdirSync(to).reduce((sum, name) => sum + (/-lock$/.test(name) ? 0 : statSync(join(to, name)).size), 0),
    );
    assert.ok(told.length > 3 && told.every(({ done, total }, i) => done <= total && done >= (told[i - 1]?.done ?? 0)));
    assert.equal(told.at(-1)!.done, told.at(-1)!.total);
    const copy = await FunnelIndex.open(to); // beside the writer of the original
    assert.deepEqual(await all(copy), await all(index));
    const { coded, payloadIndexes } = copy.stats();
    assert.deepEqual([coded, payloadIndexes.map(({ key }) => key)], [index.stats().coded, ['id']]);
    for (let round = 0; round < 20; round++) {
      const request = { vector: random.vector(DIM), limit: 20, filter: { must: { key: 'id', range: { gte: 1500 } } } };
      for (const mode of ['exact', 'funnel'] as const) {
        assert.deepEqual((await copy.query({ ...request, mode })).hits, (await index.query({ ...request, mode })).hits);
      }
    }
    await copy.upsert([{ id: 1, vector: random.vector(DIM) }]);
    await copy.optimize();
    assert.deepEqual((await copy.verify()).problems, []);
    assert.equal(await index.has(1), false);
    await copy.close();
    await index.close();
  });

  it('is of one commit, while others write, delete, compact and build, from the writer and from a reader', async () => {
    const path = fresh();
    const index = await FunnelIndex.create(path, { dim: DIM });
    const batch = 50;
    const rowsOf = (round: number) =>
      Array.from({ length: batch }, (_, id) => ({ id, vector: random.vector(DIM), payload: { round } }));
    await index.upsert(rowsOf(0));
    const reader = await FunnelIndex.open(path, { readOnly: true });
    let stop = false;
    const writing = (async () => {
      for (let round = 1; !stop; round++) {
        await index.upsert(rowsOf(round)); // all rows in one commit
        if (round % 5 === 0) await index.optimize();
      }
    })();
    for (let n = 0; n < 6; n++) {
      const to = fresh();
      await (n % 2 === 0 ? index : reader).backup(to);
      const copy = await FunnelIndex.open(to, { readOnly: true });
      const rounds = new Set((await all(copy)).map(({ payload }) => (payload as { round: number }).round));
      assert.deepEqual([copy.count, rounds.size], [batch, 1]);
      for (const one of [index, reader]) assert.deepEqual((await one.verify()).problems, []);
      assert.deepEqual((await copy.verify()).problems, []);
      await copy.close();
    }
    stop = true;
    await writing;
    assert.deepEqual((await reader.verify()).problems, []);
    await reader.close();
    await index.close();
  });

  it('leaves nothing when it is aborted or its index is closed, and begins anew where one was killed', async () => {
    const index = await filled(2000);
    const to = fresh();
    const controller = new AbortController();
    const onProgress = () => controller.abort(new Error('enough'));
    await assert.rejects(index.backup(to, { signal: controller.signal, onProgress }), refused('ABORTED', /backup\(\)/));
    assert.equal(existsSync(to), false);
    await assert.rejects(index.verify({ signal: controller.signal }), refused('ABORTED', /verify\(\)/));
    mkdirSync(to);
    for (const name of ['rows-000001.bin', 'seg-000002.tmp']) writeFileSync(join(to, name), 'half');
    mkdirSync(join(to, 'new-0123456789abcdef'));
    await index.backup(to);
    assert.deepEqual(
      readdirSync(to).filter((name) => /new-|tmp/.test(name)),
      [],
    );
    const copying = index.backup(fresh());
    assert.throws(() => index.closeSync(), refused('NOT_WRITABLE', /backup\(\)/));
    await Promise.all([assert.rejects(copying, refused('CLOSED', /backup\(\)/)), index.close()]);
    await assert.rejects(index.backup(fresh()), refused('CLOSED', /open index/));
    assert.equal(existsSync(join(folder, String(made - 1))), false);
  });

  it('is made alone in its folder: another that begins meanwhile is refused, and harms nothing', async () => {
    const index = await filled(2000);
    const to = fresh();
    const first = index.backup(to);
    await assert.rejects(index.backup(`${to}/.`), refused('INDEX_EXISTS', /another backup is being made/));
    let others = 0;
    const second = await filled(10);
    const third = fresh();
    const onProgress = () => {
      if (others++ > 0) return;
      // As another process has it.
      assert.equal(takeKernelLock(lockOf(third)), 'held');
    };
    const lockOf = (at: string) => join(at, readdirSync(at).find((name) => /^new-/.test(name))!, 'lock');
    await Promise.all([first, second.backup(third, { onProgress })]);
    assert.ok(others > 0);
    const copy = await FunnelIndex.open(to);
    assert.deepEqual((await copy.verify()).problems, []);
    await copy.close();

    const taken = fresh();
    mkdirSync(join(taken, 'new-0123456789abcdef'), { recursive: true });
    for (const name of ['new-0123456789abcdef/lock', 'rows-000001.bin', 'funnelvec.json'])
      writeFileSync(join(taken, name), '');
    const lock = takeKernelLock(join(taken, 'new-0123456789abcdef', 'lock'));
    assert.ok(typeof lock === 'object');
    await assert.rejects(index.backup(taken), refused('INDEX_EXISTS', /another backup is being made/));
    assert.deepEqual(readdirSync(taken).sort(), ['funnelvec.json', 'new-0123456789abcdef', 'rows-000001.bin']);
    lock.release();
    await index.backup(taken);
    assert.equal(
      readdirSync(taken).some((name) => /^new-|^funnelvec/.test(name)),
      false,
    );
    const somebodys = fresh();
    mkdirSync(somebodys);
    writeFileSync(join(somebodys, 'funnelvec.json'), '{}');
    await assert.rejects(index.backup(somebodys), refused('INDEX_EXISTS', /it has funnelvec\.json/));
    for (const one of [index, second]) await one.close();
  });

  it('refuses places that are taken, or within the index, and an index in memory', async () => {
    const index = await filled(100);
    await assert.rejects(index.backup(index.path), refused('BAD_ARGUMENT', /outside of the index/));
    await assert.rejects(
      index.backup(join(index.path, 'copies', '1')),
      refused('BAD_ARGUMENT', /outside of the index/),
    );
    await assert.rejects(index.backup(join(index.path, '..copy')), refused('BAD_ARGUMENT', /outside of the index/));
    await index.backup(join(folder, '..copy'));
    const other = await filled(10);
    await assert.rejects(index.backup(other.path), refused('INDEX_EXISTS', /it has an index/));
    const full = fresh();
    mkdirSync(full);
    writeFileSync(join(full, 'mine.txt'), '');
    await assert.rejects(index.backup(full), refused('INDEX_EXISTS', /it has mine\.txt/));
    await assert.rejects(index.backup(join(full, 'mine.txt')), refused('INDEX_EXISTS', /is a file/));
    await assert.rejects(index.backup(''), refused('BAD_ARGUMENT', /the path of a folder/));
    await assert.rejects(index.backup(fresh(), { compact: true } as never), refused('BAD_ARGUMENT', /compact/));
    await assert.rejects(index.backup(fresh(), { signal: {} } as never), refused('BAD_ARGUMENT', /AbortSignal/));
    const memory = await FunnelIndex.create(':memory:', { dim: DIM });
    await assert.rejects(memory.backup(fresh()), refused('UNSUPPORTED', /syncFrom/));
    assert.deepEqual((await memory.verify()).problems, []);
    for (const one of [index, other, memory]) await one.close();
    assert.deepEqual(readdirSync(full), ['mine.txt']);
  });

  const ROUNDS = Math.ceil(Number(process.env['FUNNELVEC_KILL_ROUNDS'] ?? 200) / 20);
  it(`killed at any of ${ROUNDS} moments leaves whole copies or none, and the index as it was`, {
    timeout: 300_000,
  }, async () => {
    const path = fresh();
    await (await filled(400, path)).close();
    const child = fileURLToPath(new URL('backup-child.js', import.meta.url));
    let [whole, none] = [0, 0];
    /** Milliseconds of a backup here and now: a disk may take long for its syncs. */
    let took = 1;
    for (let round = 0; round < ROUNDS; round++) {
      const to = fresh();
      mkdirSync(to);
      const writer = spawn(process.execPath, [child, path, to, String(round)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let said = '';
      writer.stdout.setEncoding('utf8').on('data', (text) => {
        said += text;
      });
      const hears = async (line: RegExp) => {
        for (; !line.test(said); await sleep(1)) assert.deepEqual([writer.exitCode, writer.signalCode], [null, null]);
      };
      await hears(/begin 0\n/);
      const began = performance.now();
      // Half of the writers die while they make their first copy, or soon after; the others have made one.
      if (round % 2 === 0) {
        await hears(/end 0\n/);
        took = performance.now() - began;
      }
      await sleep(random.next() * took);
      writer.kill('SIGKILL');
      await once(writer, 'close');
      for (const name of readdirSync(to)) {
        const at = join(to, name);
        if (!existsSync(join(at, 'data.mdb'))) {
          assert.ok(!said.includes(`end ${name}\n`), `copy ${name} was told to be there`);
          await assert.rejects(FunnelIndex.open(at), refused('NO_INDEX', /no data\.mdb/));
          none++;
          const index = await FunnelIndex.open(path, { readOnly: true });
          await index.backup(at);
          await index.close();
        } else whole++;
        const copy = await FunnelIndex.open(at, { readOnly: true });
        assert.deepEqual((await copy.verify()).problems, []);
        await copy.close();
      }
      const index = await FunnelIndex.open(path, { readOnly: true });
      assert.deepEqual((await index.verify()).problems, []);
      await index.close();
    }
    assert.ok(whole > 0 && none > 0, `${whole} whole copies, ${none} that were cut off`);
  });
});

describe('verify()', () => {
  it('finds a byte that changed in any file, and says which; backup() refuses to copy it', async () => {
    const path = fresh();
    const index = await filled(800, path);
    const { rows, bytes, problems } = await index.verify();
    assert.deepEqual([rows, problems], [800, []]);
    assert.ok(bytes > 800 * DIM * 4);
    await index.close();
    const files = readdirSync(path).filter((name) => /^(rows|seg)-.*bin$/.test(name));
    assert.ok(files.length >= 3, 'rows, codes, a payload index');
    let found = 0;
    for (const name of files) {
      const { size } = statSync(join(path, name));
      for (let round = 0; round < 8; round++) {
        const damaged = fresh();
        cpSync(path, damaged, { recursive: true });
        const content = readFileSync(join(damaged, name));
        const at = 4096 + random.int(0, size - 4097);
        content[at]! ^= 1 << random.int(0, 7);
        writeFileSync(join(damaged, name), content);
        let broken: FunnelIndex;
        try {
          broken = await FunnelIndex.open(damaged, { readOnly: true });
        } catch (error) {
          refused('CORRUPT', new RegExp(name))(error); // codes are read when it opens
          found++;
          continue;
        }
        const { problems } = await broken.verify();
        // Between sections lie zeros that nobody reads.
        if (problems.length > 0) {
          assert.deepEqual([...new Set(problems.map(({ file }) => file))], [name]);
          assert.match(problems[0]!.message, new RegExp(`${name} to be whole`));
          await assert.rejects(broken.backup(fresh()), refused('CORRUPT', new RegExp(name)));
          assert.equal(existsSync(join(folder, String(made - 1))), false);
          found++;
        }
        await broken.close();
      }
    }
    assert.ok(found >= 8, `only ${found}`);
  });

  it('finds payloads that were changed', async () => {
    const path = fresh();
    const index = await FunnelIndex.create(path, { dim: DIM });
    await index.upsert(
      Array.from({ length: 50 }, (_, id) => ({
        id,
        vector: random.vector(DIM),
        payload: { text: `marked text ${id}` },
      })),
    );
    await index.close();
    const content = readFileSync(join(path, 'data.mdb'));
    let at = -1;
    // Pages that are free have older copies.
    while ((at = content.indexOf('marked text 17', at + 1)) !== -1) content.write('M', at);
    writeFileSync(join(path, 'data.mdb'), content);
    const broken = await FunnelIndex.open(path, { readOnly: true });
    const { problems } = await broken.verify();
    assert.equal(problems.length, 1);
    assert.match(problems[0]!.message, /data\.mdb to be whole but its payloads has a wrong checksum \(entry 17\)/);
    await broken.close();
  });

  it('finds ids, deaths and payloads that are gone, without which no index would open; backup() refuses', async () => {
    const lmdb = createRequire(import.meta.url).resolve('lmdb');
    for (const [table, key, text] of [
      ['ids', 3, /its ids lack that of row 768/],
      ['dead', 0, /its tombstones are 0, not 100/],
      ['payloads', 17, /its payloads lack that of row 17/],
    ] as const) {
      const path = fresh();
      const index = await filled(1000, path);
      await index.delete(Array.from({ length: 100 }, (_, i) => 200 + i));
      await index.close();
      const reader = await FunnelIndex.open(path, { readOnly: true });
      const lose = `
        const db = require(${JSON.stringify(lmdb)}).open({
          path: ${JSON.stringify(join(path, 'data.mdb'))}, noSubdir: true, maxDbs: 8, overlappingSync: false, encoding: 'binary',
        });
        const table = db.openDB('${table}', { encoding: 'binary', keyEncoding: 'uint32' });
        db.transactionSync(() => { table.remove(${key}); });
        process.kill(process.pid, 'SIGKILL');`; // it is committed, and lmdb-js would wait at its end
      const { signal, stderr } = spawnSync(process.execPath, ['-e', lose], { encoding: 'utf8', timeout: 60_000 });
      assert.equal(signal, 'SIGKILL', stderr);
      const { problems } = await reader.verify();
      assert.deepEqual([problems.length, problems[0]!.file], [1, 'data.mdb']);
      assert.match(problems[0]!.message, text);
      await assert.rejects(reader.backup(fresh()), refused('CORRUPT', /data\.mdb to be whole/));
      await reader.close();
    }
  });

  it('ends among the entries when it is aborted, and with the hundredth problem', async () => {
    const path = fresh();
    const index = await filled(3000, path);
    const sizes = readdirSync(path).map((name) => (/bin$/.test(name) ? statSync(join(path, name)).size : 0));
    const files = sizes.reduce((sum, size) => sum + size, 0);
    const controller = new AbortController();
    const onProgress = ({ done }: CheckProgress) => done > files && controller.abort();
    await assert.rejects(
      index.verify({ signal: controller.signal, onProgress: onProgress as () => void }),
      refused('ABORTED', /verify\(\)/),
    );
    await index.close();
    const name = readdirSync(path).find((one) => /^rows-/.test(one))!;
    const content = readFileSync(join(path, name));
    content.fill(255, 4096);
    writeFileSync(join(path, name), content);
    const broken = await FunnelIndex.open(path, { readOnly: true, autoOptimize: false });
    assert.equal((await broken.verify()).problems.length, 100);
    await broken.close();
  });
});

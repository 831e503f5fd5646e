/** Files as Windows has them: what is open stays, under its name, as on the disk of windows-disk.ts. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { nodeDisk } from '#dist/store/files/disk.js';
import { IndexFiles } from '#dist/store/files/index-files.js';
import { lmdbPath } from '#dist/store/files/lmdb-env.js';
import { appendRequest, applyAppend, applyDelete, CONFIG, difference, emptyModel, scratchFolder } from './model.js';
import { WindowsDisk } from './windows-disk.js';

const scratch = scratchFolder();
after(scratch.remove);
let made = 0;
const fresh = () => join(scratch.path, `index-${made++}`);
const entriesFrom = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i): [string, number] => [`id-${from + i}`, from + i]);
const filesIn = (folder: string) => fs.readdirSync(folder).filter((name) => /^(rows|seg)-/.test(name));
const named = (index: IndexFiles) =>
  [...index.rowFiles().map(({ path }) => path), ...index.segments.map(({ name }) => join(index.path, name))].sort();

/** Runs as if on Windows. */
async function onWindows<T>(run: () => T): Promise<Awaited<T>> {
  const platform = Object.getOwnPropertyDescriptor(process, 'platform')!;
  Object.defineProperty(process, 'platform', { ...platform, value: 'win32' });
  try {
    return await run();
  } finally {
    Object.defineProperty(process, 'platform', platform);
  }
}

describe('where files that are open cannot be removed', () => {
  it('a compaction and new segments leave no file behind once nobody reads the old ones', async () => {
    for (const wait of [false, true]) {
      const disk = new WindowsDisk();
      const folder = fresh();
      const index = await IndexFiles.create(folder, CONFIG, { disk, maxFileBytes: 4096 + 100 * 16 });
      let model = emptyModel();
      const [first, second] = [entriesFrom(0, 300), entriesFrom(300, 500)];
      for (const entries of [first, second]) {
        await index.append(appendRequest(entries));
        model = applyAppend(model, entries);
      }
      const old = await index.writeSegment([{ name: 'codes', bytes: Uint8Array.of(1) }]);
      await index.commitSegments({ add: [old] });
      const dying = first.slice(0, 150).map(([id]) => id);
      await index.delete(dying);
      model = applyDelete(model, dying);

      const lease = index.leaseRowFiles();
      const before = named(index);
      if (wait) await index.compact();
      else index.compactSync();
      const next = await index.writeSegment([{ name: 'codes', bytes: Uint8Array.of(2) }]);
      await index.commitSegments({ add: [next], remove: [old.name] });
      const left = before.filter((path) => fs.existsSync(path) && !named(index).includes(path));
      assert.ok(left.length > 0 && disk.refused.length > 0, 'the old files are open');
      lease.release();
      assert.deepEqual(
        filesIn(folder)
          .map((name) => join(folder, name))
          .sort(),
        named(index),
      );

      model.segments.set(next.name, 0);
      assert.deepEqual(index.readSectionSync(next.name, 'codes'), Uint8Array.of(2));
      model.segments.clear();
      await index.commitSegments({ remove: [next.name] });
      assert.equal(difference(index, model), undefined);
      await index.close();
    }
  });

  it('what a thread has open goes with the index', async () => {
    const disk = new WindowsDisk();
    const folder = fresh();
    const index = await IndexFiles.create(folder, CONFIG, { disk });
    await index.append(appendRequest(entriesFrom(0, 50)));
    const { path } = index.rowFiles()[0]!;
    const other = disk.open(path, 'read').now();
    await index.delete(['id-3']);
    await index.compact();
    assert.ok(fs.existsSync(path));
    disk.close(other).now();
    await index.close();
    assert.ok(!fs.existsSync(path));
    assert.equal(filesIn(folder).length, 1);
  });

  it('a writer opens beside a reader of files that were dropped, and gives no new file the name of one that stays', async () => {
    const disk = new WindowsDisk();
    const folder = fresh();
    const writer = await IndexFiles.create(folder, CONFIG, { disk });
    await writer.append(appendRequest(entriesFrom(0, 50)));
    const { path } = writer.rowFiles()[0]!;
    const reader = disk.open(path, 'read').now(); // as one of another process has it
    await writer.delete(['id-3']);
    await writer.compact();
    await writer.close();
    // A crash may leave files whose numbers come again.
    const left = ['seg-000777.bin', 'rows-000778.bin'].map((name) => join(folder, name));
    const others = left.map((one) => disk.open(one, 'create').now());

    const again = await IndexFiles.open(folder, { disk });
    assert.equal(again.liveCount, 49);
    for (const one of [path, ...left]) assert.ok(fs.existsSync(one));
    const segment = await again.writeSegment([{ name: 'codes', bytes: Uint8Array.of(1) }]);
    assert.equal(segment.name, 'seg-000779.bin');
    await again.close();
    for (const fd of [reader, ...others]) disk.close(fd).now();
    await (await IndexFiles.open(folder, { disk })).close();
    assert.equal(filesIn(folder).length, 1);
  });

  it('a write that failed leaves no file behind, though a scanner had it open', async () => {
    const disk = new WindowsDisk();
    const folder = fresh();
    const index = await IndexFiles.create(folder, CONFIG, { disk });
    const full = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC', syscall: 'fsync' });
    const scanners: number[] = [];
    const isNew = (name: string) => /^(rows|seg)-/.test(name);
    /** The next sync fails, while somebody reads what was written. */
    const failing = async (run: () => Promise<unknown>) => {
      disk.sync = () => {
        const fail = () => {
          for (const name of fs.readdirSync(folder).filter(isNew))
            scanners.push(disk.open(join(folder, name), 'read').now());
          throw full;
        };
        return { now: fail, later: async () => fail() };
      };
      await assert.rejects(run(), { code: 'DISK' });
      disk.sync = nodeDisk.sync;
    };
    await failing(() => index.append(appendRequest(entriesFrom(0, 3))));
    await failing(() => index.writeSegment([{ name: 'codes', bytes: Uint8Array.of(1) }]));
    assert.ok(disk.refused.length >= 2 && fs.readdirSync(folder).filter(isNew).length === 2, 'somebody has them open');
    for (const fd of scanners) disk.close(fd).now();
    await index.close();
    assert.deepEqual(fs.readdirSync(folder).filter(isNew), []);
  });

  it('files of a commit that may have come are closed with the index', async () => {
    const disk = new WindowsDisk();
    const folder = fresh();
    const options = { disk, maxFileBytes: 4096 + 10 * 16 };
    const write = async (
      ready: (index: IndexFiles) => Promise<unknown>,
      run: (index: IndexFiles) => Promise<unknown>,
    ) => {
      const index = await IndexFiles.open(folder, options);
      await ready(index);
      const { kv } = index.reading((core) => core.options);
      kv.commit = () => ({ now: () => assert.fail(), later: () => Promise.reject(new Error('power is low')) });
      kv.reopen = () => {
        throw new Error('does not open');
      };
      await assert.rejects(run(index), /power is low/);
      const made = fs.readdirSync(folder).map((name) => join(folder, name));
      await index.close();
      assert.deepEqual(
        made.filter((path) => disk.isOpen(path)),
        [],
      );
      return made.length;
    };
    await (await IndexFiles.create(folder, CONFIG, options)).close();
    const none = fs.readdirSync(folder).length;
    const append = (index: IndexFiles) => index.append(appendRequest(entriesFrom(0, 20)));
    assert.ok((await write(async () => {}, append)) > none, 'files of rows were made');
    const dying = entriesFrom(0, 15).map(([id]) => id);
    const before = fs.readdirSync(folder).length;
    const compact = (index: IndexFiles) => index.compact();
    const fill = async (index: IndexFiles) => {
      await append(index);
      await index.delete(dying);
    };
    assert.ok((await write(fill, compact)) >= before, 'files of rows were made');
  });

  it('a leftover that cannot go for another reason is an error', async () => {
    const disk = new WindowsDisk();
    const folder = fresh();
    await (await IndexFiles.create(folder, CONFIG, { disk })).close();
    fs.writeFileSync(join(folder, 'rows-000777.bin'), '');
    disk.unlink = () => {
      const fail = () => {
        throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO', syscall: 'unlink' });
      };
      return { now: fail, later: async () => fail() };
    };
    await assert.rejects(IndexFiles.open(folder, { disk }), { code: 'DISK' });
  });
});

describe('on Windows', () => {
  it('a file that a scanner has open for a moment is renamed a moment later, and not at all where it stays open', async (t) => {
    const folder = fresh();
    fs.mkdirSync(folder);
    const [from, to] = [join(folder, 'a'), join(folder, 'b')];
    const busy = () => Object.assign(new Error('EPERM: operation not permitted, rename'), { code: 'EPERM' });
    for (const way of ['now', 'later'] as const) {
      fs.writeFileSync(from, way);
      let failures = 3;
      const renameSync = fs.renameSync.bind(fs);
      const sync = t.mock.method(fs, 'renameSync', (...args: Parameters<typeof fs.renameSync>) => {
        if (failures-- > 0) throw busy();
        renameSync(...args);
      });
      const later = t.mock.method(fs.promises, 'rename', async (...args: Parameters<typeof fs.renameSync>) => {
        if (failures-- > 0) throw busy();
        renameSync(...args);
      });
      syncBuiltinESMExports();
      await onWindows(() => nodeDisk.rename(from, to)[way]());
      assert.equal(fs.readFileSync(to, 'utf8'), way);
      assert.equal((way === 'now' ? sync : later).mock.callCount(), 4);
      sync.mock.restore();
      later.mock.restore();
      syncBuiltinESMExports();
    }
    fs.writeFileSync(from, '');
    const missing = join(folder, 'missing');
    await onWindows(() => assert.rejects(nodeDisk.rename(missing, to).later(), { code: 'ENOENT' }));
  });

  it('no folder is synced', async () => {
    const missing = join(scratch.path, 'missing');
    await assert.rejects(nodeDisk.syncDir(missing).later(), { code: 'ENOENT' });
    await onWindows(async () => {
      nodeDisk.syncDir(missing).now();
      await nodeDisk.syncDir(missing).later();
    });
  });

  it('LMDB, which calls the system by itself, is given long paths in the form that has no limit', () => {
    const short = 'C:\\data\\index\\data.mdb';
    const long = `C:\\${'folder\\'.repeat(40)}data.mdb`;
    assert.equal(lmdbPath(short, 'win32'), short);
    assert.equal(lmdbPath(long, 'win32'), `\\\\?\\${long}`);
    const share = `\\\\server\\share\\${'folder\\'.repeat(40)}data.mdb`;
    assert.equal(lmdbPath(share, 'win32'), `\\\\?\\UNC\\${share.slice(2)}`);
    const posix = `/${'folder/'.repeat(60)}data.mdb`;
    assert.equal(lmdbPath(posix, 'linux'), posix);
  });
});

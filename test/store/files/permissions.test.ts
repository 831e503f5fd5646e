/** Where the system says no: errors with a code and a remedy, and never that the index is broken. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { FunnelIndex } from 'funnelvec/store';
import { UNSHARE } from './contenders.js';

const STORE = import.meta.resolve('#dist/store/index.js');
/** Not /dev/shm: it can be mounted anew with files of another user. */
const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'funnelvec-')));
after(() => rmSync(scratch, { recursive: true, force: true, maxRetries: 5 }));
chmodSync(scratch, 0o755);
let made = 0;
const fresh = () => join(scratch, `index-${made++}`);
const isRoot = process.getuid?.() === 0;

async function created(): Promise<string> {
  const path = fresh();
  const index = await FunnelIndex.create(path, { dim: 2 });
  await index.upsert([{ id: 1, vector: [1, 2], payload: { a: 1 } }]);
  await index.close();
  return path;
}

/** The outcome of a call of FunnelIndex: a code and a message, or how many rows there are. */
const text = (call: string) => `const { FunnelIndex } = await import(${JSON.stringify(STORE)});
  try {
    const index = await FunnelIndex.${call};
    const { hits } = await index.query({ vector: [1, 1] });
    console.log('rows', index.count, hits.length);
    await index.close();
  } catch (error) { console.log(error.name, error.code, error.message); }`;

/** As a user who owns nothing here. */
function asOther(call: string): string {
  const user = isRoot ? { uid: 65534, gid: 65534 } : {};
  const line = ['--input-type=module', '-e', text(call)];
  const { stdout, stderr } = spawnSync(process.execPath, line, { ...user, encoding: 'utf8', cwd: '/' });
  return stdout + stderr;
}

const open = (path: string, options = '{}') => `open(${JSON.stringify(path)}, ${options})`;
const create = (path: string) => `create(${JSON.stringify(path)}, { dim: 2 })`;

describe('files of another user', { skip: process.platform === 'win32' }, () => {
  // Files of one's own with fewer permissions are as good, unless one is root.
  const closed = (path: string) => {
    if (isRoot) return;
    for (const name of readdirSync(path)) chmodSync(join(path, name), 0o444);
    chmodSync(path, 0o555);
  };

  it('are NOT_WRITABLE for a writer, which is told of readOnly; a reader reads them', async () => {
    const path = await created();
    closed(path);
    assert.match(asOther(open(path)), /^FunnelError NOT_WRITABLE .*EACCES.*readOnly: true/);
    assert.equal(asOther(open(path, '{ readOnly: true }')), 'rows 1 1\n');
    chmodSync(path, 0o755);
    rmSync(join(path, 'data.mdb-lock'));
    if (!isRoot) chmodSync(path, 0o555);
    assert.equal(asOther(open(path, '{ readOnly: true }')), 'rows 1 1\n');
    chmodSync(path, 0o755);
  });

  for (const part of ['data.mdb', 'rows-000001.bin', '.']) {
    it(`are no broken ones where ${part} cannot be read`, async () => {
      const path = await created();
      chmodSync(join(path, part), 0o000);
      for (const options of ['{}', '{ readOnly: true }']) {
        assert.match(asOther(open(path, options)), /^FunnelError (DISK|NOT_WRITABLE) .*EACCES/);
      }
      chmodSync(join(path, part), 0o755);
      assert.equal(asOther(open(path, '{ readOnly: true }')), 'rows 1 1\n');
    });
  }

  it('do not become an index', () => {
    const folder = join(scratch, 'closed');
    mkdirSync(folder, { mode: 0o555 });
    assert.match(asOther(create(join(folder, 'index'))), /^FunnelError NOT_WRITABLE .*EACCES.*may write/);
    assert.match(asOther(create(folder)), /^FunnelError NOT_WRITABLE .*EACCES.*may write/);
    assert.deepEqual(readdirSync(folder), []);
  });
});

it('a read-only mount is NOT_WRITABLE for a writer, which is told of readOnly; a reader reads it', async (t) => {
  if (UNSHARE === undefined) return t.skip('nothing can be mounted here');
  const path = await created();
  const run = (call: string) => {
    const mount = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"';
    const line = [...UNSHARE!, 'sh', '-c', mount, path, process.execPath, '--input-type=module', '-e', text(call)];
    const { stdout, stderr } = spawnSync(line[0]!, line.slice(1), { encoding: 'utf8' });
    return stdout || stderr;
  };
  assert.match(run(open(path)), /^FunnelError NOT_WRITABLE .*EROFS.*readOnly: true/);
  assert.equal(run(open(path, '{ readOnly: true }')), 'rows 1 1\n');
  assert.match(run(create(join(path, 'new'))), /^FunnelError NOT_WRITABLE .*EROFS.*may write/);
  rmSync(join(path, 'data.mdb-lock'));
  assert.equal(run(open(path, '{ readOnly: true }')), 'rows 1 1\n');
});

/** Runs a program in a folder whose disk has so much room. */
function onSmallDisk(size: string, folder: string, program: string) {
  const mount = `mount -t tmpfs -o size=${size} tmpfs "$0" && cd "$0" && exec "$@"`;
  const line = [...UNSHARE!, 'sh', '-c', mount, folder, process.execPath, '--input-type=module', '-e', program];
  return spawnSync(line[0]!, line.slice(1), { encoding: 'utf8' });
}

it('a full disk is told as one, also where LMDB says EIO, and what was acknowledged stays', (t) => {
  if (UNSHARE === undefined) return t.skip('nothing can be mounted here');
  const folder = fresh();
  mkdirSync(folder);
  const writes = `const { FunnelIndex } = await import(${JSON.stringify(STORE)});
    const index = await FunnelIndex.create('index', { dim: 2 });
    const payload = { text: 'x'.repeat(20_000) };
    let written = 0;
    try {
      for (; written < 5000; written++) await index.upsert([{ id: written, vector: [1, written], payload }]);
    } catch (error) { console.log(error.name, error.code, error.message); }
    console.log(written > 100, index.count === written, index.has(written - 1));`;
  const { stdout, stderr } = onSmallDisk('6m', folder, writes);
  assert.match(
    stdout || stderr,
    /^FunnelError DISK .* data\.mdb: ENOSPC: .*: free some space there, then call again\n/,
  );
  assert.match(stdout, /\ntrue true true\n$/);
});

it('a backup onto a full disk says that it is full', (t) => {
  if (UNSHARE === undefined) return t.skip('nothing can be mounted here');
  const [folder, index] = [fresh(), fresh()];
  mkdirSync(folder);
  const backs = `const { FunnelIndex } = await import(${JSON.stringify(STORE)});
    const index = await FunnelIndex.create(${JSON.stringify(index)}, { dim: 2 });
    const payload = { text: 'x'.repeat(3_000_000) };
    await index.upsert([{ id: 1, vector: [1, 2], payload }]);
    await index.backup('backup').catch((error) => console.log(error.name, error.code, error.message));
    await index.close();`;
  const { stdout, stderr } = onSmallDisk('2m', folder, backs);
  assert.match(
    stdout || stderr,
    /^FunnelError DISK .*copying data\.mdb: ENOSPC: .*: free some space there, then call again\n$/,
  );
});

describe('a path where no index can be', () => {
  const file = join(scratch, 'file');
  writeFileSync(file, 'x');
  const cases: [string, string, string, RegExp][] = [
    ['a file', file, 'INDEX_EXISTS', /is a file/],
    ['behind a file', join(file, 'index'), 'BAD_ARGUMENT', /leads through a file/],
    ['a name too long', join(scratch, 'x'.repeat(300)), 'BAD_ARGUMENT', /longer than the file system takes/],
    ['a path with a zero in it', join(scratch, 'a\0b'), 'BAD_ARGUMENT', /path/],
  ];
  for (const [name, path, code, message] of cases) {
    it(`is told: ${name}`, async () => {
      const isTold = (error: unknown) => {
        assert.equal((error as Error).name, 'FunnelError');
        assert.match((error as Error).message, message);
        return (error as { code: string }).code === code;
      };
      await assert.rejects(FunnelIndex.create(path, { dim: 2 }), isTold);
      assert.throws(() => FunnelIndex.createSync(path, { dim: 2 }), isTold);
      const opened = code === 'BAD_ARGUMENT' && path.includes('\0') ? code : 'NO_INDEX';
      await assert.rejects(FunnelIndex.open(path), { name: 'FunnelError', code: opened });
    });
  }
});

it('a writer in a process that reads the index already is told to come first', async () => {
  const path = await created();
  const reader = await FunnelIndex.open(path, { readOnly: true });
  await assert.rejects(FunnelIndex.open(path), { code: 'NOT_WRITABLE', message: /readOnly, .* open the writer first/ });
  assert.equal(reader.count, 1);
  await reader.close();
  await (await FunnelIndex.open(path)).close();
});

it('a folder that takes no new one, and a link to nowhere, are told in no time', {
  skip: process.platform !== 'linux',
}, () => {
  const link = join(scratch, 'nowhere');
  symlinkSync(join(scratch, 'missing', 'folder'), link);
  for (const path of ['/proc/no-index', '/proc/no/index', link, join(link, 'index'), join(link, 'a', 'index')]) {
    const line = ['--input-type=module', '-e', text(create(path))];
    const { stdout } = spawnSync(process.execPath, line, { encoding: 'utf8', timeout: 60_000 });
    assert.match(stdout, /^FunnelError DISK .*making an index in/, path);
  }
});

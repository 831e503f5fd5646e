import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { nodeDisk } from '#dist/store/files/disk.js';
import { IndexFiles } from '#dist/store/files/index-files.js';
import type { StoreConfig } from '#dist/store/files/state.js';
import { appendRequest, applyAppend, CONFIG, DIM, difference, emptyModel, scratchFolder } from './model.js';
import { readRow, readRows } from './read-rows.js';

const scratch = scratchFolder();
after(scratch.remove);
let made = 0;
const fresh = () => join(scratch.path, `index-${made++}`);
const rowsOf = (count: number) => Float32Array.from({ length: count * DIM }, (_, i) => i + 1);

/** Runs the text of a module with `IndexFiles` and `path`; what it prints. */
function inAnotherProcess(path: string, text: string): string {
  const module = `const { IndexFiles } = await import(${JSON.stringify(import.meta.resolve('#dist/store/files/index-files.js'))});
    const path = ${JSON.stringify(path)};\n${text}`;
  return execFileSync(process.execPath, ['--input-type=module', '-e', module], { encoding: 'utf8' }).trim();
}

for (const where of [':memory:', 'a folder']) {
  describe(`an index in ${where}`, () => {
    const path = () => (where === ':memory:' ? where : fresh());

    it('gives rows ordinals in the order they came, and finds ids, payloads and values by them', async () => {
      const index = await IndexFiles.create(path(), CONFIG);
      const entries = Array.from({ length: 1000 }, (_, i): [string, number] => [`id-${i}`, i]);
      let model = emptyModel();
      for (let i = 0; i < 1000; i += 125) {
        const part = entries.slice(i, i + 125);
        const { first, count } =
          i % 250 ? await index.append(appendRequest(part)) : index.appendSync(appendRequest(part));
        assert.deepEqual([first, count], [i, 125]);
        model = applyAppend(model, part);
      }
      assert.equal(difference(index, model), undefined);
      assert.equal(index.ordinalOf('id-1000'), undefined);
      await index.close();
    });

    it('ends the life of a row whose id comes again, and keeps its ordinal', async () => {
      const index = await IndexFiles.create(path(), CONFIG);
      index.appendSync({ ids: ['a', 'b'], rows: rowsOf(2), payloads: ['one', 'two'] });
      const { first, replaced } = await index.append({ ids: ['b', 'c'], rows: rowsOf(2) });
      assert.deepEqual([first, replaced, index.rows, index.liveCount], [2, [1], 4, 3]);
      assert.deepEqual(
        [index.ordinalOf('b'), index.idOf(1), index.payloadOf(1), index.payloadOf(2)],
        [2, 'b', 'two', undefined],
      );
      assert.equal(index.alive[0], 0b1101);
      await index.close();
    });

    it('takes the last of rows with the same id in one batch, and says which it took', async () => {
      const index = await IndexFiles.create(path(), CONFIG);
      const rows = rowsOf(4);
      const answer = await index.append({ ids: ['a', 'b', 'a', 'c'], rows, payloads: [0, 1, 2, 3] });
      assert.deepEqual(answer, { first: 0, count: 3, replaced: [], kept: [1, 2, 3] });
      const out = new Float32Array(DIM);
      readRow(index, index.ordinalOf('a')!, out);
      assert.deepEqual([...out], [...rows.subarray(2 * DIM, 3 * DIM)]);
      assert.equal(index.payloadOf(1), 2);
      await index.close();
    });

    it('ignores ids to delete that no row has, and tells which rows died', async () => {
      const index = await IndexFiles.create(path(), CONFIG);
      assert.deepEqual(await index.delete(['x']), []);
      await index.append({ ids: ['a', 'b', 'c'], rows: rowsOf(3) });
      const { generation } = index;
      assert.deepEqual(await index.delete(['x', 'c', 'a', 'a']), [0, 2]);
      assert.deepEqual(index.deleteSync(['a']), []);
      assert.equal(index.generation, generation + 1);
      assert.equal(index.ordinalOf('a'), undefined);
      await index.close();
    });

    it('gives payloads back as they were, bigints, dates, bytes and odd keys and numbers included', async () => {
      const payload = {
        big: 2n ** 70n,
        negative: -5n,
        at: new Date(1234567890123),
        bytes: new Uint8Array([0, 255, 7]),
        odd: [Number.NaN, Number.POSITIVE_INFINITY, -0, null, [], {}],
        dollars: [{ $n: '5' }, { $$n: 1n }, { $o: { $d: 1 } }, { $n: 1, $d: 2 }, { $: { '': '$' } }],
        text: '"$n" {"$n":"5"} \ud800 \u2028',
        nested: { undef: undefined, yes: true },
      };
      const index = await IndexFiles.create(path(), CONFIG);
      await index.append({ ids: [1, 2, 3], rows: rowsOf(3), payloads: [payload, null, 2n] });
      const { nested, ...rest } = payload;
      assert.deepEqual(index.payloadOf(0), { ...rest, nested: { yes: true } });
      assert.deepEqual([index.payloadOf(1), index.payloadOf(2)], [null, 2n]);
      await index.append({ ids: [4], rows: rowsOf(1), payloads: [[new Date(Number.NaN)]] });
      assert.equal(Number((index.payloadOf(3) as Date[])[0]), Number.NaN);
      for (const bad of [() => 1, Symbol('s'), new Map(), new Float32Array(2)]) {
        assert.throws(() => index.appendSync({ ids: [9], rows: rowsOf(1), payloads: [{ bad }] }), {
          code: 'BAD_ARGUMENT',
        });
      }
      await index.close();
    });

    it('drops dead rows when compacted, and nothing else', async () => {
      const index = await IndexFiles.create(path(), CONFIG, { maxFileBytes: 4096 + 50 * 16 });
      const entries = Array.from({ length: 333 }, (_, i): [string, number] => [`id-${i}`, i]);
      await index.append(appendRequest(entries));
      let model = applyAppend(emptyModel(), entries);
      const gone = entries.filter((_, i) => i % 2 === 0 || (i > 100 && i < 220)).map(([id]) => id);
      await index.delete(gone);
      for (const id of gone) model.live.delete(id);
      const { files, release } = index.leaseRowFiles();
      const before = files.map(({ fd }) => fd);
      const progress: number[] = [];
      const [{ rowsDropped, bytesFreed }] = await Promise.all([
        index.compact({ onProgress: (done, total) => progress.push(done / total) }),
        index.append(appendRequest([['new', 3]])),
      ]);
      model = applyAppend(model, [['new', 3]]);
      assert.equal(rowsDropped, gone.length);
      assert.ok(bytesFreed > 0 && progress.at(-1) === 1);
      assert.equal(difference(index, model), undefined);
      assert.throws(() => index.idOf(0), { code: 'BAD_ARGUMENT' });
      if (where !== ':memory:')
        for (const fd of before) assert.ok(nodeDisk.size(fd) > 4096, 'a leased file was closed');
      release();
      assert.deepEqual(await index.compact(), { rowsDropped: 0, bytesFreed: 0 });
      await index.append(appendRequest([['id-0', 9]]));
      model = applyAppend(model, [['id-0', 9]]);
      assert.equal(difference(index, model), undefined);
      await index.close();
    });

    it('is as before when compaction is aborted', async () => {
      const index = await IndexFiles.create(path(), CONFIG);
      await index.append(
        appendRequest([
          ['a', 1],
          ['b', 2],
        ]),
      );
      await index.delete(['a']);
      const controller = new AbortController();
      controller.abort();
      await assert.rejects(index.compact({ signal: controller.signal }), { code: 'ABORTED' });
      const model = applyAppend(emptyModel(), [
        ['a', 1],
        ['b', 2],
      ]);
      model.live.delete('a');
      assert.equal(difference(index, model), undefined);
      await index.close();
    });

    it('keeps float16 rows of odd dims', async () => {
      const config: StoreConfig = { ...CONFIG, dim: 3, precision: 'float16' };
      const index = await IndexFiles.create(path(), config);
      await index.append({ ids: [1n, 2n], rows: Uint16Array.of(1, 2, 3, 4, 5, 6) });
      const out = new Uint16Array(6);
      await readRows(index, 0, 2, out);
      assert.deepEqual([...out], [1, 2, 3, 4, 5, 6]);
      assert.throws(() => readRow(index, 0, new Float32Array(3)), { code: 'BAD_ARGUMENT' });
      assert.throws(() => index.appendSync({ ids: [1n], rows: rowsOf(1) }), { code: 'BAD_ARGUMENT' });
      await index.close();
    });

    it('refuses ids of another kind, and what is no id', async () => {
      const index = await IndexFiles.create(path(), CONFIG);
      const one = (id: unknown) => index.appendSync({ ids: [id as string], rows: rowsOf(1) });
      for (const id of [
        Number.NaN,
        1.5,
        2 ** 53,
        '',
        'x'.repeat(1901),
        '\ud800',
        null,
        undefined,
        {},
        true,
        2n ** 64n,
      ]) {
        assert.throws(() => one(id), { code: 'BAD_ID' }, String(id));
      }
      one(7);
      for (const id of ['7', 7n]) assert.throws(() => one(id), { code: 'BAD_ID' });
      assert.equal(index.ordinalOf('7'), undefined);
      assert.equal(index.ordinalOf(7n), undefined);
      assert.deepEqual([index.ordinalOf(7), index.rows], [0, 1]);
      await index.close();
    });
  });
}

describe('ids in a folder', () => {
  const cases: Record<string, (string | number | bigint)[]> = {
    number: [0, -1, 2 ** 53 - 1, -(2 ** 53 - 1), 2 ** 32, 2 ** 31, -(2 ** 31), -0],
    bigint: [0n, -1n, 2n ** 64n - 1n, -(2n ** 63n), 2n ** 63n, 2n ** 63n - 1n],
    string: ['a', 'é', '\0', '😀'.repeat(475), 'x'.repeat(1900), '0', '-0', ' '],
  };
  for (const [kind, ids] of Object.entries(cases)) {
    it(`are the same after reopening: ${kind}`, async () => {
      const path = fresh();
      const unique = [...new Set(ids)];
      const index = await IndexFiles.create(path, CONFIG);
      await index.append({ ids: unique, rows: rowsOf(unique.length) });
      await index.close();
      const again = await IndexFiles.open(path);
      assert.equal(again.idKind, kind);
      unique.forEach((id, ordinal) => {
        assert.equal(again.ordinalOf(id), ordinal);
        assert.equal(again.idOf(ordinal), id === 0 ? 0 : id);
      });
      await again.close();
    });
  }
});

describe('the writer of an index', () => {
  it('is one: a second is refused and told who, in this process and in another', async () => {
    const path = fresh();
    const index = await IndexFiles.create(path, CONFIG);
    assert.throws(() => IndexFiles.openSync(path), {
      code: 'INDEX_LOCKED',
      message: new RegExp(`process ${process.pid}`),
    });
    const other = inAnotherProcess(
      path,
      'try { IndexFiles.openSync(path) } catch (e) { console.log(e.code, e.message) }',
    );
    assert.match(other, new RegExp(`^INDEX_LOCKED .*process ${process.pid} on .* since 20`));
    await index.close();
    const third = inAnotherProcess(path, 'const i = IndexFiles.openSync(path); console.log(i.rows); i.closeSync()');
    assert.equal(third, '0');
  });

  it('is followed by the next when it was killed', async () => {
    const path = fresh();
    await (await IndexFiles.create(path, CONFIG)).close();
    const die = "IndexFiles.openSync(path); process.kill(process.pid, 'SIGKILL')";
    assert.throws(() => inAnotherProcess(path, die), { signal: 'SIGKILL' });
    await (await IndexFiles.open(path)).close();
  });

  it('fails to write when another has broken its lock', async () => {
    const path = fresh();
    const first = await IndexFiles.create(path, CONFIG);
    const second = await IndexFiles.open(path, { breakLock: true });
    await assert.rejects(first.append(appendRequest([['a', 1]])), { code: 'INDEX_LOCKED' });
    assert.throws(() => first.deleteSync(['a']) && first.appendSync(appendRequest([['a', 1]])), {
      code: 'INDEX_LOCKED',
    });
    await second.append(appendRequest([['b', 1]]));
    await first.close();
    await second.append(appendRequest([['c', 1]]));
    await second.close();
  });
});

describe('a reader', () => {
  it('in another process sees commits after refresh()', async () => {
    const path = fresh();
    const index = await IndexFiles.create(path, CONFIG);
    await index.append(appendRequest([['a', 1]]));
    const script = fileURLToPath(new URL('./reader-child.js', import.meta.url));
    const child = spawn(process.execPath, [script, path], { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = child.stdout.setEncoding('utf8')[Symbol.asyncIterator]();
    const ask = async () => {
      child.stdin.write('refresh\n');
      return JSON.parse((await lines.next()).value);
    };
    assert.deepEqual(await ask(), { changed: false, rows: 1, ids: ['a'], error: null });
    // More than LMDB's first map holds, so that it must grow under the reader.
    for (let i = 0; i < 5; i++) {
      const ids = Array.from({ length: 500 }, (_, j) => `p-${i}-${j}`);
      await index.append({ ids, rows: rowsOf(500), payloads: ids.map((id) => id.repeat(100)) });
    }
    const ids = Array.from({ length: 2500 }, (_, j) => `p-${Math.floor(j / 500)}-${j % 500}`);
    assert.deepEqual(await ask(), { changed: true, rows: 2501, ids: ['a', ...ids], error: null });
    await index.delete(['a', ...ids.slice(10)]);
    await index.compact();
    assert.deepEqual(await ask(), { changed: true, rows: 2501, ids: ids.slice(0, 10), error: null });
    await index.close();
    child.stdin.end();
    await new Promise((resolve) => child.on('close', resolve));
  });

  it('cannot write', async () => {
    const path = fresh();
    await (await IndexFiles.create(path, CONFIG)).close();
    const reader = await IndexFiles.open(path, { readOnly: true });
    await assert.rejects(reader.append(appendRequest([['a', 1]])), { code: 'NOT_WRITABLE' });
    assert.throws(() => reader.deleteSync(['a']), { code: 'NOT_WRITABLE' });
    await reader.close();
    assert.throws(() => reader.refresh(), { code: 'CLOSED' });
  });
});

describe('a full or failing disk', () => {
  for (const operation of ['write', 'sync', 'syncDir'] as const) {
    it(`leaves the index usable and as it was when ${operation} fails`, async () => {
      const path = fresh();
      let failing = false;
      const disk = {
        ...nodeDisk,
        [operation]: (...args: unknown[]) => {
          const step = (nodeDisk[operation] as (...all: unknown[]) => { now(): void; later(): Promise<void> })(...args);
          const fail = () => {
            throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC', syscall: 'write' });
          };
          return failing ? { now: fail, later: async () => fail() } : step;
        },
      };
      const index = await IndexFiles.create(path, CONFIG, { disk, maxFileBytes: 4096 + 10 * 16 });
      const start = Array.from({ length: 15 }, (_, i): [string, number] => [`id-${i}`, i]);
      await index.append(appendRequest(start));
      let model = applyAppend(emptyModel(), start);
      failing = true;
      const more = Array.from({ length: 25 }, (_, i): [string, number] => [`id-${i}`, 100 + i]);
      await assert.rejects(index.append(appendRequest(more)), { code: 'DISK', message: /ENOSPC/ });
      assert.throws(() => index.appendSync(appendRequest(more)), { code: 'DISK' });
      await assert.rejects(index.writeSegment([{ name: 'x', bytes: new Uint8Array(9) }]), { code: 'DISK' });
      assert.equal(difference(index, model), undefined);
      failing = false;
      await index.append(appendRequest(more));
      model = applyAppend(model, more);
      assert.equal(difference(index, model), undefined);
      await index.close();
      const again = await IndexFiles.open(path);
      assert.equal(difference(again, model), undefined);
      assert.equal(readdirSync(path).filter((name) => name.endsWith('.tmp')).length, 0);
      await again.close();
    });
  }
});

describe('opening', () => {
  it('says what is not there, what is there already, and what is foreign', async () => {
    const path = fresh();
    assert.throws(() => IndexFiles.openSync(path), {
      code: 'NO_INDEX',
      message: /but there is no such folder \(Funnel/,
    });
    assert.throws(() => IndexFiles.openSync(scratch.path), { code: 'NO_INDEX', message: /but it has no data\.mdb/ });
    await (await IndexFiles.create(path, CONFIG)).close();
    assert.throws(() => IndexFiles.createSync(path, CONFIG), { code: 'INDEX_EXISTS' });
    assert.throws(() => IndexFiles.createSync(scratch.path, CONFIG), { code: 'INDEX_EXISTS' });
    writeFileSync(join(path, 'data.mdb'), 'something else entirely');
    assert.throws(() => IndexFiles.openSync(path), { code: 'CORRUPT', message: /data\.mdb/ });
  });

  it('refuses files of rows that belong to another index', async () => {
    const [one, two] = [fresh(), fresh()];
    for (const path of [one, two]) {
      const index = await IndexFiles.create(path, CONFIG);
      await index.append(appendRequest([['a', 1]]));
      await index.close();
    }
    rmSync(join(one, 'rows-000001.bin'));
    symlinkSync(join(two, 'rows-000001.bin'), join(one, 'rows-000001.bin'));
    assert.throws(() => IndexFiles.openSync(one), {
      code: 'CORRUPT',
      message: /rows-000001\.bin.*header.*another index/,
    });
  });

  it('removes what a crash left, and nothing of others', async () => {
    const path = fresh();
    await (await IndexFiles.create(path, CONFIG)).close();
    for (const name of ['rows-000009.bin', 'seg-000004.tmp', 'notes.txt']) writeFileSync(join(path, name), 'x');
    await (await IndexFiles.open(path)).close();
    assert.deepEqual(
      readdirSync(path).filter((name) => !name.startsWith('data')),
      ['notes.txt'],
    );
  });
});

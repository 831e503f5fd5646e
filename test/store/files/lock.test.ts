/** One writer at a time, and no lock that outlives it: whatever ends it, wherever the next one is. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { FunnelError } from 'funnelvec';
import { IndexFiles } from '#dist/store/files/index-files.js';
import { isLocal } from '#dist/store/files/kernel-lock.js';
import type { WriterRecord } from '#dist/store/files/writer-record.js';
import { Random, SEED } from '../../random.js';
import { type Contender, endAll, IMPORTED, processContender, threadContender, UNSHARE } from './contenders.js';
import { leaveRecord } from './leave-record.js';
import { appendRequest, CONFIG, scratchFolder } from './model.js';

const ROUNDS = Number(process.env['FUNNELVEC_LOCK_ROUNDS'] ?? 200);
const scratch = scratchFolder();
after(endAll);
after(scratch.remove);
let made = 0;
const fresh = () => join(scratch.path, `index-${made++}`);
const require = createRequire(import.meta.url);
const required = fileURLToPath(IMPORTED).replace('/dist/esm/', '/dist/cjs/');
const { IndexFiles: Required } = require(required) as typeof import('#dist/store/files/index-files.js');
const inNamespace = UNSHARE === undefined ? undefined : () => processContender(IMPORTED, UNSHARE);

async function created(): Promise<string> {
  const path = fresh();
  await (await IndexFiles.create(path, CONFIG)).close();
  return path;
}

const isLocked = (message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof FunnelError || (error as Error).name === 'FunnelError', String(error));
  assert.equal((error as FunnelError).code, 'INDEX_LOCKED');
  assert.match((error as Error).message, message);
  return true;
};

describe('the next writer', () => {
  it(`opens after each of ${ROUNDS} deaths of the one before, and two never hold an index`, async (t) => {
    if (inNamespace === undefined) {
      if (process.env['CI'] === 'true' && process.platform === 'linux')
        assert.fail('no pid namespaces can be made here');
      t.diagnostic('without other pid namespaces: unshare is not permitted here');
    }
    const random = new Random(SEED);
    const path = await created();
    const kinds: (() => Promise<Contender>)[] = [
      () => processContender(),
      inNamespace ?? (() => processContender()),
      () => threadContender('terminate'),
      () => threadContender(random.pick(['throw', 'return'])),
    ];
    // More threads, which come quicker. The one in the place of a dead one comes when it is ready.
    const places = [...kinds, ...kinds.slice(2)].map((make) => ({ make, one: undefined as Contender | undefined }));
    const coming = new Set<Promise<void>>();
    const fill = (place: (typeof places)[number]) => {
      const making = place.make().then((one) => {
        place.one = one;
        coming.delete(making);
      });
      coming.add(making);
    };
    for (const place of places) fill(place);
    const wins = new Map(kinds.map((make) => [make, 0]));
    let rows = 0;
    let refused = 0;
    for (let round = 0; round < ROUNDS; round++) {
      while (!places.some(({ one }) => one !== undefined)) await Promise.race(coming);
      const ready = places.filter(({ one }) => one !== undefined);
      // All are asked at once, so that some race.
      const some = ready.filter(() => random.chance(0.5));
      if (some.length === 0) some.push(random.pick(ready));
      const outcomes = await Promise.all(
        some.map(async (place) => ({ place, ...(await place.one!.ask({ open: path })) })),
      );
      const said = outcomes.map(({ place, is, message }) => `${place.one!.name}: ${is} ${message}`).join('\n');
      const [winner, ...more] = outcomes.filter(({ is }) => is === 'open');
      assert.ok(winner !== undefined && more.length === 0, `round ${round}, seed ${SEED}:\n${said}`);
      for (const { is } of outcomes) assert.match(is, /^(open|INDEX_LOCKED)$/, said);
      refused += outcomes.length - 1;
      assert.ok(winner.rows! > rows, `round ${round}: ${winner.rows} rows after ${rows} were acknowledged`);
      rows = winner.rows!;
      wins.set(winner.place.make, wins.get(winner.place.make)! + 1);
      await winner.place.one!.die();
      winner.place.one = undefined;
      fill(winner.place);
    }
    await Promise.all(coming);
    await Promise.all(places.map(({ one }) => one!.die()));
    const index = await IndexFiles.open(path);
    assert.ok(index.rows >= rows);
    await index.close();
    for (const [, count] of wins) assert.ok(count > 0, `one kind never won: ${[...wins.values()]}`);
    assert.ok(refused > ROUNDS / 10, `only ${refused} were refused`);
    t.diagnostic(`${[...wins.values()].join(' + ')} deaths, ${refused} refused`);
  });

  it('opens where a writer in the same thread is gone without a trace', async () => {
    const path = await created();
    await (async () => void (await IndexFiles.open(path)))();
    for (let i = 0; i < 50; i++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      globalThis.gc!();
      try {
        await (await IndexFiles.open(path)).close();
        return;
      } catch (error) {
        isLocked(/this very process/)(error);
      }
    }
    assert.fail('it is locked by an index that was collected as garbage');
  });

  it('is refused while one that nobody refers to any more still writes', async () => {
    const path = await created();
    for (const kind of ['append', 'writeSegment'] as const) {
      let come = () => {};
      const coming = new Promise<void>((resolve) => {
        come = resolve;
      });
      let hasCome = false;
      const late = {
        *append() {
          while (!hasCome) yield;
          return appendRequest([['a', 1]]);
        },
        async *writeSegment() {
          await coming;
          yield { name: 'x', bytes: new Uint8Array(1) };
        },
      };
      const { writing } = await (async () => {
        const files = await IndexFiles.open(path);
        const done = kind === 'append' ? files.appendPacked(late.append) : files.writeSegment(late.writeSegment());
        return { writing: done };
      })();
      try {
        for (let i = 0; i < 5; i++) {
          await new Promise((resolve) => setTimeout(resolve, 10));
          globalThis.gc!();
          await assert.rejects(IndexFiles.open(path), isLocked(/this very process/));
        }
      } finally {
        hasCome = true;
        come();
      }
      await writing;
      await (await IndexFiles.open(path, { breakLock: true })).close();
    }
  });

  it('opens a copy of an index that is open', async () => {
    const path = await created();
    const index = await IndexFiles.open(path);
    await index.append(appendRequest([['a', 1]]));
    const copy = fresh();
    cpSync(path, copy, { recursive: true });
    const other = await IndexFiles.open(copy);
    assert.equal(other.rows, 1);
    await Promise.all([index.close(), other.close()]);
  });

  it('waits for close(), whoever called it first', async () => {
    const path = await created();
    const index = await IndexFiles.open(path);
    void index.append(appendRequest([['a', 1]]));
    void index.close();
    await index.close();
    await (await IndexFiles.open(path)).close();
  });
});

describe('processes that open and close an index at once', () => {
  it('never leave it with locks that nobody can take', async () => {
    const path = await created();
    for (let run = 0; run < 3; run++) {
      const said = await Promise.all([1, 2, 3].map((i) => runOpener(path, 30, SEED + 10 * run + i)));
      assert.deepEqual(said, ['', '', ''], `seed ${SEED}`);
    }
    await (await IndexFiles.open(path)).close();
  });
});

/** @returns what went wrong */
async function runOpener(path: string, rounds: number, seed: number): Promise<string> {
  const file = fileURLToPath(new URL('./opener-child.js', import.meta.url));
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [file, path, `${rounds}`, `${seed}`]);
  return stdout + stderr;
}

describe('a second writer', () => {
  it('is refused by one in another process or thread that lives, and told what helps; breakLock does not', async () => {
    const path = await created();
    const expected: [Promise<Contender>, RegExp][] = [
      [processContender(), /process \d+ on .* it is running; close the index there, or end it/],
      [threadContender('terminate'), /thread \d+ of this very process; close that index there, or end the thread/],
    ];
    if (inNamespace !== undefined) expected.push([inNamespace(), /it runs, in another container/]);
    for (const [making, message] of expected) {
      const writer = await making;
      assert.equal((await writer.ask({ open: path })).is, 'open');
      for (const breakLock of [false, true]) {
        await assert.rejects(IndexFiles.open(path, { breakLock }), isLocked(message));
        assert.throws(() => Required.openSync(path, { breakLock }), isLocked(message));
      }
      await writer.die();
      await (await IndexFiles.open(path)).close();
    }
  });

  it('of another copy of the module is refused too, and takes the place of the first with breakLock', async () => {
    const path = await created();
    const first = await IndexFiles.open(path);
    await first.append(appendRequest([['a', 1]]));
    await assert.rejects(
      Required.open(path),
      isLocked(/this very process; close that index first, or, .* breakLock: true/),
    );
    const writing = first.append(appendRequest([['b', 1]]));
    await assert.rejects(Required.open(path, { breakLock: true }), isLocked(/under way: await it first/));
    await writing;
    const compacting = first.compact();
    await assert.rejects(Required.open(path, { breakLock: true }), isLocked(/under way/));
    await compacting;
    const second = await Required.open(path, { breakLock: true });
    assert.equal(second.rows, 2);
    await assert.rejects(first.append(appendRequest([['c', 1]])), isLocked(/another took its place/));
    await assert.rejects(first.writeSegment([{ name: 'x', bytes: new Uint8Array(1) }]), isLocked(/its place/));
    await first.close();
    await assert.rejects(IndexFiles.open(path), isLocked(/this very process/));
    await second.append(appendRequest([['c', 1]]));
    await second.close();
  });
});

describe('a record without a lock of the system', () => {
  const elsewhere = { host: 'elsewhere', boot: 'another', pid: 1, started: '1' };
  const cases: [string, Partial<WriterRecord>, RegExp | undefined][] = [
    ['of another machine', elsewhere, /process 1 on elsewhere .* on another machine; if it is dead for certain/],
    ['of another container', { namespace: 'pid:[1]' }, /in another container; if it is dead for certain/],
    ['of another container with a host name of its own', { host: 'x', namespace: 'pid:[1]' }, /in another container/],
    ['of this machine before it was started anew', { boot: 'another' }, undefined],
    ['of a pid given again', { started: '1' }, undefined],
    ['of a pid that is free', { pid: 2 ** 22 - 1 }, undefined],
    ['of a thread that has ended', { task: '1', taskStarted: '1' }, undefined],
    ['of a writer that had the lock of the system', { namespace: 'pid:[1]', locked: true }, undefined],
    ['that cannot be read', { pid: 'x' as unknown as number }, undefined],
  ];
  for (const [name, change, message] of cases) {
    it(`${name} ${message === undefined ? 'holds nothing' : 'may hold the index; breakLock takes it'}`, async (t) => {
      if (process.platform !== 'linux') return t.skip('what /proc tells');
      const path = await created();
      leaveRecord(path, change);
      if (message !== undefined) {
        await assert.rejects(IndexFiles.open(path), isLocked(message));
        await (await IndexFiles.open(path, { breakLock: true })).close();
      }
      await (await IndexFiles.open(path)).close();
    });
  }

  it('of another machine holds nothing where no other machine can reach the file system', async (t) => {
    const path = await created();
    if (!isLocal(path)) return t.skip('no such file system');
    leaveRecord(path, { ...elsewhere, locked: true });
    await (await IndexFiles.open(path)).close();
    leaveRecord(path, { ...elsewhere, inode: '1' }); // it came with a copy
    await (await IndexFiles.open(path)).close();
  });
});

describe('writers with and without a binary', () => {
  const plain = join(scratch.path, 'plain');
  const isNative = realpathSync(fileURLToPath(IMPORTED)).split('/dist/')[0]!;

  it('exclude each other, and follow each other when they died', async () => {
    mkdirSync(plain);
    cpSync(join(isNative, 'dist'), join(plain, 'dist'), { recursive: true });
    symlinkSync(join(isNative, 'node_modules'), join(plain, 'node_modules'));
    writeFileSync(join(plain, 'package.json'), readFileSync(join(isNative, 'package.json')));
    const from = pathToFileURL(join(plain, 'dist/esm/store/files/index-files.js')).href;
    const kinds = [
      () => processContender(),
      () => processContender(from),
      () => threadContender('terminate'),
      () => threadContender('throw', from),
      () => threadContender('return', from),
    ];
    const path = await created();
    const contenders = await Promise.all(kinds.map(async (make) => ({ make, one: await make() })));
    const random = new Random(SEED);
    const won = new Set<number>();
    for (let round = 0; round < 25; round++) {
      // One first, in turn; then all of the others at once.
      const first = contenders[round % contenders.length]!;
      const opened = await first.one.ask({ open: path });
      assert.equal(opened.is, 'open', `round ${round}: ${JSON.stringify(opened)}`);
      const others = contenders.filter((one) => one !== first);
      const breakLock = random.chance(0.5);
      const outcomes = await Promise.all(others.map(({ one }) => one.ask({ open: path, breakLock })));
      for (const outcome of outcomes) {
        assert.equal(outcome.is, 'INDEX_LOCKED', `round ${round}: ${JSON.stringify([opened, outcome])}`);
      }
      won.add(round % contenders.length);
      await first.one.die();
      first.one = await first.make();
    }
    assert.equal(won.size, contenders.length);
    const module: typeof import('#dist/store/files/index-files.js') = await import(from);
    const lost = await module.IndexFiles.open(path);
    await assert.rejects(IndexFiles.open(path), isLocked(/this very process/));
    const again = await IndexFiles.open(path, { breakLock: true });
    await assert.rejects(lost.append(appendRequest([['x', 1]])), isLocked(/its place/));
    await again.close();
    await Promise.all(contenders.map(({ one }) => one.die()));
  });
});

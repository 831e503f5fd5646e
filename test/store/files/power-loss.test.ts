/**
 * 1,000 power losses on a disk that keeps any part of what was not synced (faulty-disk.ts).
 *
 * LMDB writes past that layer, so its file is modelled here. A commit of LMDB (overlappingSync off, see lmdb-kv.ts;
 * watched with strace) writes copies of the pages it changes, syncs the file, and then writes one meta page through a
 * descriptor opened with O_DSYNC. Pages that the meta page before it reaches are never overwritten. So when the power
 * goes during a commit the file has the old meta page and any part of the changed pages, or the new meta page and all
 * of them; once the commit has returned, only the latter. That is what `duringCommit` and the plain copy make. The
 * model does not cover a disk that tears the 128 bytes of the meta page, or lies about syncs.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { IndexFiles } from '#dist/store/files/index-files.js';
import { Random, SEED } from '../../random.js';
import { FaultyDisk, PowerLoss } from './faulty-disk.js';
import {
  appendRequest,
  applyAppend,
  applyDelete,
  CONFIG,
  copyModel,
  difference,
  emptyModel,
  type Model,
  scratchFolder,
  sectionOf,
} from './model.js';

const ROUNDS = Number(process.env['FUNNELVEC_POWER_ROUNDS'] ?? 1000);
const PAGE = 4096;
/** Few rows to a file, so that files roll over. */
const OPTIONS = { maxFileBytes: 4096 + 12 * 16, breakLock: true };

class Fault extends Error {
  constructor(readonly code: string) {
    super(code);
  }
}

interface Round {
  index: IndexFiles;
  disk: FaultyDisk;
  random: Random;
  model: Model;
  folder: string;
  /** data.mdb when the power went. */
  store: Buffer | undefined;
  /** The other state that may be found: that after the operation that was under way. */
  maybe: Model | undefined;
  version: number;
}

describe('a power loss', () => {
  const scratch = scratchFolder();
  after(scratch.remove);

  it(`at any of ${ROUNDS} moments loses nothing acknowledged and shows nothing else`, async () => {
    const random = new Random(SEED);
    let folder = join(scratch.path, 'start');
    let model = emptyModel();
    let survivedInFlight = 0;
    let faults = 0;
    for (let round = 0; round < ROUNDS; round++) {
      if (round % 25 === 0) {
        rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
        folder = join(scratch.path, `start-${round}`);
        (await IndexFiles.create(folder, CONFIG)).closeSync();
        model = emptyModel();
      }
      const disk = new FaultyDisk(folder, random);
      const index = await IndexFiles.open(folder, { ...OPTIONS, disk });
      const state: Round = {
        index,
        disk,
        random,
        model,
        folder,
        store: undefined,
        maybe: undefined,
        version: round * 100,
      };
      faults += await run(state);
      const image = join(scratch.path, `image-${round}`);
      lay(image, disk.image(), state.store ?? readFileSync(join(folder, 'data.mdb')));
      disk.before = () => {};
      disk.dead = false;
      await index.close();
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });

      const reopened = await IndexFiles.open(image, OPTIONS).catch((error: Error) => {
        throw new Error(`round ${round}: ${error.message}`, { cause: error });
      });
      const why = difference(reopened, state.model);
      const whyNot = why === undefined || state.maybe === undefined ? why : difference(reopened, state.maybe);
      assert.equal(whyNot, undefined, `round ${round}, seed ${SEED}: ${why}; or: ${whyNot}`);
      if (why !== undefined) survivedInFlight++;
      model = why === undefined ? state.model : state.maybe!;
      await reopened.close();
      folder = image;
    }
    assert.ok(faults > ROUNDS / 10, `only ${faults} faults`);
    assert.ok(survivedInFlight > 0, 'no operation was caught between its commit and its acknowledgement');
  });
});

/** Operations until the power goes. How many failed before that. */
async function run(state: Round): Promise<number> {
  const { random, disk, folder } = state;
  let faults = 0;
  const operations = random.int(1, 10);
  let untilLoss = random.chance(0.7) ? random.int(1, 30) : Number.POSITIVE_INFINITY;
  disk.before = (operation) => {
    if (--untilLoss <= 0) {
      disk.dead = true;
      state.store ??= storeNow(folder);
      throw new PowerLoss();
    }
    if (random.chance(0.04) && operation !== 'unlink') {
      faults++;
      throw new Fault(operation === 'write' ? 'ENOSPC' : 'EIO');
    }
  };
  for (let i = 0; i < operations && !disk.dead; i++) {
    const last = i === operations - 1;
    const before = readFileSync(join(folder, 'data.mdb'));
    const model = state.model;
    const atomic = await operate(state);
    if (last && !disk.dead && atomic && random.chance(0.5)) {
      state.store = duringCommit(before, readFileSync(join(folder, 'data.mdb')), random);
      state.model = model;
      state.maybe = undefined;
    }
  }
  return faults;
}

/** One operation. True when nothing follows its commit, so that the power may as well have gone during that. */
async function operate(state: Round): Promise<boolean> {
  const { index, random, disk } = state;
  const attempt = async (work: () => Promise<unknown>, next: () => Model): Promise<boolean> => {
    try {
      await work();
      if (disk.dead) state.maybe = next();
      else state.model = next();
      return true;
    } catch (error) {
      // A write that fails is not there, unless the power went meanwhile.
      if (disk.dead) state.maybe = next();
      else assert.ok((error as { cause?: unknown }).cause instanceof Fault, String((error as Error).stack));
      return false;
    }
  };
  const name = () => `id-${random.int(0, 40)}`;
  const append = async (sync = random.chance(0.3)) => {
    const entries = [...new Set(Array.from({ length: random.int(1, 15) }, name))].map(
      (id) => [id, state.version++] as const,
    );
    const { model } = state;
    await attempt(
      async () => (sync ? index.appendSync(appendRequest(entries)) : index.append(appendRequest(entries))),
      () => applyAppend(model, entries),
    );
    return true;
  };
  const remove = async () => {
    const ids = Array.from({ length: random.int(1, 8) }, name);
    const { model } = state;
    await attempt(
      () => index.delete(ids),
      () => applyDelete(model, ids),
    );
    return true;
  };
  const kind = random.int(0, 9);
  if (kind <= 3) return append();
  if (kind <= 5) return remove();
  if (kind <= 7) {
    const seed = state.version++;
    const { model } = state;
    const gone = [...model.segments.keys()].filter(() => random.chance(0.3));
    let added: string | undefined;
    await attempt(
      async () => {
        const segment = await index.writeSegment([{ name: 'codes', bytes: sectionOf(seed) }]);
        if (disk.dead) return;
        added = segment.name;
        await index.commitSegments({ add: [segment], remove: gone, meta: { seed } });
      },
      () => {
        const next = copyModel(model);
        if (added === undefined) return next;
        for (const one of gone) next.segments.delete(one);
        next.segments.set(added, seed);
        next.meta = { seed };
        return next;
      },
    );
    return gone.length === 0;
  }
  const compaction = index.compact().catch((error: Error) => {
    if (!disk.dead) assert.ok(error.cause instanceof Fault, error.stack);
  });
  if (kind === 9) {
    for (let i = random.int(1, 3); i > 0 && !disk.dead; i--) await (random.chance(0.6) ? append(false) : remove());
  }
  await compaction;
  return false;
}

/**
 * A compaction may commit in a thread of LMDB's at this moment. A read that began before the file grew would pair its new meta
 * page with its old end, which no disk can hold; what was read twice alike stood there at one moment.
 */
function storeNow(folder: string): Buffer {
  const read = () => readFileSync(join(folder, 'data.mdb'));
  for (let last = read(); ; ) {
    const now = read();
    if (now.equals(last)) return now;
    last = now;
  }
}

function lay(folder: string, files: Map<string, Buffer>, store: Buffer): void {
  mkdirSync(folder);
  for (const [name, contents] of files) if (!name.startsWith('data.mdb')) writeFileSync(join(folder, name), contents);
  writeFileSync(join(folder, 'data.mdb'), store);
}

/** The old meta pages, and any part of the pages that the commit changed. */
function duringCommit(before: Buffer, after: Buffer, random: Random): Buffer {
  const image = Buffer.alloc(random.chance(0.5) ? after.length : before.length);
  before.copy(image);
  for (let at = 2 * PAGE; at < image.length; at += PAGE) {
    const page = after.subarray(at, at + PAGE);
    if (page.equals(before.subarray(at, at + PAGE))) continue;
    if (random.chance(0.5)) page.copy(image, at);
    else if (random.chance(0.2)) page.copy(image, at, 0, random.int(1, 7) * 512);
  }
  return image;
}

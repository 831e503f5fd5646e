/** A large change of payloads is committed as pages of them, and readers find all of it or none, whatever comes behind. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { FunnelIndex } from 'funnelvec/store';
import { LMDB_FILE } from '#dist/store/files/lmdb-env.js';
import { lmdbKv } from '#dist/store/files/lmdb-kv.js';
import { decodeState, FORMAT_VERSION, FORMAT_WITH_EDITS } from '#dist/store/files/state.js';
import { partsOf } from '#dist/store/parts.js';
import { Random, SEED } from '../../random.js';
import { killed } from '../killed.js';
import { scratchFolder } from './model.js';

const DIM = 3;
const scratch = scratchFolder();
after(scratch.remove);
let made = 0;
const fresh = () => join(scratch.path, `index-${made++}`);
const CHILD = fileURLToPath(new URL('./edit-pages-child.js', import.meta.url));
const FULL = fileURLToPath(new URL('./full-disk-child.js', import.meta.url));
/** Rows: more than one commit takes as they are. */
const ROWS = 10_000;
/** Rounds of kill -9. */
const ROUNDS = Number(process.env['FUNNELVEC_PAYLOAD_KILL_ROUNDS'] ?? 4);
const ALL = Array.from({ length: ROWS }, (_, i) => i);

interface Payload {
  version: number;
  text?: string;
}

/** Every third row has no payload yet. */
async function filled(path = fresh()): Promise<FunnelIndex<Payload>> {
  const index = await FunnelIndex.create<Payload>(path, { dim: DIM, autoOptimize: false });
  const payloads = ALL.map((id) => (id % 3 === 0 ? undefined : { version: 0 })) as Payload[];
  await index.upsert({ ids: ALL, vectors: new Float32Array(ROWS * DIM).fill(1), payloads });
  return index;
}

/** The store of an index. */
const storeOf = (index: FunnelIndex<Payload>) => partsOf(index).files.reading(({ options }) => options.kv);

/** Makes the parts fail in which payloads are put in their places, until it is told to end. */
function failing(index: FunnelIndex<Payload>): () => void {
  const kv = storeOf(index);
  const { stage } = kv;
  kv.stage = () => ({ now: () => assert.fail(), later: () => Promise.reject(new Error('disk is full')) });
  return () => {
    kv.stage = stage;
  };
}

/** The version of all payloads; every third row has none where it is 0. */
function versionOf(index: FunnelIndex<Payload>, every = 1): number {
  const points = index.getSync(ALL.filter((id) => id % every === 0));
  const versions = new Set(points.map((point) => point!.payload?.version ?? 0));
  assert.equal(versions.size, 1, `versions ${[...versions].join(', ')} at one moment`);
  const [version] = versions;
  if (version !== 0) for (const point of points) assert.ok(point!.payload !== undefined);
  return version!;
}

/** The format of the state, and whether the store has pages. */
function stored(path: string): { format: number; pages: boolean } {
  const kv = lmdbKv(join(path, LMDB_FILE), { readOnly: true, relaxed: true });
  try {
    const { format, edits } = decodeState(kv.state()!, LMDB_FILE);
    assert.equal(format === FORMAT_WITH_EDITS, edits !== undefined);
    return { format, pages: kv.edits(0) !== undefined || kv.edits(1) !== undefined };
  } finally {
    kv.close().now();
  }
}

describe('a large change of payloads', () => {
  it('is seen by a reader in one moment, and by its own index, also while payloads come into their places', async () => {
    const index = await filled();
    const reader = await FunnelIndex.open<Payload>(index.path, { readOnly: true });
    for (let version = 1; version <= 2; version++) {
      let isWriting = true;
      const writing = index.setPayload(ALL, { version }).finally(() => {
        isWriting = false;
      });
      const formats = new Set<number>();
      let looks = 0;
      while (isWriting) {
        for (const one of [index, reader]) {
          const seen = versionOf(one, 50);
          assert.ok(seen === version || seen === version - 1, `version ${seen}, not ${version} or the one before`);
        }
        formats.add(stored(index.path).format);
        looks++;
        await new Promise(setImmediate);
      }
      assert.deepEqual(await writing, { count: ROWS });
      assert.ok(looks > 5, `${looks} looks`);
      assert.deepEqual([...formats].sort(), [FORMAT_VERSION, FORMAT_WITH_EDITS]);
      assert.deepEqual([versionOf(index), versionOf(reader)], [version, version]);
      assert.deepEqual(stored(index.path), { format: FORMAT_VERSION, pages: false });
    }
    await reader.close();
    await index.close();
  });

  it('is in a commit of few entries, and its payloads come into their places in parts, but for a synchronous call', async () => {
    const index = await filled();
    const kv = storeOf(index);
    const { commit } = kv;
    const sizes: number[] = [];
    kv.commit = (given) => {
      const { ids, dead, payloads, changes = [], edits = [] } = given;
      sizes.push(ids.length + dead.length + payloads.length + changes.length + edits.length);
      return commit.call(kv, given);
    };
    await index.setPayload(ALL, { version: 1 });
    assert.equal(sizes.length, 2);
    for (const size of sizes) assert.ok(size < 200, `${size} entries of ${ROWS} rows`);
    index.setPayloadSync(ALL, { version: 2 });
    assert.equal(sizes.length, 3);
    assert.ok(sizes[2]! >= ROWS);
    assert.equal(versionOf(index), 2);
    await index.close();
  });

  it('changes nothing when its commit does not come', async () => {
    const index = await filled();
    const kv = storeOf(index);
    const { commit } = kv;
    kv.commit = () => ({ now: () => assert.fail(), later: () => Promise.reject(new Error('no commit')) });
    await assert.rejects(index.setPayload(ALL, { version: 1 }), { code: 'DISK' });
    kv.commit = commit;
    assert.equal(versionOf(index), 0);
    assert.deepEqual(stored(index.path), { format: FORMAT_VERSION, pages: false });
    await index.setPayload(ALL, { version: 1 });
    assert.equal(versionOf(index), 1);
    await index.close();
  });

  it('is whole where it could not be put in its place: for its index, readers, copies, checks and the next writer', async () => {
    const index = await filled();
    const end = failing(index);
    assert.deepEqual(await index.setPayload(ALL, { version: 1 }), { count: ROWS });
    assert.equal(versionOf(index), 1);
    assert.deepEqual(stored(index.path), { format: FORMAT_WITH_EDITS, pages: true });
    await assert.rejects(index.setPayload([1], { version: 2 }), { code: 'DISK' });
    assert.deepEqual((await index.verify()).problems, []);
    const [copy, reader] = [fresh(), await FunnelIndex.open<Payload>(index.path, { readOnly: true })];
    await index.backup(copy);
    assert.equal(versionOf(reader), 1);
    assert.equal(await reader.countMatching({ filter: { must: { key: 'version', match: { value: 1 } } } }), ROWS);
    assert.deepEqual((await reader.verify()).problems, []);
    const image = await FunnelIndex.fromBytes<Payload>(await reader.toBytes());
    assert.equal(versionOf(image), 1);
    await image.close();
    await index.close();
    end();
    // Who writes next puts them in their places first, whatever it writes.
    for (const [path, write] of [
      [index.path, (one: FunnelIndex<Payload>) => one.setPayload([1], { text: 'one more' })],
      [copy, async (one: FunnelIndex<Payload>) => one.setPayloadSync([1], { text: 'one more' })],
    ] as const) {
      const next = await FunnelIndex.open<Payload>(path, { autoOptimize: false });
      assert.equal(versionOf(next), 1);
      await write(next);
      assert.deepEqual(stored(path), { format: FORMAT_VERSION, pages: false });
      assert.equal(versionOf(next), 1);
      assert.deepEqual((await next.get([1]))[0]!.payload, { version: 1, text: 'one more' });
      assert.deepEqual((await next.verify()).problems, []);
      await next.close();
    }
    assert.equal(versionOf(reader), 1);
    assert.deepEqual((await reader.get([1]))[0]!.payload, { version: 1, text: 'one more' });
    await reader.close();
  });

  it('is whole where the disk is full, and the process goes on', {
    skip: process.platform === 'win32' && 'nothing there limits the size of a file',
    timeout: 120_000,
  }, async () => {
    const index = await filled();
    await index.overwritePayload(ALL, { version: 0, text: 'x'.repeat(150) });
    await index.close();
    const before = statSync(join(index.path, LMDB_FILE)).size;
    const ends = new Set<string>();
    // Room for nothing, for the pages alone, and for all of it.
    for (const room of [0, 3e6, 4e6, 9e6]) {
      // The system tells of a file that is as large as it may be by a signal first, which would end the process.
      const limited = `trap '' XFSZ; ulimit -f ${Math.ceil((before + room) / 512)}; exec "$0" "$@"`;
      const path = fresh();
      cpSync(index.path, path, { recursive: true });
      const child = [process.execPath, FULL, path, String(ROWS)];
      const { status, stdout, stderr } = spawnSync('sh', ['-c', limited, ...child], {
        encoding: 'utf8',
        timeout: 60_000,
      });
      assert.equal(status, 0, `with room for ${room} bytes: ${stderr.slice(-2000)}`);
      const { change, next, versions } = JSON.parse(stdout);
      const version = change === 'done' ? 1 : 0;
      if (next !== 'done') assert.deepEqual(versions, [version]);
      ends.add(`${change}, ${next}`);
      const again = await FunnelIndex.open<Payload>(path, { autoOptimize: false });
      if (next !== 'done') assert.equal(versionOf(again), version);
      await again.setPayload([1], { version: 2 });
      assert.equal(stored(path).pages, false);
      assert.deepEqual((await again.verify()).problems, []);
      await again.close();
      rmSync(path, { recursive: true });
    }
    assert.ok(ends.has('done, DISK') && ends.has('done, done'), [...ends].join('; '));
  });

  it('is not left behind by rows that die and are compacted away, nor by payloads of many bytes', async () => {
    const index = await filled();
    const end = failing(index);
    const text = 'x'.repeat(4000);
    await index.overwritePayload(ALL.slice(0, 9000), { version: 1, text });
    end();
    await index.delete(ALL.filter((id) => id % 2 === 1));
    await index.optimize();
    assert.deepEqual(stored(index.path), { format: FORMAT_VERSION, pages: false });
    const points = await index.get(ALL);
    for (const [id, point] of points.entries()) {
      if (id % 2 === 1) assert.equal(point, undefined);
      else if (id < 9000) assert.deepEqual(point!.payload, { version: 1, text });
      else assert.deepEqual(point!.payload, id % 3 === 0 ? undefined : { version: 0 });
    }
    assert.deepEqual((await index.verify()).problems, []);
    await index.close();
  });

  it('has pages that are damaged found, by reads and by verify()', async () => {
    const index = await filled();
    failing(index);
    await index.setPayload(ALL, { version: 1 });
    await index.close();
    const file = join(index.path, LMDB_FILE);
    const bytes = readFileSync(file);
    // A payload on a page: nowhere else does one of version 1 stand.
    const at = bytes.indexOf('{"version":1}');
    bytes[at + 11] = '7'.charCodeAt(0);
    writeFileSync(file, bytes);
    const reader = await FunnelIndex.open<Payload>(index.path, { readOnly: true });
    assert.throws(() => versionOf(reader), { code: 'CORRUPT' });
    const { problems } = await reader.verify();
    assert.equal(problems.length, 1);
    assert.match(problems[0]!.message, /payloads.*checksum/);
    await reader.close();
  });

  it('is there or not after kill -9, whole, and never gone once it was acknowledged', {
    timeout: 240_000,
  }, async () => {
    const random = new Random(SEED);
    const index = await filled();
    await index.close();
    let [sure, paged] = [0, 0];
    for (let round = 0; round < ROUNDS; round++) {
      const said = await killed<{ begin?: number; end?: number }>([CHILD, index.path, String(sure + 1)], (text) =>
        text.includes('end') ? random.int(20, 500) : undefined,
      );
      for (const { end } of said) if (end !== undefined) sure = end;
      if (stored(index.path).pages) paged++;
      const reader = await FunnelIndex.open<Payload>(index.path, { readOnly: true });
      const version = versionOf(reader);
      assert.ok(version === sure || version === sure + 1, `version ${version} of ${sure} or one more (seed ${SEED})`);
      await reader.close();
      if (round % 2 === 1) {
        const next = await FunnelIndex.open<Payload>(index.path, { autoOptimize: false });
        assert.equal(versionOf(next), version);
        await next.setPayload([1], { text: `round ${round}` });
        assert.equal(stored(index.path).pages, false);
        assert.equal(versionOf(next), version);
        assert.equal((await next.get([1]))[0]!.payload!.text, `round ${round}`);
        assert.deepEqual((await next.verify()).problems, []);
        await next.close();
      }
      sure = version;
    }
    if (ROUNDS >= 20) assert.ok(paged > 0, 'no round died before payloads were in their places');
  });
});

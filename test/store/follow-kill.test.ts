/** kill -9 while a mirror follows a collection that is written all the time: it loses nothing and invents nothing. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { embeddedSource, FunnelIndex } from 'funnelvec/store';
import { Random, SEED } from '../random.js';

const ROUNDS = Math.ceil(Number(process.env['FUNNELVEC_KILL_ROUNDS'] ?? 8) / 2);
const CHILD = fileURLToPath(new URL('./follow-kill-child.js', import.meta.url));
const DIM = 6;
const IDS = 300;

const vectorOf = (version: number) => new Random(version).vector(DIM);

/** A state of the collection: versions by id, and when it was acknowledged. */
interface State {
  at: number;
  rows: ReadonlyMap<number, number>;
}

describe('kill -9 of a follower', () => {
  const folder = mkdtempSync(join(tmpdir(), 'funnelvec-follow-kill-'));
  after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

  it(`at any of ${2 * ROUNDS} moments leaves rows that the collection had, and all that its mark promises`, async (t) => {
    const random = new Random(SEED);
    const from = join(folder, 'collection');
    const collection = await FunnelIndex.create(from, { dim: DIM, autoOptimize: false, durability: 'relaxed' });
    let version = 1;
    let rows = new Map<number, number>();
    const states: State[] = [];
    /** All versions that an id ever had. */
    const had = new Map<number, Set<number>>();
    const write = async () => {
      const next = new Map(rows);
      if (random.chance(0.75)) {
        const ids = [...new Set(Array.from({ length: random.int(1, 12) }, () => random.int(0, IDS)))];
        const points = ids.map((id) => {
          next.set(id, version);
          had.set(id, (had.get(id) ?? new Set()).add(version));
          return { id, vector: vectorOf(version), payload: { version, at: version++ } };
        });
        await collection.upsert(points);
      } else {
        const ids = Array.from({ length: random.int(1, 8) }, () => random.int(0, IDS));
        for (const id of ids) next.delete(id);
        await collection.delete(ids);
      }
      rows = next;
      states.push({ at: Date.now(), rows });
    };
    for (let i = 0; i < 40; i++) await write();
    const told: Record<string, number> = {};
    for (const since of ['at', 'none']) {
      const path = join(folder, `mirror-${since}`);
      await (await FunnelIndex.create(path, { dim: DIM, durability: 'relaxed' })).close();
      for (let round = 0; round < ROUNDS; round++) {
        const durability = random.chance(0.3) ? 'full' : 'relaxed';
        const full = round >= 2 && random.chance(0.3) ? '30' : '1e9';
        const said = await killed(
          [CHILD, path, from, since, durability, full],
          round < 2 ? 3 : random.int(0, 4),
          random.int(0, 60),
          write,
        );
        for (const kind of said) told[kind] = (told[kind] ?? 0) + 1;
        const mirror = await FunnelIndex.open(path, { autoOptimize: false });
        const where = `since ${since}, round ${round}, seed ${SEED}`;
        check(mirror, states, had, where);
        if (round % 10 === 9 || round === ROUNDS - 1) {
          const follower = mirror.follow(embeddedSource(collection), {
            every: 1e9,
            withPayload: ['version'],
            ...(since === 'at' && { since }),
          });
          await follower.update();
          await follower.update();
          await follower.stop();
          assert.deepEqual(versionsIn(mirror), new Map([...rows].sort(([a], [b]) => a - b)), where);
        }
        await mirror.close();
        const mark = Date.now() - 60_000;
        while (states.length > 2 && states[1]!.at < mark) states.shift();
      }
    }
    await collection.close();
    t.diagnostic(JSON.stringify(told));
    assert.ok((told['full'] ?? 0) > 0 && (told['changes'] ?? 0) + (told['ids'] ?? 0) > 0, JSON.stringify(told));
  });
});

function versionsIn(mirror: FunnelIndex): Map<number, number> {
  const ids = mirror.someIds(mirror.count) as number[];
  const points = mirror.getSync(ids.sort((a, b) => a - b));
  return new Map(points.map((point, i) => [ids[i]!, (point!.payload as { version: number }).version]));
}

function check(
  mirror: FunnelIndex,
  states: readonly State[],
  had: ReadonlyMap<number, Set<number>>,
  where: string,
): void {
  const versions = versionsIn(mirror);
  const points = mirror.getSync([...versions.keys()]);
  for (const [i, [id, version]] of [...versions].entries()) {
    assert.ok(had.get(id)?.has(version), `${where}: row ${id} never had version ${version}`);
    assert.deepEqual(
      points[i]!.vector,
      vectorOf(version),
      `${where}: the vector of ${id} is not that of version ${version}`,
    );
  }
  const mark = mirror.syncMark;
  if (mark === undefined) return;
  // The mark says that all was here that had been acknowledged before that round began.
  const promised = states.findLast(({ at }) => at < mark.at);
  if (promised === undefined) return;
  const later = states.filter(({ at }) => at >= mark.at);
  for (const [id, version] of promised.rows) {
    const own = versions.get(id);
    const isGone = later.some((state) => !state.rows.has(id));
    if (own === undefined) assert.ok(isGone, `${where}: row ${id} is lost`);
    else assert.ok(own >= version, `${where}: row ${id} has version ${own}, older than ${version}`);
  }
  for (const id of versions.keys()) {
    const known = promised.rows.has(id) || later.some((state) => state.rows.has(id));
    assert.ok(known, `${where}: row ${id} had been deleted`);
  }
}

/** Rounds of a child until it was killed, some time after so many; the collection is written meanwhile. */
async function killed(args: string[], rounds: number, afterMs: number, write: () => Promise<void>): Promise<string[]> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  let complaints = '';
  let open = false;
  let killing = false;
  let ended = false;
  child.stdout.on('data', (part) => {
    said += part;
    open = true;
    // A busy machine needs longer for as many rounds.
    if (killing || said.split('\n').length - 2 < rounds) return;
    killing = true;
    setTimeout(() => child.kill('SIGKILL'), afterMs);
  });
  child.stderr.on('data', (part) => {
    complaints += part;
  });
  const end = new Promise<string[]>((resolve, reject) => {
    child.on('close', (code, signal) => {
      ended = true;
      if (signal !== 'SIGKILL') reject(new Error(`the child ended by itself (${code}): ${complaints}`));
      else resolve(said.split('\n').slice(1, -1));
    });
  });
  while (!ended) {
    if (open) await write();
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
  return end;
}

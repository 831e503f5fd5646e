/** The process that writes: a server with an index on disk and a mirror of it, which does what it is sent. May be killed. */
import { embeddedSource, FunnelIndex } from 'funnelvec/store';
import { type Asked, Asker, pause } from './asking.js';
import { DIM, type Payload, payloadOf, Times, type TimesSummary, vectorOf } from './world.js';

export type Order =
  | { do: 'upsert'; ids: number[]; versions: number[]; untils: number[] }
  | { do: 'delete'; ids: number[] }
  | { do: 'expire'; hour: number }
  | { do: 'sync' }
  | { do: 'optimize' }
  | { do: 'quiet' }
  | { do: 'versions'; ids: number[] }
  | { do: 'look' }
  | { do: 'close' };

export interface Looked extends Asked {
  write?: TimesSummary;
  rows: number;
  uncoded: number;
  dead: number;
  resident: { codes: number; rows: number };
  files: { rows: number; segments: number; store: number };
}

export type Message = { ready: number } | { order: number; result: unknown } | { order: number; error: string };

const [, , path, mirrorPath, seed, msBetween] = process.argv;
const began = performance.now();
const index = await FunnelIndex.open<Payload>(path!);
for (const [key, type] of [
  ['n', 'integer'],
  ['group', 'keyword'],
  ['until', 'float'],
] as const) {
  await index.createPayloadIndex(key, type);
}
let mirror = await FunnelIndex.open<Payload>(mirrorPath!);
const asker = new Asker(Number(seed));
const writes = new Times();
let closing = false;
let syncing: Promise<void> = Promise.resolve();

async function carryOut(order: Order): Promise<unknown> {
  switch (order.do) {
    case 'upsert': {
      const { ids, versions, untils } = order;
      const vectors = new Float32Array(ids.length * DIM);
      versions.forEach((version, i) => {
        vectors.set(vectorOf(version), i * DIM);
      });
      const payloads = versions.map((version, i) => payloadOf(version, untils[i]!));
      return writes.of(() => index.upsert({ ids, vectors, payloads }));
    }
    case 'delete':
      return writes.of(() => index.delete(order.ids));
    case 'expire':
      return writes.of(() => index.delete({ filter: { must: [{ key: 'until', range: { lt: order.hour } }] } }));
    case 'sync': {
      // One at a time, as an index wants it.
      const done = syncing.then(sync);
      syncing = done.then(
        () => {},
        () => {},
      );
      return done;
    }
    case 'optimize':
      await index.optimize();
      return index.stats().uncoded;
    case 'quiet':
      return quiet();
    case 'look': {
      const { count: rows, uncoded, dead, resident, files } = index.stats();
      const write = writes.take();
      return {
        ...asker.take(),
        ...(write && { write }),
        rows,
        uncoded: uncoded.rows,
        dead: dead.rows,
        resident,
        files,
      };
    }
    case 'versions':
      return index.getSync(order.ids, { withVector: false }).map((point) => point?.payload?.version ?? 0);
    case 'close':
      closing = true;
      await Promise.all([index.close(), mirror.close(), index.close()]);
      return undefined;
  }
}

/** As a job does that comes now and then. */
async function sync(): Promise<unknown> {
  const result = await mirror.syncFrom(embeddedSource(index), { withPayload: true });
  if (closing) return result;
  await mirror.close();
  mirror = await FunnelIndex.open<Payload>(mirrorPath!);
  return result;
}

/** Until what the index does by itself is done. */
async function quiet(): Promise<unknown> {
  let before = '';
  for (let last = performance.now(); performance.now() - last < 600; await pause(20)) {
    const { files, resident, coded } = index.stats();
    const now = JSON.stringify([files, resident, coded]);
    if (now !== before) last = performance.now();
    before = now;
  }
  const { resident, files } = index.stats();
  return { resident, files };
}

const say = (message: Message) => process.connected && process.send!(message);

process.on('message', ({ order, what }: { order: number; what: Order }) => {
  carryOut(what).then(
    (result) => {
      say({ order, result });
      if (what.do === 'close') process.disconnect();
    },
    (error) => {
      // A shutdown waits for writes that are under way, and for nothing else.
      if (error.code === 'CLOSED' && closing && what.do !== 'upsert' && what.do !== 'delete') return;
      say({ order, error: `${what.do}: ${error.stack}` });
    },
  );
});

/** Who is served beside the orders. */
async function serve(): Promise<void> {
  while (!closing) {
    try {
      await asker.ask(index);
    } catch (error) {
      if (closing) return;
      throw error;
    }
    await pause(Number(msBetween));
  }
}

say({ ready: performance.now() - began });
for (let client = 0; client < 3; client++) void serve();

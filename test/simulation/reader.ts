/** A process that reads what another one writes, and opens the index again now and then. */
import { FunnelIndex } from 'funnelvec/store';
import { Random } from '../random.js';
import { Asker, pause } from './asking.js';
import type { Payload } from './world.js';
import type { Message } from './writer.js';

export type Request = { do: 'look' } | { do: 'versions'; ids: number[] } | { do: 'close' };

const [, , path, seed, msBetween] = process.argv;
const began = performance.now();
let index = await FunnelIndex.open<Payload>(path!, { readOnly: true });
const asker = new Asker(Number(seed));
const random = new Random(Number(seed));
let closing = false;

const say = (message: Message) => process.connected && process.send!(message);

async function carryOut(request: Request): Promise<unknown> {
  if (request.do === 'look') return asker.take();
  if (request.do === 'close') {
    closing = true;
    return undefined;
  }
  // The ids are read from the index that is open when they are asked for.
  const points = index.getSync(request.ids, { withVector: false });
  return points.map((point) => point?.payload?.version ?? 0);
}

process.on('message', ({ order, what }: { order: number; what: Request }) => {
  carryOut(what).then(
    (result) => say({ order, result }),
    (error) => say({ order, error: `${what.do}: ${error.stack}` }),
  );
});

say({ ready: performance.now() - began });
while (!closing) {
  await asker.ask(index);
  await pause(Number(msBetween));
  if (random.chance(0.003)) {
    const old = index;
    index = await FunnelIndex.open<Payload>(path!, { readOnly: true });
    await old.close();
  }
}
await index.close();
process.disconnect();

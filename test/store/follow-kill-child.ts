/** Follows the collection at argv[3] with the mirror at argv[2] until it is killed. A line after each round. */
import { writeSync } from 'node:fs';
import { embeddedSource, FunnelIndex } from 'funnelvec/store';

const [, , path, from, since, durability, full] = process.argv;
const collection = await FunnelIndex.open(from!, { readOnly: true, threads: 1 });
const mirror = await FunnelIndex.open(path!, { threads: 1, durability: durability as 'full' });
writeSync(1, 'open\n');
const options = since === 'none' ? {} : { since: 'at', overlap: 0, full: Number(full) };
const follower = mirror.follow(embeddedSource(collection), {
  every: 0,
  batch: 20,
  rate: Number.POSITIVE_INFINITY,
  withPayload: ['version'],
  ...options,
  onRound: ({ kind }) => writeSync(1, `${kind}\n`),
});
await follower.done;

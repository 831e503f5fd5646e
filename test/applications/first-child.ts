/** The first call of a process, 'create' or 'open', at argv[3]: prints the longest stretch of work between two turns. */
import { FunnelIndex } from 'funnelvec/store';
import { longestStretch } from './stretch.js';

const path = process.argv[3]!;
let index: FunnelIndex | undefined;
const longest = await longestStretch(async () => {
  index = process.argv[2] === 'create' ? await FunnelIndex.create(path, { dim: 8 }) : await FunnelIndex.open(path);
});
await index!.close();
process.stdout.write(String(longest));

/** Changes all payloads of the index at argv[2], whose store may not grow as far as that takes, and says how it ended. */
import { FunnelIndex } from 'funnelvec/store';

const [, , path, rows] = process.argv as unknown as [string, string, string, string];
const ids = Array.from({ length: Number(rows) }, (_, i) => i);
const index = await FunnelIndex.open<{ version: number; text: string }>(path, { autoOptimize: false });
const codeOf = (done: Promise<unknown>) =>
  done.then(
    () => 'done',
    (error: { code?: string }) => error.code,
  );
const change = await codeOf(index.setPayload(ids, { version: 1 }));
const next = await codeOf(index.setPayload([1], { version: 2 }));
const versions = [...new Set(index.getSync(ids).map((point) => point!.payload!.version))];
await index.close().catch(() => {});
process.stdout.write(`${JSON.stringify({ change, next, versions })}\n`);

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { thisWriter, type WriterRecord } from '#dist/store/files/writer-record.js';

const require = createRequire(import.meta.url);

/** The record of a writer that is gone, or seems to be somewhere else. */
export function leaveRecord(path: string, change: Partial<WriterRecord>): void {
  // biome-ignore lint/suspicious/noExplicitAny: as it comes
  const { open } = require('lmdb') as { open: (options: object) => any };
  const root = open({ path: join(path, 'data.mdb'), noSubdir: true, overlappingSync: false, maxDbs: 8 });
  const main = root.openDB('main', { encoding: 'binary', useVersions: true });
  const record = { ...thisWriter(false, ''), inode: undefined, ...change };
  main.transactionSync(() => void main.put('writer', Buffer.from(JSON.stringify(record)), 7));
  void root.close();
}

/** Reads the payloads of the store at argv[2], all at one commit: a first time, and again for each line on stdin. */
import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';
import { open } from 'lmdb';

const root = open({ path: process.argv[2]!, noSubdir: true, readOnly: true, maxDbs: 8, encoding: 'binary' });
const payloads = root.openDB({ name: 'payloads', encoding: 'binary', keyEncoding: 'uint32' });
const transaction = payloads.useReadTransaction();

function say(): void {
  const hash = createHash('sha256');
  let count = 0;
  for (const { key, value } of payloads.getRange({ transaction })) {
    hash.update(`${String(key)} `).update(value);
    count++;
  }
  console.log(JSON.stringify({ count, hash: hash.digest('hex') }));
}

say();
for await (const _ of createInterface({ input: process.stdin })) say();
transaction.done();

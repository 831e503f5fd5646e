/**
 * Wants to write to an index, as a process or a thread. It hears what to do and tells what came of it; once it is the writer it
 * writes on until it ends, in whatever way.
 */
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { appendRequest } from './model.js';

type Files = import('#dist/store/files/index-files.js').IndexFiles;

export type Order =
  | { open: string; breakLock?: boolean; readOnly?: boolean }
  /** Ends the thread, with the index open. */
  | 'throw'
  | 'return'
  | 'close';

export interface Outcome {
  /** 'ready', 'open', 'closed', or the code of an error. */
  is: string;
  rows?: number;
  message?: string;
}

// The files of another build, say.
const from: string = isMainThread ? process.argv[2]! : workerData;
const { IndexFiles } = (await import(from)) as typeof import('#dist/store/files/index-files.js');
const tell = (outcome: Outcome) => (isMainThread ? process.send!(outcome) : parentPort!.postMessage(outcome));
let index: Files | undefined;
let writesOn = true;

async function obey(order: Order): Promise<void> {
  if (order === 'throw') {
    setImmediate(() => {
      throw new Error('as asked');
    });
  } else if (order === 'return') {
    writesOn = false; // or the thread never ends
    parentPort!.close();
  } else if (order === 'close') {
    await index!.close();
    tell({ is: 'closed' });
  } else {
    try {
      const { open, ...options } = order;
      index = await IndexFiles.open(open, { maxFileBytes: 4096 + 300 * 16, durability: 'relaxed', ...options });
      // Not appendSync(): after one, compactions commit synchronously too, and lmdb-js never lets go of a thread that is ended
      // inside transactionSync(), since its cleaning up waits for the lock that the thread itself holds.
      if (!options.readOnly) await index.append(appendRequest([['last', index.rows]]));
      tell({ is: 'open', rows: index.rows });
      if (!options.readOnly) void write(index);
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      tell({ is: code ?? 'no FunnelError', message });
    }
  }
}

async function write(files: Files): Promise<void> {
  try {
    for (let i = 0; writesOn; i++) {
      await files.append(appendRequest([[`id-${i % 50}`, i]]));
      if (i % 10 === 9) await files.compact();
      await new Promise((resolve) => setTimeout(resolve, 2)); // others want the processor, too
    }
  } catch {
    // It was closed.
  }
}

if (isMainThread) process.on('message', (order: Order) => void obey(order));
else parentPort!.on('message', (order: Order) => void obey(order));
tell({ is: 'ready' });

/** The operation of an index: backups and verification, beside its reads and writes. */
import { expected } from '../core/errors.js';
import { type Copied, copyIndex } from './files/backup.js';
import { runLater } from './files/step.js';
import { verifyCommitted } from './files/verify.js';
import type { BackupResult, VerifyResult } from './files/verify-types.js';
import type { CheckOptions } from './long-reads.js';
import type { OpenIndex } from './open-index.js';

export async function backup(index: OpenIndex, path: string, options: CheckOptions): Promise<BackupResult> {
  index.checkOpen();
  if (typeof path !== 'string' || path === '' || path === ':memory:')
    throw expected('BAD_ARGUMENT', 'the path of a folder', 'path', path);
  return index.longReads.run('backup()', options, (work) => {
    const onTotal = (bytes: number) => {
      work.total = bytes;
    };
    return index.files.reading((core): Promise<Copied> => copyIndex(core, path, { onRead: work.read, onTotal }));
  });
}

export async function verify(index: OpenIndex, options: CheckOptions): Promise<VerifyResult> {
  index.follow();
  return index.longReads.run('verify()', options, (work) =>
    index.files.reading(async (core) => {
      const { state, format, uuid, files, alive, withPayload, options: given } = core;
      const { disk, kv } = given;
      const rows = [...files.rows];
      const segments = [...files.segments];
      work.total = [...state.rowFiles, ...state.segments].reduce((sum, { bytes }) => sum + bytes, kv.bytes());
      for (const file of [...rows, ...segments]) files.lease(file);
      try {
        const payloadOf = (ordinal: number) => core.stored(ordinal);
        const parts = { state, format, uuid, disk, kv, rows, segments, alive, withPayload, payloadOf };
        const problems = await runLater(verifyCommitted(parts, work.read));
        return { rows: state.rows - state.dead, bytes: work.done, problems };
      } finally {
        for (const file of [...rows, ...segments]) files.release(file);
      }
    }),
  );
}

/** The words of stats() about codes that take more than the option `memory`. */
export function memoryWarnings(bytes: number, memory: number): string[] {
  if (bytes <= memory) return [];
  return [
    `The codes take ${bytes} bytes, more than the option memory allows (${memory}): searches need them in memory. ` +
      'Rows are read from disk; an index with a smaller head, or fewer rows, has smaller codes',
  ];
}

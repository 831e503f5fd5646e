/** Remembers enough of a file to notice later that it is another one. */
import { createHash, type Hash } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Reader, type RowSource, unreadable } from './formats/reader.js';

/** Bytes of the beginning that are hashed. */
const BEGINNING = 1 << 16;

/** Enough of a file to tell it from another. */
export interface Fingerprint {
  /** Absolute. */
  path: string;
  /** Size of the file; of a database with its log. */
  bytes: number;
  /** Milliseconds since 1970. */
  modified: number;
  /** SHA-256 of the first 64 KiB. */
  beginning: string;
}

/** @throws FunnelError BAD_ARGUMENT, DISK */
export async function fingerprintOf(path: string): Promise<Fingerprint> {
  try {
    const file = await open(path, 'r');
    try {
      const { size, mtimeMs } = await file.stat();
      // The last writes to an SQLite database lie beside it.
      const wal = await stat(`${path}-wal`).catch(() => undefined);
      const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(size, BEGINNING)), 0, undefined, 0);
      const beginning = createHash('sha256').update(buffer.subarray(0, bytesRead)).digest('hex');
      return {
        path: resolve(path),
        bytes: size + (wal?.size ?? 0),
        modified: wal?.size ? Math.max(mtimeMs, wal.mtimeMs) : mtimeMs,
        beginning,
      };
    } finally {
      await file.close();
    }
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** Tells people how two fingerprints differ; undefined where it is the same file. */
export function changed(before: Fingerprint, now: Fingerprint): string | undefined {
  if (before.bytes !== now.bytes) return `it had ${before.bytes} bytes then and has ${now.bytes} now`;
  if (before.beginning !== now.beginning) return 'it begins differently now';
  if (before.modified !== now.modified) return `it was written to since (${new Date(now.modified).toISOString()})`;
  return undefined;
}

/** A running hash of a text file's columns and rows, which tells whether a changed file has the same first rows. */
export class RowsHash {
  readonly #hash: Hash;

  constructor({ columns }: Reader) {
    this.#hash = createHash('sha256').update(JSON.stringify(columns ?? null));
  }

  add(source: RowSource): void {
    this.#hash.update('\n').update(source);
  }

  /** The hash of the rows until now, in hex. */
  hex(): string {
    return this.#hash.copy().digest('hex');
  }
}

/** Whether a changed file begins with the very rows that were read. */
export async function hasFirstRows(
  { rows, rowsHash }: { rows: number; rowsHash?: string | undefined },
  reader: Reader,
): Promise<boolean> {
  if (rows === 0) return true;
  return rowsHash !== undefined && rowsHash === (await hashOfRows(reader, rows));
}

/** RowsHash of a file's first rows; undefined where it has fewer, or its format has no sources of rows. */
async function hashOfRows(reader: Reader, rows: number): Promise<string | undefined> {
  const hash = new RowsHash(reader);
  let passed = 0;
  const chunks = reader.read(rows, (source) => {
    hash.add(source);
    passed++;
  });
  for await (const _ of chunks) if (passed === rows) break;
  return passed === rows ? hash.hex() : undefined;
}

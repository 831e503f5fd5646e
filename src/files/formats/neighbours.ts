/** The true neighbours of queries, as benchmark sets have them beside their vectors: numbers of rows, best first. */
import { type FileHandle, open } from 'node:fs/promises';
import { extname } from 'node:path';
import { FunnelError } from '../../core/errors.js';
import { badFile, unreadable } from './reader.js';

/** The files that are read, by how their names end. */
const FORMATS = ['.ivecs', '.ibin', '.hdf5', '.h5', '.hdf'] as const;
type MatrixOfNeighbours = '.ivecs' | '.ibin';

/** Bytes of lengths in front of each row, and in front of all. */
const LEADS: Record<MatrixOfNeighbours, [row: number, file: number]> = { '.ivecs': [4, 0], '.ibin': [0, 8] };

/** @throws FunnelError BAD_ARGUMENT: nobody knows files of this name */
export function checkNeighboursName(path: string): (typeof FORMATS)[number] {
  const extension = extname(path).toLowerCase();
  const format = FORMATS.find((one) => one === extension);
  if (format !== undefined) return format;
  const what = `a file of true neighbours that ends in ${FORMATS.join(', ')}`;
  throw new FunnelError('BAD_ARGUMENT', `Expected ${what} but received ${path}`);
}

/** `rows` lists of `columns` numbers of rows. */
export interface TrueNeighbours {
  readonly rows: number;
  readonly columns: number;
  /** The first `k` of a row. @throws FunnelError BAD_ARGUMENT: one is no row's number; CORRUPT, DISK */
  read(row: number, k: number): Promise<number[]>;
  close(): Promise<void>;
}

/** @throws FunnelError BAD_ARGUMENT, CORRUPT, DISK, MISSING_PACKAGE */
export async function openNeighbours(path: string): Promise<TrueNeighbours> {
  const format = checkNeighboursName(path);
  if (format === '.ivecs' || format === '.ibin') return NeighboursFile.open(path, format);
  const { Hdf5Reader } = await import('./hdf5.js');
  const file = await Hdf5Reader.open(path);
  try {
    const { rows, columns, read } = file.integers('neighbors');
    return {
      rows,
      columns,
      read: async (row, k) => read(row, k).map((id) => checked(id, row, path)),
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** @throws FunnelError BAD_ARGUMENT */
function checked(id: number, row: number, path: string): number {
  if (id >= 0) return id;
  throw new FunnelError('BAD_ARGUMENT', `Expected numbers of rows in row ${row} of ${path} but received ${id}`);
}

class NeighboursFile implements TrueNeighbours {
  private constructor(
    readonly path: string,
    readonly rows: number,
    readonly columns: number,
    private readonly file: FileHandle,
    private readonly format: MatrixOfNeighbours,
  ) {}

  /** @throws FunnelError BAD_ARGUMENT, CORRUPT: its counts and its size do not agree; DISK */
  static async open(path: string, format: MatrixOfNeighbours): Promise<NeighboursFile> {
    let file: FileHandle;
    try {
      file = await open(path, 'r');
    } catch (error) {
      throw unreadable(path, error);
    }
    try {
      const stat = await file.stat();
      if (!stat.isFile()) throw badFile('BAD_ARGUMENT', `a ${format} file`, path, 'a folder or device');
      const { size } = stat;
      if (size < 8) throw badFile('CORRUPT', `a whole ${format} file`, path, `one of ${size} bytes`);
      const start = await bytesAt(file, path, 0, 8);
      const columns = format === '.ivecs' ? start.readInt32LE(0) : start.readUInt32LE(4);
      if (columns < 1 || columns > 65_536) throw badFile('BAD_ARGUMENT', 'rows of 1 to 65536 ids', path, `${columns}`);
      const rows = format === '.ivecs' ? Math.floor(size / (4 + 4 * columns)) : start.readUInt32LE(0);
      const ids = 4 * rows * columns;
      // Big-ANN puts the distances behind the ids.
      const sizes = format === '.ivecs' ? [4 * rows + ids] : [8 + ids, 8 + 2 * ids];
      if (!sizes.includes(size) || rows === 0) {
        const got = `one of ${size} bytes where ${rows} rows of ${columns} ids have ${sizes.join(' or ')}`;
        throw badFile('CORRUPT', `a whole ${format} file`, path, got);
      }
      return new NeighboursFile(path, rows, columns, file, format);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async read(row: number, k: number): Promise<number[]> {
    const { columns, path, format } = this;
    const [ofRow, ofFile] = LEADS[format];
    const lead = ofRow === 0 ? 0 : 1;
    const bytes = await bytesAt(this.file, path, ofFile + row * (ofRow + 4 * columns), ofRow + 4 * k);
    if (lead === 1 && bytes.readInt32LE(0) !== columns) {
      throw badFile('CORRUPT', `rows of ${columns} ids`, path, `${bytes.readInt32LE(0)} in row ${row}`);
    }
    return Array.from({ length: k }, (_, i) => checked(bytes.readInt32LE(4 * (lead + i)), row, path));
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}

async function bytesAt(file: FileHandle, path: string, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  for (let done = 0; done < length; ) {
    let got: number;
    try {
      got = (await file.read(bytes, done, length - done, position + done)).bytesRead;
    } catch (error) {
      throw unreadable(path, error);
    }
    if (got === 0) throw badFile('CORRUPT', 'a whole file of neighbours', path, 'one that ends early');
    done += got;
  }
  return bytes;
}

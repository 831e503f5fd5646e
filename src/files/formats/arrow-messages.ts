/** The messages of an Arrow file or stream: where each lies, found before any is read, so that a file cut off is told at once. */
import { constants } from 'node:buffer';
import type { FileHandle } from 'node:fs/promises';
import { FunnelError } from '../../core/errors.js';
import { checkFooter, describedBy, SCHEMA, UnreadType } from './arrow-metadata.js';
import { badFile, unreadable } from './reader.js';

const MAGIC = 'ARROW1';
/** Bytes of the description of a batch; more is a damaged length. */
const LONGEST = 256 << 20;
/** Bytes that are read at once. */
const PART = 1 << 30;

export interface ArrowMessage {
  kind: number;
  /** Where it begins, and bytes of its description with the lengths before, and behind these. */
  at: number;
  lead: number;
  body: number;
  /** The first row of a batch, and how many it has. */
  first: number;
  rows: number;
  /** The number of its compression; undefined: none. */
  compression: number | undefined;
}

export interface ArrowMessages {
  /** The message of the schema; undefined: it stands in the footer alone. */
  schema: Uint8Array | undefined;
  rows: number;
  /** The others. */
  messages: ArrowMessage[];
}

/** @throws FunnelError CORRUPT, UNSUPPORTED, DISK */
export async function messagesOf(file: FileHandle, path: string): Promise<ArrowMessages> {
  const { size } = await file.stat();
  const corrupt = (got: string, cause?: unknown) =>
    badFile('CORRUPT', 'a whole Arrow file or stream', path, got, cause);
  if (size < 8) throw corrupt(`one of ${size} bytes`);
  const isFile = (await bytesAt(file, path, 0, 6)).toString('latin1') === MAGIC;
  const end = isFile ? await footerOf(file, path, size) : size;
  const messages: ArrowMessage[] = [];
  let schema: Uint8Array | undefined;
  let rows = 0;
  for (let at = isFile ? 8 : 0; at < end; ) {
    const place = `at byte ${at}`;
    if (at + 4 > end) throw corrupt(`one that ends early ${place}`);
    const start = await bytesAt(file, path, at, Math.min(8, end - at));
    // Before version 0.15 no mark stood before the length.
    const marked = start.readInt32LE(0) === -1;
    if (marked && start.length < 8) throw corrupt(`one that ends early ${place}`);
    const [front, length] = marked ? [8, start.readInt32LE(4)] : [4, start.readInt32LE(0)];
    if (length === 0) break;
    if (length < 8 || length > LONGEST) throw corrupt(`a message of ${length} bytes ${place}`);
    if (at + front + length > end) throw corrupt(`one that ends early, in the message ${place}`);
    let message: ArrowMessage;
    try {
      const bytes = await bytesAt(file, path, at + front, length);
      const { bigEndian, ...described } = describedBy(bytes);
      if (bigEndian) throw badFile('UNSUPPORTED', 'numbers with the lowest byte first', path, 'big-endian ones');
      message = { ...described, at, lead: front + length, first: rows };
    } catch (cause) {
      if (cause instanceof FunnelError) throw cause;
      if (cause instanceof UnreadType) throw unreadColumn(cause, path);
      throw corrupt(`a message that cannot be read, ${place} (${(cause as Error).message})`, cause);
    }
    if (at + message.lead + message.body > end) throw corrupt(`one that ends early, in the message ${place}`);
    if (message.body > constants.MAX_LENGTH) {
      const what = `batches of at most ${constants.MAX_LENGTH} bytes (write smaller ones)`;
      throw badFile('UNSUPPORTED', what, path, `one of ${message.body}`);
    }
    if (message.kind === SCHEMA && schema === undefined) schema = await bytesAt(file, path, at, message.lead);
    else if (message.kind === SCHEMA) throw corrupt(`a second schema ${place}`);
    else messages.push(message);
    if (schema === undefined && !isFile) throw corrupt('one that does not begin with its schema');
    rows += message.rows;
    at += message.lead + message.body;
  }
  if (schema === undefined && !isFile) throw corrupt('one without a schema');
  return { schema, rows, messages };
}

/** Where the messages of a file end. @throws FunnelError CORRUPT, DISK */
async function footerOf(file: FileHandle, path: string, size: number): Promise<number> {
  const tail = size < 24 ? Buffer.alloc(10) : await bytesAt(file, path, size - 10, 10);
  const length = tail.readInt32LE(0);
  if (tail.toString('latin1', 4) !== MAGIC || length <= 0 || length > size - 18)
    throw badFile('CORRUPT', 'a whole Arrow file', path, 'one without its end: it was cut off, or not closed');
  try {
    checkFooter(await bytesAt(file, path, size - 10 - length, length));
  } catch (cause) {
    if (cause instanceof FunnelError) throw cause;
    if (cause instanceof UnreadType) throw unreadColumn(cause, path);
    throw badFile(
      'CORRUPT',
      'a whole Arrow file',
      path,
      `a footer that cannot be read (${(cause as Error).message})`,
      cause,
    );
  }
  return size - 10 - length;
}

/** The package gives up on the whole file, whichever columns are asked for. */
function unreadColumn({ column, words }: UnreadType, path: string): FunnelError {
  const what =
    'columns of types that apache-arrow reads (cast it to a list or to its values, or leave it out of the file)';
  const got = `${JSON.stringify(column)}, a column that is ${words}`;
  return new FunnelError('UNSUPPORTED', `Expected ${what} in ${path} but received ${got}`);
}

/** @throws FunnelError CORRUPT, DISK */
export async function bytesAt(file: FileHandle, path: string, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.from(new ArrayBuffer(length)); // never of a pool: the package makes views of it
  for (let done = 0; done < length; ) {
    let got: number;
    try {
      got = (await file.read(bytes, done, Math.min(PART, length - done), position + done)).bytesRead;
    } catch (error) {
      throw unreadable(path, error);
    }
    if (got === 0) throw badFile('CORRUPT', 'a whole Arrow file or stream', path, 'one that ends early');
    done += got;
  }
  return bytes;
}

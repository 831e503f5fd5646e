/** Rows as one array of objects, cut into its elements while it is read: it need not fit in memory. */
import { FunnelError } from '../../core/errors.js';
import { type TextSource, textOf, utf8Of } from '../../store/import/encoding.js';
import { counted, objectOf } from './jsonl.js';
import {
  badFile,
  type FileRow,
  type OptionName,
  optionInCode,
  type Reader,
  type ReaderOptions,
  type RowChunk,
  type RowSource,
} from './reader.js';

/** Rows of a chunk. */
const CHUNK = 256;
/** Bytes of an element; what is longer is one that was never closed. */
const LONGEST = 64 << 20;

const [LF, QUOTE, COMMA, OPEN, SLASH, CLOSE, OPEN_OBJECT, CLOSE_OBJECT] = Buffer.from('\n",[\\]{}');

interface Element {
  bytes: Buffer;
  /** Line of its first character, from 1. */
  line: number;
}

export class JsonReader implements Reader {
  readonly kind = 'json';
  readonly option: OptionName;
  readonly #source: TextSource;

  constructor(
    readonly path: string,
    { encoding, option = optionInCode }: ReaderOptions = {},
  ) {
    this.option = option;
    this.#source = { name: path, option: option('encoding'), encoding };
  }

  async *read(from: number, onPassed?: (source: RowSource) => void): AsyncGenerator<RowChunk> {
    let share = 0;
    let rows: FileRow[] = [];
    let number = -1;
    const bytes = counted(this.path, (read) => {
      share = read;
    });
    for await (const element of elementsOf(utf8Of(bytes, this.#source), this.path)) {
      if (++number < from) {
        onPassed?.(element.bytes);
        continue;
      }
      rows.push(this.#row(element, number));
      if (rows.length === CHUNK) {
        yield { rows, share };
        rows = [];
      }
    }
    yield { rows, share: 1 };
  }

  #row({ bytes, line }: Element, number: number): FileRow {
    const at = `row ${number} (line ${line}) of ${this.path}`;
    try {
      return { number, at, source: bytes, values: objectOf(textOf(bytes, at, this.#source), at) };
    } catch (error) {
      if (!(error instanceof FunnelError)) throw error;
      return { number, at, source: bytes, broken: error };
    }
  }

  async close(): Promise<void> {}
}

/** The first character of a text that is no space; undefined where there is none. @throws FunnelError BAD_ARGUMENT, DISK */
export async function firstCharacter(
  path: string,
  { encoding, option = optionInCode }: ReaderOptions,
): Promise<string | undefined> {
  const bytes = counted(path, () => {});
  for await (const chunk of utf8Of(bytes, { name: path, option: option('encoding'), encoding })) {
    const first = chunk.find((byte) => !isSpace(byte));
    if (first !== undefined) return String.fromCharCode(first);
  }
  return undefined;
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === LF || byte === 0x0d || byte === 0x09;
}

/** @throws FunnelError BAD_ARGUMENT, naming the line: what is no array, or does not end */
async function* elementsOf(chunks: AsyncIterable<Buffer>, path: string): AsyncGenerator<Element> {
  let state: 'before' | 'inside' | 'after' = 'before';
  let [line, start, depth, last] = [1, 0, 0, 0];
  let [text, escaped] = [false, false];
  let pieces: Buffer[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    /** Where the element under way begins in this chunk; −1: none is under way. */
    let from = length > 0 ? 0 : -1;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i]!;
      if (byte === LF) line++;
      if (text) {
        if (escaped) escaped = false;
        else if (byte === SLASH) escaped = true;
        else if (byte === QUOTE) text = false;
        continue;
      }
      if (isSpace(byte)) continue;
      if (state !== 'inside') {
        if (state === 'after' || byte !== OPEN)
          throw noArray(path, line, state === 'after' ? 'more behind it' : 'none');
        state = 'inside';
        last = OPEN;
        continue;
      }
      const ends = depth === 0 && (byte === COMMA || byte === CLOSE);
      if (ends) {
        const empty = from < 0;
        if (empty && (byte === COMMA || last === COMMA)) throw noArray(path, line, 'a comma without an object');
        if (!empty) yield { bytes: Buffer.concat([...pieces, chunk.subarray(from, i)]), line: start };
        [pieces, length, from, last] = [[], 0, -1, byte];
        if (byte === CLOSE) state = 'after';
        continue;
      }
      if (from < 0) [from, start] = [i, line];
      if (byte === QUOTE) text = true;
      else if (byte === OPEN || byte === OPEN_OBJECT) depth++;
      else if (byte === CLOSE || byte === CLOSE_OBJECT) depth--;
    }
    if (from >= 0) {
      pieces.push(Buffer.from(chunk.subarray(from)));
      length += chunk.length - from;
    }
    if (length > LONGEST) throw noArray(path, start, 'an object that does not end');
  }
  if (state !== 'after') throw noArray(path, line, state === 'before' ? 'nothing' : 'no end of it');
}

function noArray(path: string, line: number, got: string): FunnelError {
  return badFile('BAD_ARGUMENT', 'one array of objects', `line ${line} of ${path}`, got);
}

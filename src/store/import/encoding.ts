/** Bytes of files as text: what is no text in the encoding is told, and never replaced in silence. */
import { isUtf8 } from 'node:buffer';
// Not the global one, which jest's jsdom lacks.
import { TextDecoder } from 'node:util';
import { describe, FunnelError } from '../../core/errors.js';

/** As the WHATWG names encodings: what TextDecoder knows by any of their labels. */
export type Encoding = string;

const UTF8 = 'utf-8';
/** Bytes of a line in another encoding. */
const LONGEST = 256 << 20;
/** No byte of UTF-8: it stands where the encoding has no character for the bytes. */
const NO_TEXT = Buffer.of(0xff);
const LF = 0x0a;
const CR = 0x0d;

/**
 * The encoding's name.
 *
 * @throws FunnelError BAD_ARGUMENT: a label that nobody knows, or an encoding that shifts between sets of characters
 */
export function encodingOf(label: unknown, where: string): Encoding {
  let name: string | undefined;
  try {
    if (typeof label === 'string') name = new TextDecoder(label, { fatal: true }).encoding;
  } catch {
    // Told below.
  }
  if (name !== undefined && name !== 'iso-2022-jp') return name;
  const what = 'an encoding such as utf-8, windows-1252, shift_jis or utf-16le, or another label of the WHATWG,';
  const remedy = name === undefined ? '' : ' (iconv -f iso-2022-jp -t utf-8 makes it UTF-8)';
  throw new FunnelError('BAD_ARGUMENT', `Expected ${what} for ${where} but received ${describe(label)}${remedy}`);
}

/** How errors call the source of the bytes, and the option that says how to read them. */
export interface TextSource {
  name: string;
  /** As the caller knows it: 'encoding' or '--encoding'. Absent: there is none. */
  option?: string;
  /** Undefined until the first bytes were seen: UTF-8, or UTF-16 where they mark it. */
  encoding?: Encoding | undefined;
}

/**
 * Text as UTF-8, without its byte order mark. Where bytes are no text in another encoding, one byte 0xff stands; those of a
 * source in UTF-8 come as they are. Either way isUtf8() finds them.
 *
 * @throws FunnelError BAD_ARGUMENT: it begins as a text of another encoding does
 */
export async function* utf8Of(chunks: AsyncIterable<Uint8Array>, source: TextSource): AsyncGenerator<Buffer> {
  let start: Buffer | undefined = Buffer.alloc(0);
  let other: Transcoder | undefined;
  const begin = (bytes: Buffer): Buffer => {
    const { encoding, mark } = encodingFrom(bytes, source);
    source.encoding = encoding;
    if (encoding !== UTF8) other = new Transcoder(encoding, source.name);
    return bytes.subarray(mark);
  };
  for await (const chunk of chunks) {
    let bytes: Buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (start !== undefined) {
      bytes = Buffer.concat([start, bytes]);
      start = bytes;
      if (bytes.length < 4) continue;
      start = undefined;
      bytes = begin(bytes);
    }
    yield other === undefined ? bytes : other.push(bytes);
  }
  if (start !== undefined) {
    const bytes = begin(start);
    yield other === undefined ? bytes : other.push(bytes);
  }
  if (other !== undefined) yield other.end();
}

/** As utf8Of() and textOf(), of a small file as a whole. */
export function wholeText(bytes: Buffer, source: TextSource): string {
  const { encoding, mark } = encodingFrom(bytes, source);
  const text = bytes.subarray(mark);
  if (encoding === UTF8) return textOf(text, source.name, source);
  const other = new Transcoder(encoding, source.name);
  return textOf(Buffer.concat([other.push(text), other.end()]), source.name, { ...source, encoding });
}

const MARKS: readonly [encoding: string, mark: Buffer][] = [
  ['utf-32le', Buffer.of(0xff, 0xfe, 0, 0)],
  ['utf-32be', Buffer.of(0, 0, 0xfe, 0xff)],
  [UTF8, Buffer.of(0xef, 0xbb, 0xbf)],
  ['utf-16le', Buffer.of(0xff, 0xfe)],
  ['utf-16be', Buffer.of(0xfe, 0xff)],
];

/** By its first four bytes, and what the caller says. */
function encodingFrom(start: Buffer, { name, option, encoding }: TextSource): { encoding: Encoding; mark: number } {
  const [found, mark] = MARKS.find(([, one]) => start.subarray(0, one.length).equals(one)) ?? [];
  if (found !== undefined && (found.startsWith('utf-32') || (encoding !== undefined && found !== encoding))) {
    const what = found.startsWith('utf-32') ? 'UTF-8 or UTF-16' : encoding;
    const remedy = found.startsWith('utf-32') ? `iconv -f ${found} -t utf-8` : saying(option, found);
    const got = `the byte order mark of ${found} (${remedy})`;
    throw new FunnelError('BAD_ARGUMENT', `Expected ${what} for ${name} but received ${got}`);
  }
  if (found !== undefined) return { encoding: found, mark: mark!.length };
  const [a, b, c, d] = start;
  const little = a !== 0 && b === 0 && c !== 0 && d === 0;
  if ((encoding ?? UTF8) === UTF8 && (little || (a === 0 && b !== 0 && c === 0 && d !== 0))) {
    const likely = little ? 'utf-16le' : 'utf-16be';
    const got = `zeros between characters, as UTF-16 has them (${saying(option, likely)})`;
    throw new FunnelError('BAD_ARGUMENT', `Expected ${UTF8} for ${name} but received ${got}`);
  }
  return { encoding: encoding ?? UTF8, mark: 0 };
}

function saying(option: string | undefined, encoding: Encoding): string {
  if (option === undefined) return `iconv -f ${encoding} -t utf-8`;
  return option.startsWith('--') ? `${option} ${encoding}` : `${option}: '${encoding}'`;
}

/** Whole lines at a time, so that no character is cut. In no encoding of the WHATWG's is a line break part of a longer one. */
class Transcoder {
  #rest: Buffer[] = [];
  #bytes = 0;
  /** Bytes of a line break. */
  readonly #unit: 1 | 2;

  constructor(
    private readonly encoding: Encoding,
    private readonly name: string,
  ) {
    this.#unit = encoding.startsWith('utf-16') ? 2 : 1;
  }

  push(chunk: Buffer): Buffer {
    this.#rest.push(Buffer.from(chunk));
    this.#bytes += chunk.length;
    if (this.#bytes > LONGEST) {
      const what = `lines of at most ${LONGEST} bytes for ${this.name}`;
      throw new FunnelError('BAD_ARGUMENT', `Expected ${what} but received a longer one`);
    }
    if (!chunk.includes(LF) && !chunk.includes(CR)) return Buffer.alloc(0);
    const bytes = Buffer.concat(this.#rest);
    const end = this.#lastBreak(bytes);
    this.#rest = [bytes.subarray(end)];
    this.#bytes = bytes.length - end;
    return this.#utf8(bytes.subarray(0, end));
  }

  end(): Buffer {
    return this.#utf8(Buffer.concat(this.#rest));
  }

  #lastBreak(bytes: Buffer): number {
    let end = bytes.length - (bytes.length % this.#unit);
    while (end > 0 && !this.#isBreak(bytes, end)) end -= this.#unit;
    return end;
  }

  /** Whether a line ends before `end`. */
  #isBreak(bytes: Buffer, end: number): boolean {
    const low = this.encoding === 'utf-16le' ? end - 2 : end - 1;
    if (bytes[low] !== LF && bytes[low] !== CR) return false;
    return this.#unit === 1 || bytes[low === end - 2 ? end - 1 : end - 2] === 0;
  }

  #utf8(bytes: Buffer): Buffer {
    const text = decoded(bytes, this.encoding);
    if (text !== undefined) return Buffer.from(text);
    const lines: Buffer[] = [];
    for (let from = 0, end = 0; from < bytes.length; from = end) {
      do end = Math.min(end + this.#unit, bytes.length);
      while (end < bytes.length && !this.#isBreak(bytes, end));
      const line = bytes.subarray(from, end);
      const text = decoded(line, this.encoding);
      lines.push(text === undefined ? marked(line, this.encoding) : Buffer.from(text));
    }
    return Buffer.concat(lines);
  }
}

/** Undefined where they are no text. */
function decoded(bytes: Buffer, encoding: Encoding): string | undefined {
  // Every byte is a character there. Some releases of Node.js 20 and 22 take it for ISO 8859-1, which has no euro sign.
  if (encoding === 'windows-1252') return bytes.toString('latin1').replaceAll(/[\x80-\x9f]/g, windows1252);
  try {
    return new TextDecoder(encoding, { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

const WINDOWS_1252 = '€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ';

function windows1252(character: string): string {
  return WINDOWS_1252[character.charCodeAt(0) - 0x80]!;
}

/** A line that is no text, with 0xff where it is first none. */
function marked(line: Buffer, encoding: Encoding): Buffer {
  const strict = new TextDecoder(encoding, { fatal: true, ignoreBOM: true });
  let before = '';
  try {
    for (let i = 0; i < line.length; i++) before += strict.decode(line.subarray(i, i + 1), { stream: true });
  } catch {
    // So far it is text.
  }
  const text = new TextDecoder(encoding, { ignoreBOM: true }).decode(line);
  const at = text.startsWith(before) ? before.length : 0;
  return Buffer.concat([Buffer.from(text.slice(0, at)), NO_TEXT, Buffer.from(text.slice(at))]);
}

/** UTF-8 as utf8Of() hands it out. @throws FunnelError BAD_ARGUMENT: bytes that are no text */
export function textOf(bytes: Buffer, where: string, { option, encoding = UTF8 }: Omit<TextSource, 'name'>): string {
  if (isUtf8(bytes)) return bytes.toString('utf8');
  const at = firstWrong(bytes);
  const own = encoding === UTF8;
  const byte = `0x${bytes[at]!.toString(16).padStart(2, '0')}`;
  const got = own ? `the byte ${byte} at position ${at + 1}` : 'bytes that it has no character for';
  const before = bytes
    .toString('utf8', Math.max(0, at - 80), at)
    .replace(/^\ufffd+/, '')
    .slice(-20);
  const after = before === '' ? '' : `, after ${JSON.stringify(before)}`;
  const remedy = own ? `if it is of another encoding: ${saying(option, 'windows-1252')}, say` : `another ${option}?`;
  throw new FunnelError('BAD_ARGUMENT', `Expected ${encoding} for ${where} but received ${got}${after} (${remedy})`);
}

/** The first byte of the first sequence that is no character. */
function firstWrong(bytes: Buffer): number {
  let at = 0;
  while (at < bytes.length) {
    const first = bytes[at]!;
    const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (!isUtf8(bytes.subarray(at, at + length))) return at;
    at += length;
  }
  return 0;
}

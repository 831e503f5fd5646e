/** Lines of a text that comes in chunks, and the bytes of files. */
import { isUtf8 } from 'node:buffer';
import { createReadStream, statSync } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { expected, FunnelError } from '../../core/errors.js';
import { isBytes } from '../../core/realm.js';
import { type TextSource, utf8Of } from './encoding.js';

/** Bytes of a line; more are no row. */
const LONGEST = 64 << 20;
/** Bytes read at once. */
const CHUNK = 1 << 18;
const LF = 0x0a;

/** Without their breaks. A line that is no text comes as its bytes, for textOf() to say why. */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>, source: TextSource): AsyncGenerator<string | Buffer> {
  let rest: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of utf8Of(chunks, source)) {
    const end = chunk.lastIndexOf(LF) + 1;
    if (end > 0) {
      yield* split(Buffer.concat([...rest, chunk.subarray(0, end - 1)]));
      rest = [];
      bytes = 0;
    }
    // A copy, since the next chunk may use the memory again.
    if (end < chunk.length) rest.push(Buffer.from(chunk.subarray(end)));
    bytes += chunk.length - end;
    if (bytes > LONGEST) {
      const what = `lines of at most ${LONGEST} bytes in ${source.name}`;
      throw new FunnelError('BAD_ARGUMENT', `Expected ${what} but received a longer one`);
    }
  }
  if (bytes > 0) yield* split(Buffer.concat(rest));
}

function* split(bytes: Buffer): Generator<string | Buffer> {
  if (isUtf8(bytes)) {
    yield* bytes.toString('utf8').split('\n');
    return;
  }
  for (let from = 0; from <= bytes.length; ) {
    const at = bytes.indexOf(LF, from);
    const end = at < 0 ? bytes.length : at;
    const line = bytes.subarray(from, end);
    yield isUtf8(line) ? line.toString('utf8') : line;
    from = end + 1;
  }
}

/**
 * A file's bytes, unpacked where its name ends in .gz.
 *
 * @param onRead is told how many bytes of the file were read until then
 * @throws what the system says; FunnelError CORRUPT: a .gz file that is none, or ends early
 */
export async function* bytesOf(path: string, onRead?: (bytes: number) => void): AsyncGenerator<Buffer> {
  const { size } = statSync(path);
  const file = createReadStream(path, { highWaterMark: size > 0 && size < CHUNK ? size : CHUNK });
  const packed = /\.gz$/i.test(path);
  const stream = packed ? file.pipe(createGunzip({ chunkSize: CHUNK })) : file;
  if (packed) file.once('error', (error) => stream.destroy(error));
  try {
    for await (const chunk of stream) {
      onRead?.(file.bytesRead);
      yield chunk as Buffer;
    }
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (!code?.startsWith('Z_')) throw cause;
    throw new FunnelError('CORRUPT', `Expected a whole gzip file for ${path} but received ${message}`, { cause });
  } finally {
    file.destroy();
  }
}

/** Chunks from a caller, as bytes. @throws FunnelError BAD_ARGUMENT */
export async function* chunksOf(
  input: Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>,
  { name, encoding }: TextSource,
): AsyncGenerator<Uint8Array> {
  const one = input as Partial<AsyncIterable<string>> & Partial<Iterable<string>>;
  if (typeof one?.[Symbol.asyncIterator] !== 'function' && typeof one?.[Symbol.iterator] !== 'function') {
    throw expected('BAD_ARGUMENT', 'the path of a file, or its text in chunks', 'input', input);
  }
  let half = '';
  for await (const chunk of input) {
    if (typeof chunk !== 'string' && !isBytes(chunk)) {
      throw expected('BAD_ARGUMENT', 'a string or a Buffer', `a chunk of ${name}`, chunk);
    }
    if (typeof chunk !== 'string') {
      if (half !== '') throw notWhole(name);
      yield Buffer.from(chunk);
      continue;
    }
    if (encoding !== undefined && encoding !== 'utf-8') {
      throw expected('BAD_ARGUMENT', `bytes in ${encoding}, as the option encoding says,`, `a chunk of ${name}`, chunk);
    }
    // A pair of surrogates may be cut in two.
    const text = half + chunk;
    half = /[\ud800-\udbff]$/.test(text) ? text.slice(-1) : '';
    const whole = half === '' ? text : text.slice(0, -1);
    if (/\p{Surrogate}/u.test(whole)) throw notWhole(name);
    yield Buffer.from(whole);
  }
  if (half !== '') throw notWhole(name);
}

function notWhole(name: string): FunnelError {
  return new FunnelError('BAD_ARGUMENT', `Expected whole characters for a chunk of ${name} but received half of one`);
}

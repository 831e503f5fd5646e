/**
 * An ONNX file without its weights: they stay in the file, which the runtime maps into memory. A file that it reads itself
 * is in memory twice while it loads, and once as long as the session lives; of a mapped table of words only the pages of
 * the words that come are read.
 *
 * A tensor may say that its bytes lie in another file, from a place on. Here that other file is the model's own.
 */

import { closeSync, fstatSync, openSync, readSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { utf8OfText } from '../core/utf8.js';

export interface MappedModel {
  /** A whole model whose large tensors are names of places in its file. */
  bytes: Uint8Array;
  /** Where that file lies. */
  folder: string;
}

/** Bytes of a tensor that is worth a map of its own. */
const LARGE = 1 << 16;
/** Bytes of a model's large tensors that are worth the work. */
const WORTH = 8 << 20;
/** Bytes that are read at once, for headers of fields. */
const WINDOW = 1 << 16;
/** Bytes of all that is no weight, at most: as a rule some 100 KB. */
const MOST = 64 << 20;

// Numbers of fields in onnx.proto.
const MODEL_GRAPH = 7;
const GRAPH_INITIALIZER = 5;
const TENSOR = { type: 2, raw: 9, external: 13, location: 14 };
/** float32, uint8, int8, float16. */
const TYPES = [1, 2, 3, 10];

const [VARINT, FIXED64, BYTES, FIXED32] = [0, 1, 2, 5];

/** A part of the new file: bytes, or a stretch of the old one. */
type Part = Uint8Array | { from: number; to: number };

interface Field {
  number: number;
  wire: number;
  /** With its header, the contents, and the end. */
  from: number;
  body: number;
  to: number;
  /** The value of a varint. */
  value: number;
}

/** undefined: not worth it, or not to be done; the runtime may read such a file as it is. */
export function mappedModel(file: string): MappedModel | undefined {
  let descriptor: number | undefined;
  try {
    const real = realpathSync(file); // a link may point out of its folder, which the runtime forbids
    descriptor = openSync(real, 'r');
    const source = new Source(descriptor);
    const { parts, mapped } = modelParts(source, path.basename(real));
    if (mapped < WORTH || sizeOf(parts) > MOST) return undefined;
    return { bytes: source.gather(parts), folder: path.dirname(real) };
  } catch {
    return undefined; // the runtime says what is wrong with it
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function modelParts(source: Source, location: string): { parts: Part[]; mapped: number } {
  const parts: Part[] = [];
  let mapped = 0;
  for (const field of source.fields(0, source.size)) {
    if (field.number !== MODEL_GRAPH || field.wire !== BYTES) {
      parts.push(field);
      continue;
    }
    const graph: Part[] = [];
    for (const one of source.fields(field.body, field.to)) {
      const tensor =
        one.number === GRAPH_INITIALIZER && one.wire === BYTES ? outside(source, one, location) : undefined;
      if (tensor === undefined) {
        graph.push(one);
        continue;
      }
      graph.push(header(GRAPH_INITIALIZER, BYTES), varint(sizeOf(tensor.parts)), ...tensor.parts);
      mapped += tensor.bytes;
    }
    parts.push(header(MODEL_GRAPH, BYTES), varint(sizeOf(graph)), ...graph);
  }
  return { parts, mapped };
}

/** The tensor with its bytes named; undefined where they stay. @throws for weights that lie outside already */
function outside(source: Source, tensor: Field, location: string): { parts: Part[]; bytes: number } | undefined {
  const fields = [...source.fields(tensor.body, tensor.to)];
  if (fields.some(({ number }) => number === TENSOR.external)) throw new Error('its weights lie in another file');
  const raw = fields.find(({ number, wire }) => number === TENSOR.raw && wire === BYTES);
  const type = fields.find(({ number }) => number === TENSOR.type)?.value;
  if (raw === undefined || raw.to - raw.body < LARGE || type === undefined || !TYPES.includes(type)) return undefined;
  const bytes = raw.to - raw.body;
  const entries = Object.entries({ location, offset: String(raw.body), length: String(bytes) });
  return {
    bytes,
    parts: [
      ...fields.filter((field) => field !== raw && field.number !== TENSOR.location),
      ...entries.flatMap(([key, value]) => message(TENSOR.external, [...text(1, key), ...text(2, value)])),
      header(TENSOR.location, VARINT),
      varint(1),
    ],
  };
}

function message(number: number, parts: readonly Part[]): Part[] {
  return [header(number, BYTES), varint(sizeOf(parts)), ...parts];
}

function text(number: number, value: string): Part[] {
  return message(number, [utf8OfText(value)]);
}

function header(number: number, wire: number): Uint8Array {
  return varint(number * 8 + wire);
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Uint8Array.of(...bytes, rest);
}

const lengthOf = (part: Part): number => (part instanceof Uint8Array ? part.length : part.to - part.from);
const sizeOf = (parts: readonly Part[]): number => parts.reduce((sum, part) => sum + lengthOf(part), 0);

class Source {
  readonly size: number;
  readonly #window = new Uint8Array(WINDOW);
  #from = 0;
  #filled = 0;

  constructor(private readonly descriptor: number) {
    this.size = fstatSync(descriptor).size;
  }

  /** @throws where these bytes are no fields */
  *fields(from: number, to: number): Generator<Field> {
    for (let at = from; at < to; ) {
      const [key, behind] = this.#varint(at);
      const [number, wire] = [Math.floor(key / 8), key % 8];
      let [value, body, end] = [0, behind, behind];
      if (wire === VARINT) [value, end] = this.#varint(behind);
      else if (wire === FIXED64) end = behind + 8;
      else if (wire === FIXED32) end = behind + 4;
      else if (wire === BYTES) {
        [value, body] = this.#varint(behind);
        end = body + value;
      } else throw new Error(`wire type ${wire}`);
      if (end > to) throw new Error('a field beyond the end');
      yield { number, wire, from: at, body, to: end, value };
      at = end;
    }
  }

  gather(parts: readonly Part[]): Uint8Array {
    const out = new Uint8Array(sizeOf(parts));
    let at = 0;
    for (const part of parts) {
      if (part instanceof Uint8Array) out.set(part, at);
      else this.#read(out.subarray(at, at + lengthOf(part)), part.from);
      at += lengthOf(part);
    }
    return out;
  }

  /** The value, and the place behind it. Values of 2^53 and more, which no length has, lose bits. */
  #varint(at: number): [number, number] {
    let value = 0;
    for (let i = 0; i < 10; i++) {
      const byte = this.#byte(at + i);
      value += (byte & 127) * 128 ** i;
      if (byte < 128) return [value, at + i + 1];
    }
    throw new Error('a varint of more than ten bytes');
  }

  #byte(at: number): number {
    if (at < this.#from || at >= this.#from + this.#filled) {
      if (at >= this.size) throw new Error('the end of the file');
      this.#from = at;
      this.#filled = readSync(this.descriptor, this.#window, 0, WINDOW, at);
      if (this.#filled === 0) throw new Error('the end of the file');
    }
    return this.#window[at - this.#from]!;
  }

  #read(into: Uint8Array, from: number): void {
    for (let done = 0; done < into.length; ) {
      const count = readSync(this.descriptor, into, done, into.length - done, from + done);
      if (count === 0) throw new Error('the end of the file');
      done += count;
    }
  }
}

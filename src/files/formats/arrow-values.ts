/**
 * The columns of Arrow files: what each type's buffers mean, exactly, in the words and rules of Parquet columns. Offsets and lengths
 * of a damaged file are checked against its buffers, which the package does not do.
 */
import { halfToFloat } from '../../core/half.js';
import { setOwn } from '../../core/own.js';
import type { ColumnTree } from './column-tree.js';
import { doubleOf, isoOf, isSafe, isScale, jsonOf, Unfit, utf8TextOf, uuidOfBytes } from './parquet-values.js';

/** The package's types as far as they are used, by its numbers. */
export interface ArrowType {
  typeId: number;
  bitWidth: number;
  isSigned: boolean;
  precision: number;
  scale: number;
  unit: number;
  byteWidth: number;
  listSize: number;
  children?: readonly ArrowField[];
  /** The type of a dictionary's values. */
  dictionary: ArrowType;
  indices: ArrowType;
}

export interface ArrowField {
  name: string;
  type: ArrowType;
  metadata: ReadonlyMap<string, string>;
}

type Numbers = ArrayLike<number> & ArrayBufferView & { subarray(from: number, to: number): Numbers };

/** The buffers of a column within a batch. */
export interface ArrowData {
  type: ArrowType;
  length: number;
  nullCount: number;
  nullBitmap?: Uint8Array;
  values: Numbers;
  valueOffsets: ArrayLike<number | bigint>;
  children: readonly ArrowData[];
  dictionary?: { data: readonly ArrowData[] };
  variadicBuffers: readonly Uint8Array[];
}

/** The value of a row. @throws Unfit */
type ValueAt = (row: number) => unknown;

export interface ArrowColumn extends ColumnTree {
  element?: ArrowColumn;
  fields?: readonly ArrowColumn[];
  unsupported?: boolean;
  /** The integers that may lie beyond ±(2^53 − 1) are bigints, in all rows. To be set before values are read. */
  wide?: boolean;
  /** Whether some of these lie beyond in a batch. */
  someWide?: (data: ArrowData) => boolean;
  /** @param forVector lists of floats may come as typed arrays @throws Error: its buffers do not fit together */
  reader: (data: ArrowData, forVector?: boolean) => ValueAt;
}

const UNITS = [1n, 1000n, 1_000_000n, 1_000_000_000n];

export function arrowColumn({ name, type, metadata }: ArrowField): ArrowColumn {
  const column = columnOf(name, type);
  const extension = metadata?.get('ARROW:extension:name');
  if (extension === 'arrow.uuid' && column.words === 'binary of 16 bytes') return mapped(column, 'uuid', uuidOfBytes);
  if (extension === 'arrow.json' && column.words === 'string') return mapped(column, 'json', jsonText);
  return column;
}

function mapped(column: ArrowColumn, words: string, convert: (value: never) => unknown): ArrowColumn {
  return {
    ...column,
    words,
    reader(data) {
      const at = column.reader(data);
      return (row) => {
        const value = at(row);
        return value === null ? null : convert(value as never);
      };
    },
  };
}

function jsonText(text: string): unknown {
  return jsonOf(Buffer.from(text));
}

function columnOf(name: string, type: ArrowType): ArrowColumn {
  const leaf = (words: string, reader: (data: ArrowData) => ValueAt): ArrowColumn => ({
    name,
    kind: 'leaf',
    words,
    reader: (data) => nullable(data, reader(data)),
  });
  const { children = [] } = type;
  switch (type.typeId) {
    case -1:
      return dictionary(name, type);
    case 1:
      return leaf('null', () => () => null);
    case 2:
      return integer(name, type);
    case 3:
      if (type.precision === 0)
        return leaf('half float', (data) => numbers(data, data.length, (values, i) => halfToFloat(values[i]!)));
      return leaf(type.precision === 1 ? 'float' : 'double', plain);
    case 4:
    case 19:
      return leaf('binary', (data) => bytesIn(data, (bytes) => bytes.slice()));
    case 5:
    case 20:
      return leaf('string', (data) => bytesIn(data, utf8TextOf));
    case 23:
      return leaf('binary', (data) => viewed(data, (bytes) => bytes.slice()));
    case 24:
      return leaf('string', (data) => viewed(data, utf8TextOf));
    case 15:
      return leaf(`binary of ${type.byteWidth} bytes`, (data) => {
        const { byteWidth } = type;
        const values = has(data, byteWidth * data.length) as unknown as Uint8Array;
        return (i) => values.slice(i * byteWidth, (i + 1) * byteWidth);
      });
    case 6:
      return leaf('boolean', (data) =>
        numbers(data, Math.ceil(data.length / 8), (bits, i) => (bits[i >> 3]! & (1 << (i & 7))) !== 0),
      );
    case 7:
      if (isScale(type.scale)) return decimal(name, type);
      return { ...leaf(`decimal of scale ${type.scale}`, () => () => null), unsupported: true };
    case 8:
      return leaf('date', (data) => {
        if (type.unit === 0) return numbers(data, data.length, (days, i) => isoOf(BigInt(days[i]!) * 86_400n, 1n));
        const at = longs(data);
        return (i) => isoOf(at(i), 1000n);
      });
    case 9:
      return type.bitWidth === 32 ? leaf('time', plain) : { ...long(name, 'time', true) };
    case 10:
      return leaf('timestamp', (data) => {
        const at = longs(data);
        return (i) => isoOf(at(i), UNITS[type.unit]!);
      });
    case 18:
      return long(name, 'duration', true);
    case 12:
    case 21:
    case 16:
      return list(name, type, arrowColumn(children[0]!));
    case 13:
      return struct(name, children.map(arrowColumn));
    case 17:
      return map(name, (children[0]?.type.children ?? []).map(arrowColumn));
    default:
      return { ...leaf(type.typeId === 11 ? 'interval' : 'union', () => () => null), unsupported: true };
  }
}

/** @throws Error: a buffer is shorter than its rows */
function has({ values }: ArrowData, length: number): Numbers {
  if (!(values?.length >= length)) throw new Error(`${values?.length ?? 0} values where there are ${length}`);
  return values;
}

function nullable({ nullCount, nullBitmap, length }: ArrowData, at: ValueAt): ValueAt {
  if (nullCount === 0) return at;
  if (nullBitmap === undefined || nullBitmap.length === 0) return at;
  if (8 * nullBitmap.length < length) throw new Error('fewer marks of nulls than rows');
  return (i) => ((nullBitmap[i >> 3]! & (1 << (i & 7))) === 0 ? null : at(i));
}

function numbers(data: ArrowData, length: number, at: (values: Numbers, row: number) => unknown): ValueAt {
  const values = has(data, length);
  return (i) => at(values, i);
}

function plain(data: ArrowData): ValueAt {
  return numbers(data, data.length, (values, i) => values[i]);
}

function longs(data: ArrowData, signed = true): (row: number) => bigint {
  const { buffer, byteOffset, byteLength } = data.values;
  if (byteLength < 8 * data.length) throw new Error(`${byteLength} bytes where there are ${data.length} values`);
  const view = new DataView(buffer, byteOffset, byteLength);
  return signed ? (i) => view.getBigInt64(8 * i, true) : (i) => view.getBigUint64(8 * i, true);
}

function integer(name: string, { bitWidth, isSigned }: ArrowType): ArrowColumn {
  const words = `${isSigned ? '' : 'u'}int${bitWidth}`;
  if (bitWidth === 64) return long(name, words, isSigned);
  return { name, kind: 'leaf', words, reader: (data) => nullable(data, plain(data)) };
}

function long(name: string, words: string, signed: boolean): ArrowColumn {
  return exact(name, words, (data) => longs(data, signed));
}

/** Numbers, or bigints where some value of the column needs them. */
function exact(name: string, words: string, bigints: (data: ArrowData) => (row: number) => bigint): ArrowColumn {
  const column: ArrowColumn = {
    name,
    kind: 'leaf',
    words,
    wide: false,
    someWide(data) {
      const at = nullable(data, bigints(data));
      for (let i = 0; i < data.length; i++) {
        const value = at(i) as bigint | null;
        if (value !== null && !isSafe(value)) return true;
      }
      return false;
    },
    reader(data) {
      const at = bigints(data);
      return nullable(data, column.wide ? at : (i) => Number(at(i)));
    },
  };
  return column;
}

function decimal(name: string, { precision, scale, bitWidth }: ArrowType): ArrowColumn {
  const words = `decimal(${precision}, ${scale})`;
  const unscaled = (data: ArrowData) => {
    const width = bitWidth / 32;
    const values = has(data, width * data.length);
    return (i: number) => {
      let value = 0n;
      for (let w = width - 1; w >= 0; w--) value = (value << 32n) | BigInt(values[width * i + w]!);
      return BigInt.asIntN(bitWidth, value);
    };
  };
  if (scale <= 0)
    return exact(name, words, (data) => {
      const at = unscaled(data);
      return (i) => at(i) * 10n ** BigInt(-scale);
    });
  const reader = (data: ArrowData) => {
    const at = unscaled(data);
    return nullable(data, (i) => doubleOf(at(i), scale));
  };
  return { name, kind: 'leaf', words, reader };
}

/** Where the parts of a column of lists or texts begin and end. @throws Error: they do not lie in its values */
function ranges(data: ArrowData, end: number): (row: number) => [from: number, to: number] {
  const { valueOffsets, length } = data;
  if (length === 0) return () => [0, 0];
  if (!(valueOffsets?.length > length)) throw new Error(`${valueOffsets?.length ?? 0} offsets of ${length} values`);
  let before = Number(valueOffsets[0]);
  if (before < 0) throw new Error(`an offset of ${before}`);
  for (let i = 1; i <= length; i++) {
    const offset = Number(valueOffsets[i]);
    if (offset < before || offset > end) throw new Error(`an offset of ${offset} after ${before}, of ${end}`);
    before = offset;
  }
  return (i) => [Number(valueOffsets[i]), Number(valueOffsets[i + 1])];
}

function bytesIn(data: ArrowData, convert: (bytes: Uint8Array) => unknown): ValueAt {
  const values = (data.values ?? new Uint8Array(0)) as unknown as Uint8Array;
  const range = ranges(data, values.length);
  return (i) => convert(values.subarray(...range(i)));
}

/** Texts and bytes of up to 12 bytes lie in their views, longer ones in other buffers. */
function viewed(data: ArrowData, convert: (bytes: Uint8Array) => unknown): ValueAt {
  const views = has(data, 16 * data.length) as unknown as Uint8Array;
  const view = new DataView(views.buffer, views.byteOffset, views.byteLength);
  return (i) => {
    const length = view.getInt32(16 * i, true);
    if (length >= 0 && length <= 12) return convert(views.subarray(16 * i + 4, 16 * i + 4 + length));
    const [buffer, offset] = [view.getInt32(16 * i + 8, true), view.getInt32(16 * i + 12, true)];
    const bytes = data.variadicBuffers[buffer];
    if (length < 0 || offset < 0 || bytes === undefined || offset + length > bytes.length)
      throw new Error(`a view of ${length} bytes at ${offset} of buffer ${buffer}`);
    return convert(bytes.subarray(offset, offset + length));
  };
}

function list(name: string, { typeId, listSize }: ArrowType, element: ArrowColumn): ArrowColumn {
  const floats = element.words === 'float' || element.words === 'double';
  const reader = (data: ArrowData, forVector = false): ValueAt => {
    const child = data.children[0]!;
    let range: (row: number) => [number, number];
    if (typeId === 16) {
      if (child.length < listSize * data.length) throw new Error(`${child.length} elements of ${data.length} lists`);
      range = (i) => [listSize * i, listSize * (i + 1)];
    } else range = ranges(data, child.length);
    if (forVector && floats && child.nullCount === 0) {
      const values = has(child, child.length);
      return nullable(data, (i) => values.subarray(...range(i)));
    }
    const at = element.reader(child);
    return nullable(data, (i) => {
      const [from, to] = range(i);
      return Array.from({ length: to - from }, (_, n) => at(from + n));
    });
  };
  const size = typeId === 16 ? { size: listSize } : {};
  return { name, kind: 'list', words: `list of ${element.words}`, element, ...size, reader };
}

function struct(name: string, fields: readonly ArrowColumn[]): ArrowColumn {
  const words = `struct of ${fields.map((field) => field.name).join(', ')}`;
  const reader = (data: ArrowData): ValueAt => {
    const inner = fields.map((field, f) => {
      if (data.children[f]!.length < data.length) throw new Error(`a field of ${data.children[f]!.length} rows`);
      return { name: field.name, at: field.reader(data.children[f]!) };
    });
    return nullable(data, (i) => {
      const out: Record<string, unknown> = {};
      for (const { name, at } of inner) setOwn(out, name, within(name, at, i));
      return out;
    });
  };
  return { name, kind: 'struct', words, fields, reader };
}

/** As an object, whose keys are text. */
function map(name: string, fields: readonly ArrowColumn[]): ArrowColumn {
  const [key, value] = fields as [ArrowColumn, ArrowColumn];
  const reader = (data: ArrowData): ValueAt => {
    const entries = data.children[0]!;
    const range = ranges(data, Math.min(entries.length, ...entries.children.map(({ length }) => length)));
    const [keyAt, valueAt] = [key.reader(entries.children[0]!), value.reader(entries.children[1]!)];
    return nullable(data, (i) => {
      const out: Record<string, unknown> = {};
      const [from, to] = range(i);
      for (let n = from; n < to; n++) {
        const one = keyAt(n);
        if (typeof one === 'object') throw new Unfit('keys of a map that are text or numbers', key.words);
        const twice = Object.hasOwn(out, String(one));
        if (twice) throw new Unfit('a map that has each key once', `${JSON.stringify(String(one))} twice`);
        setOwn(out, String(one), valueAt(n));
      }
      return out;
    });
  };
  return { name, kind: 'map', words: `map of ${key.words} to ${value.words}`, fields, reader };
}

function within(name: string, at: ValueAt, row: number): unknown {
  try {
    return at(row);
  } catch (error) {
    if (error instanceof Unfit) error.path.unshift(name);
    throw error;
  }
}

/** As its values are; what is a dictionary of which type nobody sees. */
function dictionary(name: string, { dictionary: of }: ArrowType): ArrowColumn {
  const values = columnOf(name, of);
  const parts = ({ dictionary }: ArrowData) => dictionary?.data ?? [];
  // Integers in them would have to be looked for elsewhere.
  if (values.kind !== 'leaf') return { ...values, words: `dictionary of ${values.words}`, unsupported: true };
  return {
    ...values,
    get wide() {
      return values.wide!;
    },
    set wide(wide: boolean) {
      values.wide = wide;
    },
    ...(values.someWide && { someWide: (data) => parts(data).some((one) => values.someWide!(one)) }),
    reader(data) {
      const indices = has(data, data.length) as ArrayLike<number | bigint>;
      const readers = parts(data).map((part) => ({ length: part.length, at: values.reader(part) }));
      return nullable(data, (i) => {
        let index = Number(indices[i]);
        for (const { length, at } of readers) {
          if (index >= 0 && index < length) return at(index);
          index -= length;
        }
        throw new Error(`entry ${indices[i]} of a dictionary`);
      });
    },
  } as ArrowColumn;
}

/** The column and all that lie in it, with the data of each. */
export function* leavesWith(column: ArrowColumn, data: ArrowData): Generator<[ArrowColumn, ArrowData]> {
  yield [column, data];
  if (column.element !== undefined) yield* leavesWith(column.element, data.children[0]!);
  const children = column.kind === 'map' ? data.children[0]!.children : data.children;
  for (const [f, field] of (column.fields ?? []).entries()) yield* leavesWith(field, children[f]!);
}

/** The column and all that lie in it. */
export function columnsWithin(column: ArrowColumn): ArrowColumn[] {
  return [column, ...[...(column.element ? [column.element] : []), ...(column.fields ?? [])].flatMap(columnsWithin)];
}

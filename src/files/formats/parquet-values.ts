/** Turns the physical values of a Parquet column into exactly what they mean, or throws an error that says why not. */
import type { SchemaElement, TimeUnit } from 'hyparquet';
import { halfToFloat } from '../../core/half.js';
import { parseJson } from '../../store/import/json.js';
import { badByte, textOfBytes } from './utf8.js';

/** A column without columns of its own. */
export interface Leaf {
  /** Its type, for people. */
  words: string;
  /** Its place among the column chunks of a row group. */
  at: number;
  /** The decoder's values are the values. */
  asIs: boolean;
  /** No form in JSON would be right for it. */
  unsupported?: boolean;
  /** For integers that may lie beyond ±(2^53 − 1): the decoder's value as a bigint. */
  exact?: (raw: never) => bigint;
  /**
   * For these integers: whether the column has bigints, so that all rows have one type. To be set before values are
   * converted.
   */
  wide?: boolean;
  /** @throws Unfit */
  convert: (raw: unknown) => unknown;
}

/** A value that cannot be said exactly. */
export class Unfit extends Error {
  /** Names of fields down to the value. */
  readonly path: string[] = [];

  constructor(
    readonly what: string,
    readonly got: string,
  ) {
    super(got);
  }
}

/** @param at its place among the column chunks */
export function leafOf(element: SchemaElement, at: number): Leaf {
  const { type, converted_type: converted, logical_type: logical, type_length } = element;
  const asIs = (words: string): Leaf => ({ words, at, asIs: true, convert: (raw) => raw ?? null });
  const by = (words: string, convert: (raw: never) => unknown): Leaf => ({
    words,
    at,
    asIs: false,
    convert: (raw) => (raw === null || raw === undefined ? null : convert(raw as never)),
  });
  const unsupported = (words: string): Leaf => ({ ...by(words, () => null), unsupported: true });

  if (converted === 'DECIMAL' || logical?.type === 'DECIMAL') {
    return isScale(element.scale ?? 0) ? decimal(element, at) : unsupported(`decimal of scale ${element.scale}`);
  }
  if (converted === 'INTERVAL' || logical?.type === 'INTERVAL') return unsupported('interval');
  if (logical?.type === 'VARIANT') return unsupported('variant');
  if (logical?.type === 'GEOMETRY' || logical?.type === 'GEOGRAPHY') return asIs('geometry');
  switch (type) {
    case 'INT32': {
      if (converted === 'DATE' || logical?.type === 'DATE')
        return by('date', (days: number) => isoOf(BigInt(days) * 86_400n, 1n));
      if (isUnsigned(element, 32)) return by('uint32', (n: number) => n >>> 0);
      const bits = converted?.match(/^(U?)INT_(8|16)$/);
      if (bits) return asIs(`${bits[1] === '' ? 'int' : 'uint'}${bits[2]}`);
      if (logical?.type === 'INTEGER') return asIs(`${logical.isSigned ? 'int' : 'uint'}${logical.bitWidth}`);
      return asIs('int32');
    }
    case 'INT64': {
      const unit = unitOf(element);
      if (unit !== undefined) return by('timestamp', (ticks: bigint) => isoOf(ticks, unit));
      return isUnsigned(element, 64)
        ? integers('uint64', at, (raw: bigint) => BigInt.asUintN(64, raw))
        : integers('int64', at, (raw: bigint) => raw);
    }
    case 'INT96':
      return by('timestamp', (raw: bigint) => {
        const days = (raw >> 64n) - 2_440_588n;
        return isoOf(days * 86_400_000_000_000n + (raw & 0xffff_ffff_ffff_ffffn), 1_000_000_000n);
      });
    case 'BYTE_ARRAY':
      if (converted === 'UTF8' || logical?.type === 'STRING') return by('string', utf8TextOf);
      if (converted === 'ENUM' || logical?.type === 'ENUM') return by('enum', utf8TextOf);
      if (converted === 'JSON' || logical?.type === 'JSON') return by('json', jsonOf);
      return by('binary', copyOf);
    case 'FIXED_LEN_BYTE_ARRAY':
      if (logical?.type === 'UUID') return by('uuid', uuidOfBytes);
      if (logical?.type === 'FLOAT16') return by('half float', (b: Uint8Array) => halfToFloat(b[0]! | (b[1]! << 8)));
      if (converted === 'UTF8' || logical?.type === 'STRING') return by('string', utf8TextOf);
      return by(`binary of ${type_length} bytes`, copyOf);
    case 'FLOAT':
      return asIs('float');
    case 'DOUBLE':
      return asIs('double');
    case 'BOOLEAN':
      return asIs('boolean');
    default:
      return unsupported(String(type));
  }
}

function isUnsigned({ converted_type, logical_type }: SchemaElement, bits: 32 | 64): boolean {
  if (converted_type === `UINT_${bits}`) return true;
  return logical_type?.type === 'INTEGER' && logical_type.bitWidth === bits && !logical_type.isSigned;
}

/** Numbers, or bigints where some value of the column needs them. */
function integers(words: string, at: number, exact: (raw: never) => bigint): Leaf {
  const leaf: Leaf = {
    words,
    at,
    asIs: false,
    exact,
    wide: false,
    convert(raw) {
      if (raw === null || raw === undefined) return null;
      const value = exact(raw as never);
      if (leaf.wide) return value;
      if (isSafe(value)) return Number(value);
      throw new Unfit('integers within the minimum and maximum that the file states', String(value));
    },
  };
  return leaf;
}

export function isSafe(value: bigint): boolean {
  return value >= -9_007_199_254_740_991n && value <= 9_007_199_254_740_991n;
}

/** Integers are integers; with a fraction, the double that prints as the decimal does. */
function decimal({ precision, scale = 0 }: SchemaElement, at: number): Leaf {
  const words = `decimal(${precision}, ${scale})`;
  if (scale === 0) return integers(words, at, unscaledOf);
  return {
    words,
    at,
    asIs: false,
    convert(raw) {
      if (raw === null || raw === undefined) return null;
      return doubleOf(unscaledOf(raw as Unscaled), scale);
    },
  };
}

type Unscaled = number | bigint | Uint8Array;

function unscaledOf(raw: Unscaled): bigint {
  if (!(raw instanceof Uint8Array)) return BigInt(raw);
  let value = 0n;
  for (const byte of raw) value = (value << 8n) | BigInt(byte);
  return BigInt.asIntN(8 * raw.length, value);
}

/** No type of decimals has more digits than 76, and text of the millions that a damaged file may say takes for ever. */
export function isScale(scale: number): boolean {
  return Math.abs(scale) <= 1000;
}

/** The double that prints as the decimal does. @throws Unfit: there is none */
export function doubleOf(unscaled: bigint, scale: number): number {
  const text = decimalText(unscaled, scale);
  const number = Number(text);
  if (isDecimal(number, text)) return number;
  throw new Unfit('decimals that a double can hold (cast the column to string, or to double)', text);
}

/** −115 of scale 2: "-1.15"; without zeros at its end. */
function decimalText(unscaled: bigint, scale: number): string {
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0');
  const fraction = digits.slice(-scale).replace(/0+$/, '');
  const whole = digits.slice(0, -scale);
  return `${unscaled < 0n ? '-' : ''}${whole}${fraction === '' ? '' : `.${fraction}`}`;
}

/** Whether the shortest text that means this double is the decimal. */
function isDecimal(number: number, text: string): boolean {
  const printed = String(number);
  if (!/e/.test(printed)) return printed === text;
  const [, sign, whole, fraction = '', exponent] = /^(-?)(\d+)(?:\.(\d+))?e([+-]\d+)$/.exec(printed)!;
  const shift = Number(exponent);
  const digits = BigInt(whole + fraction);
  const places = fraction.length - shift;
  const plain = places > 0 ? decimalText(digits, places) : String(digits * 10n ** BigInt(-places));
  return `${sign}${plain}` === text;
}

function unitOf({ converted_type, logical_type }: SchemaElement): bigint | undefined {
  if (logical_type?.type === 'TIMESTAMP') return PER_SECOND[logical_type.unit];
  if (converted_type === 'TIMESTAMP_MILLIS') return PER_SECOND.MILLIS;
  if (converted_type === 'TIMESTAMP_MICROS') return PER_SECOND.MICROS;
  return undefined;
}

const PER_SECOND: Record<TimeUnit, bigint> = { MILLIS: 1000n, MICROS: 1_000_000n, NANOS: 1_000_000_000n };

/** ISO 8601 with 3, 6 or 9 digits of the second, as many as the time needs. */
export function isoOf(ticks: bigint, perSecond: bigint): string {
  const nanos = ticks * (1_000_000_000n / perSecond);
  let millis = nanos / 1_000_000n;
  let rest = nanos % 1_000_000n;
  if (rest < 0n) {
    millis -= 1n;
    rest += 1_000_000n;
  }
  const date = new Date(Number(millis));
  if (Number.isNaN(date.getTime()))
    throw new Unfit('a time between the years -271821 and 275760', `${ticks} of 1/${perSecond} s`);
  const text = date.toISOString();
  if (rest === 0n) return text;
  return `${text.slice(0, -1)}${String(rest).padStart(6, '0').replace(/000$/, '')}Z`;
}

export function utf8TextOf(bytes: Uint8Array): string {
  const text = textOfBytes(bytes);
  if (text === undefined) throw new Unfit('UTF-8', badByte(bytes));
  return text;
}

export function jsonOf(bytes: Uint8Array): unknown {
  const text = utf8TextOf(bytes);
  try {
    return parseJson(text);
  } catch (error) {
    throw new Unfit('JSON', (error as Error).message);
  }
}

/** The page that it lies in is let go of. */
function copyOf(bytes: Uint8Array): Uint8Array {
  return bytes.slice();
}

export function uuidOfBytes(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/**
 * Qdrant's JSON answers, with the vectors lifted out. The numbers of a vector go straight into a float32 matrix, never
 * through a number[]; what is left of the text is small and goes through JSON.parse, so payloads, ids and scores are what
 * they would have been. Whatever looks unusual makes the lift decline, and the whole text is then parsed as usual: one
 * place only reports errors.
 */

import { parseExact } from '../../core/exact-json.js';
import { textOfUtf8 } from '../../core/utf8.js';

/** One vector of every point: where it lies in the answer and where it goes. */
export interface Lift {
  /** '' for the un-named vector. */
  name: string;
  dim: number;
  /** At least `points × dim` long. */
  into: Float32Array;
  /** How many points had it. */
  count: number;
}

/**
 * Parses `{ result: { points: […] } }`, or `{ result: […] }`, or of a batch `{ result: [{ points: […] }, …] }`, and fills every
 * lift, one vector a point. In the parsed answer 0 stands where a vector was.
 *
 * @param lacking filled with the places of points that lack a vector, which then have no row; without it those are unexpected
 * @returns undefined if anything is not as expected: text that is no JSON, a vector that is absent or of another length, or
 *   more points than there is room for
 */
export function liftVectors(bytes: Uint8Array, lifts: readonly Lift[], batch = false, lacking?: number[]): unknown {
  for (const lift of lifts) lift.count = 0;
  const scan = new Scan(bytes, lifts, lacking);
  if (!scan.answer(batch)) return undefined;
  try {
    return parseExact(scan.rest());
  } catch {
    return undefined;
  }
}

const SPACE = 0x20;
const QUOTE = 0x22;
const PLUS = 0x2b;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** Powers of ten that a float64 holds exactly. */
const POWERS = Float64Array.from({ length: 23 }, (_, i) => Number(`1e${i}`));
/** Decimal digits that an int32 holds, whatever they are. */
const INT32_DIGITS = 9;

/** Every method that reads answers false when it declines, and `at` is then without meaning. */
class Scan {
  private at = 0;
  private readonly view: DataView;
  /** Pairs [from, to) of lifted bytes. */
  private readonly cuts: number[] = [];

  constructor(
    private readonly bytes: Uint8Array,
    private readonly lifts: readonly Lift[],
    private readonly lacking: number[] | undefined,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  answer(batch: boolean): boolean {
    const inPoint = (key: string): boolean => (key === 'vector' ? this.vectors() : this.skipValue());
    let points = 0;
    const point = (): boolean => {
      points++;
      return this.object(inPoint) && this.counted(points);
    };
    const inResult = (key: string): boolean => (key === 'points' ? this.array(point) : this.skipValue());
    const one = (): boolean => this.object(inResult);
    // By id, points are the result itself.
    const result = (): boolean => (this.peek() === OPEN_ARRAY ? this.array(batch ? one : point) : one());
    const inAnswer = (key: string): boolean => (key === 'result' ? result() : this.skipValue());
    return this.object(inAnswer);
  }

  /** Whether each lift has a row of every point, or the point is known to lack one. */
  private counted(points: number): boolean {
    const { lifts, lacking } = this;
    if (lacking === undefined) return lifts.every((lift) => lift.count === points);
    const rows = points - lacking.length;
    if (lifts.every((lift) => lift.count === rows)) return true;
    // A point had the same name twice.
    if (lifts.some((lift) => lift.count > rows)) return false;
    lacking.push(points - 1);
    // Its other vectors are overwritten by the next point.
    for (const lift of lifts) lift.count = rows - 1;
    return true;
  }

  /** The text without the vectors. */
  rest(): string {
    const { bytes, cuts } = this;
    let cut = 0;
    for (let i = 0; i < cuts.length; i += 2) cut += cuts[i + 1]! - cuts[i]! - 1;
    const kept = new Uint8Array(bytes.length - cut);
    let from = 0;
    let to = 0;
    for (let i = 0; i < cuts.length; i += 2) {
      kept.set(bytes.subarray(from, cuts[i]), to);
      to += cuts[i]! - from;
      kept[to++] = ZERO;
      from = cuts[i + 1]!;
    }
    kept.set(bytes.subarray(from), to);
    return textOfUtf8(kept);
  }

  /** The value of a point's "vector": one un-named vector, or an object of named ones. */
  private vectors(): boolean {
    const next = this.peek();
    if (next === OPEN_ARRAY) return this.lift('');
    if (next !== OPEN_OBJECT) return this.skipValue();
    return this.object((name) => {
      if (this.peek() === OPEN_ARRAY) return this.lift(name);
      // It is no dense vector: unexpected where its name was asked for, since the point does not lack it.
      return this.lifts.every((lift) => lift.name !== name) && this.skipValue();
    });
  }

  private lift(name: string): boolean {
    const lift = this.lifts.find((one) => one.name === name);
    if (!lift) return this.skipValue();
    const offset = lift.count * lift.dim;
    if (offset + lift.dim > lift.into.length) return false;
    const from = this.at;
    const to = readNumbers(this.bytes, this.view, from + 1, lift.into, offset, lift.dim);
    if (to < 0) return false;
    this.cuts.push(from, to);
    this.at = to;
    lift.count++;
    return true;
  }

  private object(value: (key: string) => boolean): boolean {
    if (this.peek() !== OPEN_OBJECT) return false;
    this.at++;
    if (this.peek() === CLOSE_OBJECT) {
      this.at++;
      return true;
    }
    for (;;) {
      if (this.peek() !== QUOTE) return false;
      const from = this.at;
      if (!this.skipString()) return false;
      const key = this.key(from, this.at);
      if (key === undefined || this.peek() !== COLON) return false;
      this.at++;
      this.peek();
      if (!value(key)) return false;
      const next = this.peek();
      this.at++;
      if (next === CLOSE_OBJECT) return true;
      if (next !== COMMA) return false;
    }
  }

  private array(element: () => boolean): boolean {
    if (this.peek() !== OPEN_ARRAY) return false;
    this.at++;
    if (this.peek() === CLOSE_ARRAY) {
      this.at++;
      return true;
    }
    for (;;) {
      this.peek();
      if (!element()) return false;
      const next = this.peek();
      this.at++;
      if (next === CLOSE_ARRAY) return true;
      if (next !== COMMA) return false;
    }
  }

  private key(from: number, to: number): string | undefined {
    // A short plain key, as nearly all are: quicker than the decoder.
    const { bytes } = this;
    let plain = to - from < 34;
    for (let at = from; plain && at < to; at++) plain = bytes[at]! < 0x80 && bytes[at] !== BACKSLASH;
    if (plain) return String.fromCharCode(...bytes.subarray(from + 1, to - 1));
    try {
      return JSON.parse(textOfUtf8(this.bytes.subarray(from, to))) as string;
    } catch {
      return undefined;
    }
  }

  /** The next byte that is no white space; -1 at the end. */
  private peek(): number {
    const { bytes } = this;
    for (; this.at < bytes.length; this.at++) {
      const byte = bytes[this.at]!;
      if (!isSpace(byte)) return byte;
    }
    return -1;
  }

  private skipString(): boolean {
    const { bytes } = this;
    for (let at = this.at + 1; at < bytes.length; at++) {
      const byte = bytes[at]!;
      if (byte === BACKSLASH) at++;
      else if (byte === QUOTE) {
        this.at = at + 1;
        return true;
      }
    }
    return false;
  }

  /** Skips by brackets alone: JSON.parse sees this part again and judges it. */
  private skipValue(): boolean {
    const { bytes } = this;
    let depth = 0;
    while (this.at < bytes.length) {
      const byte = bytes[this.at]!;
      if (byte === QUOTE) {
        if (!this.skipString()) return false;
        continue;
      }
      if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) depth++;
      else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
        if (depth === 0) return true;
        depth--;
      } else if (byte === COMMA && depth === 0) return true;
      this.at++;
    }
    return false;
  }
}

/**
 * Reads `dim` numbers and the closing bracket, each rounded as `Math.fround(JSON.parse(text))`: up to nine digits make an
 * exact integer, and one exact power of ten makes the division correctly rounded; longer ones go through Number().
 *
 * @param view - of `bytes`
 * @returns the position behind the bracket, or -1
 */
function readNumbers(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  into: Float32Array,
  offset: number,
  dim: number,
): number {
  const end = offset + dim;
  const lastFour = bytes.length - 4;
  // Past the end of the text every comparison below is false, and that declines.
  for (;;) {
    let c = bytes[at]!;
    for (; c <= SPACE; c = bytes[++at]!) if (!isSpace(c)) return -1;
    const start = at;
    const negative = c === MINUS;
    if (negative) c = bytes[++at]!;
    if (!(c >= ZERO && c <= NINE)) return -1;
    let mantissa = c - ZERO;
    let digits = 0;
    let scale = 0;
    c = bytes[++at]!;
    if (mantissa === 0) {
      if (c >= ZERO && c <= NINE) return -1;
    } else {
      digits = 1;
      for (; c >= ZERO && c <= NINE; c = bytes[++at]!) {
        if (digits++ < INT32_DIGITS) mantissa = (Math.imul(mantissa, 10) + c - ZERO) | 0;
      }
    }
    if (c === DOT) {
      const point = at;
      c = bytes[++at]!;
      if (!(c >= ZERO && c <= NINE)) return -1;
      if (mantissa === 0) while (c === ZERO) c = bytes[++at]!;
      // Four digits at once, most significant first in memory: pairs, then both pairs.
      while (digits <= INT32_DIGITS - 4 && at <= lastFour) {
        const four = view.getInt32(at, true);
        if ((four & 0xf0f0f0f0) !== 0x30303030 || ((four + 0x06060606) & 0xf0f0f0f0) !== 0x30303030) break;
        const ones = four & 0x0f0f0f0f;
        const pairs = (Math.imul(ones, 10) + (ones >>> 8)) | 0;
        mantissa = (Math.imul(mantissa, 10_000) + Math.imul(pairs & 0xff, 100) + ((pairs >>> 16) & 0xff)) | 0;
        digits += 4;
        at += 4;
      }
      c = bytes[at]!;
      for (; c >= ZERO && c <= NINE; c = bytes[++at]!) {
        if (digits++ < INT32_DIGITS) mantissa = (Math.imul(mantissa, 10) + c - ZERO) | 0;
      }
      scale = at - point - 1;
    }
    // 'e' or 'E'
    if ((c | 0x20) === 0x65) {
      const sign = bytes[++at]!;
      c = sign === MINUS || sign === PLUS ? bytes[++at]! : sign;
      if (!(c >= ZERO && c <= NINE)) return -1;
      let exponent = 0;
      for (; c >= ZERO && c <= NINE; c = bytes[++at]!) {
        if (exponent < 10_000) exponent = exponent * 10 + c - ZERO;
      }
      scale += sign === MINUS ? exponent : -exponent;
    }
    let value: number;
    if (digits <= INT32_DIGITS && scale >= -22 && scale <= 22) {
      value = scale >= 0 ? mantissa / POWERS[scale]! : mantissa * POWERS[-scale]!;
      if (negative) value = -value;
    } else {
      value = Number(textOfUtf8(bytes.subarray(start, at)));
    }
    if (offset === end) return -1;
    into[offset++] = value;
    for (; c <= SPACE; c = bytes[++at]!) if (!isSpace(c)) return -1;
    if (c === COMMA) at++;
    else return c === CLOSE_ARRAY && offset === end ? at + 1 : -1;
  }
}

function isSpace(byte: number): boolean {
  return byte === SPACE || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

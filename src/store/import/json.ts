/** JSON as it was written: nothing is rounded to another integer, and nothing takes the place of something else. */

const MAX_DEPTH = 500;
/** An integer that a double may not hold. Digits behind a point do not count: most vectors have long ones. */
const LONG_INTEGER = /(?:^|[\s,:[-])\d{16}/;
const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const SPACE = /[ \t\r\n]*/y;
const QUOTE = 0x22;

/**
 * As JSON.parse(), but integers beyond ±(2^53 − 1) are bigints. Integers are what is written without point and exponent; other
 * numbers are doubles, as everywhere.
 *
 * @throws SyntaxError for what is no JSON; for a key that an object has twice, a number beyond the doubles, and more than 500
 *   levels: each would lose something in silence, or later
 */
export function parseJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  if (!LONG_INTEGER.test(text) && keysIn(value, 0) === keysWritten(text)) return value;
  return new ExactParser(text).parse();
}

/** Keys of all objects; NaN where a closer look is needed. */
function keysIn(value: unknown, depth: number): number {
  if (typeof value === 'number') return Number.isFinite(value) ? 0 : Number.NaN;
  if (typeof value !== 'object' || value === null) return 0;
  if (depth === MAX_DEPTH) return Number.NaN;
  let count = 0;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const one: unknown = value[i];
      if (typeof one === 'object') count += keysIn(one, depth + 1);
      else if (one === Number.POSITIVE_INFINITY || one === Number.NEGATIVE_INFINITY) return Number.NaN;
    }
    return count;
  }
  const object = value as Record<string, unknown>;
  for (const key of Object.keys(object)) count += 1 + keysIn(object[key], depth + 1);
  return count;
}

/** Keys as they are written, each as often as it is; in rare texts more, since a string may look like one. */
function keysWritten(text: string): number {
  let count = 0;
  for (let at = text.indexOf(':'); at >= 0; at = text.indexOf(':', at + 1)) {
    let before = at - 1;
    while (text.charCodeAt(before) <= 0x20) before--;
    if (text.charCodeAt(before) === QUOTE) count++;
  }
  return count;
}

/** Parses a text that is known to be JSON. */
class ExactParser {
  #at = 0;
  readonly #path: (string | number)[] = [];

  constructor(private readonly text: string) {}

  parse(): unknown {
    this.#skipSpace();
    switch (this.text[this.#at]) {
      case '{':
        return this.#object();
      case '[':
        return this.#array();
      case '"':
        return this.#string();
      case 't':
        return this.#word('true', true);
      case 'f':
        return this.#word('false', false);
      case 'n':
        return this.#word('null', null);
      default:
        return this.#number();
    }
  }

  #object(): Record<string, unknown> {
    const object: Record<string, unknown> = {};
    this.#open();
    for (let first = true; !this.#ends('}', first); first = false) {
      this.#skipSpace();
      const key = this.#string();
      if (Object.hasOwn(object, key)) throw new SyntaxError(`the key ${JSON.stringify(key)} twice${this.#place()}`);
      this.#skipSpace();
      this.#at++; // the colon
      this.#path.push(key);
      // A key of any name is an own one, "__proto__" too.
      const value = this.parse();
      Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
      this.#path.pop();
    }
    return object;
  }

  #array(): unknown[] {
    return this.#plainArray() ?? this.#anyArray();
  }

  /** A vector, say: what holds nothing but small numbers and words is read at once. */
  #plainArray(): unknown[] | undefined {
    const end = this.text.indexOf(']', this.#at) + 1;
    const text = this.text.slice(this.#at, end);
    if (/["[{]/.test(text.slice(1)) || LONG_INTEGER.test(text)) return undefined;
    const array = JSON.parse(text) as unknown[];
    if (array.includes(Number.POSITIVE_INFINITY) || array.includes(Number.NEGATIVE_INFINITY)) return undefined;
    this.#at = end;
    return array;
  }

  #anyArray(): unknown[] {
    const array: unknown[] = [];
    this.#open();
    for (let first = true; !this.#ends(']', first); first = false) {
      this.#path.push(array.length);
      array.push(this.parse());
      this.#path.pop();
    }
    return array;
  }

  #open(): void {
    if (this.#path.length === MAX_DEPTH) throw new SyntaxError(`more than ${MAX_DEPTH} levels`);
    this.#at++;
  }

  /** Steps over the end, or over the comma before another one. */
  #ends(mark: string, first: boolean): boolean {
    this.#skipSpace();
    if (this.text[this.#at] === mark) {
      this.#at++;
      return true;
    }
    if (!first) this.#at++;
    return false;
  }

  #string(): string {
    const start = this.#at;
    let end = start;
    for (let escaped = true; escaped; ) {
      end = this.text.indexOf('"', end + 1);
      let slashes = 0;
      while (this.text[end - 1 - slashes] === '\\') slashes++;
      escaped = slashes % 2 === 1;
    }
    this.#at = end + 1;
    return JSON.parse(this.text.slice(start, this.#at)) as string;
  }

  #number(): number | bigint {
    NUMBER.lastIndex = this.#at;
    const [text] = NUMBER.exec(this.text)!;
    this.#at += text.length;
    const number = Number(text);
    if (!Number.isFinite(number)) {
      const short = text.length > 40 ? `${text.slice(0, 37)}...` : text;
      if (/[.eE]/.test(text)) throw new SyntaxError(`${short}, which no double holds,${this.#place()}`);
    }
    return Number.isSafeInteger(number) || /[.eE]/.test(text) ? number : BigInt(text);
  }

  #word<T>(word: string, value: T): T {
    this.#at += word.length;
    return value;
  }

  #skipSpace(): void {
    SPACE.lastIndex = this.#at;
    SPACE.exec(this.text);
    this.#at = SPACE.lastIndex;
  }

  #place(): string {
    if (this.#path.length === 0) return '';
    const steps = this.#path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`));
    return ` in ${JSON.stringify(steps.join('').replace(/^\./, ''))}`;
  }
}

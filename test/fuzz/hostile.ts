/** Values that callers should never pass, and some day do. All of them follow from a seed. */
import { Random } from '../random.js';

/** The error that hostile getters and callbacks throw. It is the caller's own, so it may come back as it is. */
export class Trap extends Error {
  override readonly name = 'Trap';
}

function trap(): never {
  throw new Trap('sprung');
}

const ODD_NUMBERS = [
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  -0,
  0,
  -1,
  0.5,
  1e-320,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53 - 1,
  2 ** 53,
  1e300,
  3.5e38,
];

const ODD_STRINGS = [
  '',
  '__proto__',
  'constructor',
  'hasOwnProperty',
  'toString',
  '\0',
  '\ud800',
  'a'.repeat(5000),
  'ünï.côdé[]',
  '[].[]."',
  '"',
  '-1',
  '1e3',
  'NaN',
  ':memory:',
  '../..',
];

export class Hostile extends Random {
  oddNumber(): number {
    return this.pick(ODD_NUMBERS);
  }

  oddString(): string {
    return this.pick(ODD_STRINGS);
  }

  /** Anything at all. */
  any(depth = 0): unknown {
    switch (this.int(0, depth < 2 ? 22 : 9)) {
      case 0:
        return undefined;
      case 1:
        return null;
      case 2:
        return this.chance(0.5);
      case 3:
      case 4:
        return this.oddNumber();
      case 5:
        return this.pick([0n, -1n, 2n ** 64n, 2n ** 63n]);
      case 6:
      case 7:
        return this.oddString();
      case 8:
        return Symbol('odd');
      case 9:
        return this.pick<unknown>([() => {}, trap, () => Symbol('odd'), class Odd {}]);
      case 10:
        return {};
      case 11:
        return [];
      case 12:
        return Array.from({ length: this.int(1, 4) }, () => this.any(depth + 1));
      case 13:
        return Object.fromEntries(Array.from({ length: 3 }, () => [this.oddString(), this.any(depth + 1)]));
      case 14:
        return JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}');
      case 15:
        return new Proxy({}, this.pick([{ get: trap }, { ownKeys: trap }, { has: trap, getPrototypeOf: trap }]));
      case 16: {
        const { proxy, revoke } = Proxy.revocable({}, {});
        revoke();
        return proxy;
      }
      case 17:
        return this.pick<unknown>([new Date(Number.NaN), new Map([[1, 2]]), new Set([1]), /x/g, new Error('odd')]);
      case 18:
        return { length: this.pick([3, -1, 2 ** 32, 2 ** 53, Number.NaN]), 0: 1 };
      case 19:
        return this.oddView(this.int(0, 9));
      case 20:
        return this.pick<unknown>([Promise.resolve(1), AbortSignal.abort(new Trap('aborted')), new AbortController()]);
      case 21:
        return Object.create(null);
      default:
        return new Array(this.pick([1, 7, 100_000, 2 ** 32 - 1]));
    }
  }

  /** Bytes as typed arrays and buffers that are nobody's vector. */
  oddView(length: number): unknown {
    switch (this.int(0, 9)) {
      case 0:
        return detached(length + 1);
      case 1:
        return shrunk(length + 4);
      case 2:
        return new Float32Array(length).fill(this.oddNumber());
      case 3:
        return new Uint8Array(length);
      case 4:
        return new Int32Array(length);
      case 5:
        return new BigInt64Array(length);
      case 6:
        return new DataView(new ArrayBuffer(length));
      case 7:
        return new ArrayBuffer(length);
      case 8:
        return Buffer.alloc(length);
      default:
        return new Float64Array(length).fill(1e200);
    }
  }

  /** Finite values in any form that a vector may have. */
  vectorOf(values: Float32Array): Float32Array | number[] {
    switch (this.int(0, 6)) {
      case 0:
        return Array.from(values);
      case 1: {
        const shared = new Float32Array(new SharedArrayBuffer(values.byteLength));
        shared.set(values);
        return shared;
      }
      case 2: {
        const view = new Float32Array(values.length + 3).subarray(3);
        view.set(values);
        return view;
      }
      case 3: {
        // Follows the length of its buffer.
        const buffer = resizable(values.byteLength, values.byteLength + 64);
        const view = new Float32Array(buffer);
        view.set(values);
        return view;
      }
      default:
        return values;
    }
  }

  /** Not zeros: a query of zeros has no direction. */
  direction(dim: number): Float32Array {
    const values = this.vector(dim);
    values[this.int(0, dim - 1)]! += 0.5;
    return values;
  }

  /** The value with something in it, somewhere, that should not be there. */
  mutated(value: unknown): unknown {
    if (this.chance(0.8)) {
      if (isPlain(value) && Object.keys(value).length > 0) return this.#withMutatedKey(value);
      if (Array.isArray(value) && value.length > 0) {
        const copy = value.slice();
        const at = this.int(0, copy.length - 1);
        if (this.chance(0.1)) delete copy[at];
        else copy[at] = this.mutated(copy[at]);
        return copy;
      }
    }
    return this.#instead(value);
  }

  #withMutatedKey(value: Record<string, unknown>): unknown {
    const copy = { ...value };
    const key = this.pick(Object.keys(value));
    const kept = value[key];
    const inside = this.mutated(kept);
    switch (this.int(0, 9)) {
      case 0:
        delete copy[key];
        return copy;
      case 1:
        return Object.defineProperty(copy, key, { enumerable: true, get: trap });
      case 2: {
        // Another answer each time it is asked.
        let asked = 0;
        return Object.defineProperty(copy, key, { enumerable: true, get: () => (asked++ % 2 === 0 ? kept : inside) });
      }
      case 3:
        // Takes the memory of what stands beside it away, while it is read.
        return Object.defineProperty(copy, key, {
          enumerable: true,
          get() {
            for (const other of Object.values(value)) detach(other);
            return kept;
          },
        });
      case 4:
        return { ...copy, [this.oddString()]: this.any() };
      case 5:
        return Object.defineProperty(copy, '__proto__', { enumerable: true, value: this.any() });
      default:
        copy[key] = inside;
        return copy;
    }
  }

  #instead(value: unknown): unknown {
    if (this.chance(0.4)) return this.any();
    // A callback that runs later must not depend on who drew before it.
    const own = new Hostile(this.int(0, 2 ** 31));
    if (typeof value === 'number') return this.chance(0.8) ? this.oddNumber() : String(value);
    if (typeof value === 'string') return this.oddString();
    if (ArrayBuffer.isView(value)) return this.#oddCopy(value as Float32Array);
    if (typeof value === 'function') return this.pick<unknown>([trap, () => own.any(), async () => trap()]);
    if (Array.isArray(value)) {
      return this.pick<unknown>([{ ...value, length: value.length }, new Proxy(value, {}), holed(value)]);
    }
    if (isPlain(value)) {
      switch (this.int(0, 4)) {
        case 0:
          return Object.freeze({ ...value });
        case 1:
          return Object.assign(Object.create(null), value);
        case 2:
          return Object.create(value);
        case 3:
          return new Proxy(value, {});
        default:
          return new Proxy(value, { get: (target, key) => (own.chance(0.3) ? trap() : Reflect.get(target, key)) });
      }
    }
    return this.any();
  }

  #oddCopy(view: Float32Array): unknown {
    if (view.length > 100_000 || !('length' in view)) return this.any();
    // The copy has the same kind, where that holds numbers.
    const same = typeof view[0] !== 'bigint' && !Buffer.isBuffer(view) && this.chance(0.7);
    const Own = same ? (view.constructor as Float32ArrayConstructor) : Float32Array;
    const copy = new Own(Array.from(view, Number));
    switch (this.int(0, 7)) {
      case 7:
        return liar(copy, this.pick([0, 1, copy.length * 2, 10_000, 2 ** 31, -1, Number.NaN]));
      case 0:
        copy[this.int(0, Math.max(0, copy.length - 1))] = this.oddNumber();
        return copy;
      case 1:
        return copy.subarray(this.int(0, copy.length));
      case 2:
        return Float32Array.from([...copy, 1]);
      case 3:
        return Array.from(copy).fill(this.any() as number, 0, 1);
      case 4:
        return Float64Array.from(copy);
      case 5:
        detach(copy);
        return copy;
      default:
        return this.oddView(view.length);
    }
  }
}

export function detached(length: number): Float32Array {
  const view = new Float32Array(length);
  detach(view);
  return view;
}

/** Newer than the types that we compile against. */
function resizable(bytes: number, most: number): ArrayBuffer & { resize(bytes: number): void } {
  return Reflect.construct(ArrayBuffer, [bytes, { maxByteLength: most }]);
}

/** As long as an array can be, and begins as it should. */
function holed(value: readonly unknown[]): unknown {
  return Object.assign(new Array(2 ** 32 - 1), value.slice(0, 2));
}

/** A view that says it had another length. */
function liar(view: Float32Array, length: number): Float32Array {
  return Object.defineProperty(view, 'length', { value: length });
}

/** A view whose buffer became smaller than it. */
function shrunk(length: number): Float32Array {
  const buffer = resizable(4 * length, 4 * length);
  const view = new Float32Array(buffer, 0, length);
  buffer.resize(8);
  return view;
}

export function detach(value: unknown): void {
  if (!ArrayBuffer.isView(value) || !(value.buffer instanceof ArrayBuffer) || value.byteLength === 0) return;
  try {
    structuredClone(value.buffer, { transfer: [value.buffer] });
  } catch {} // Buffers of Node's pool cannot be transferred
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  try {
    const prototype = Object.getPrototypeOf(value);
    return prototype === Object.prototype || prototype === null;
  } catch {
    return false; // a proxy of ours
  }
}

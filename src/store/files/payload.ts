/**
 * Payloads as bytes: JSON, and what JSON lacks as an object with one key that starts with '$': bigint, NaN, the
 * infinities, -0, Date, bytes. A caller's object of that look gets one '$' more. Files and ':memory:' have the same form.
 */
import { Buffer } from '../../core/buffer.js';
import { FunnelError } from '../../core/errors.js';
import { isBytes, isDate, isMapOrSet } from '../../core/realm.js';
import { textOfUtf8 } from '../../core/utf8.js';

/** @throws FunnelError BAD_ARGUMENT for what has no such form: functions, symbols, cycles, Maps, typed arrays of numbers */
export function encodePayload(payload: unknown, where: string): Uint8Array {
  try {
    return Buffer.from(JSON.stringify({ v: payload }, replace).slice('{"v":'.length, -1), 'utf8');
  } catch (cause) {
    throw new FunnelError('BAD_ARGUMENT', `Expected data for ${where} but received ${(cause as Error).message}`, {
      cause,
    });
  }
}

export function decodePayload(bytes: Uint8Array): unknown {
  const text = textOfUtf8(bytes);
  return text.includes('{"$') ? JSON.parse(text, revive) : JSON.parse(text);
}

/** `value` has been through toJSON already, `this[key]` has not. */
function replace(this: Record<string, unknown>, key: string, value: unknown): unknown {
  const raw = this[key];
  if (typeof raw === 'bigint') return { $n: String(raw) };
  if (isDate(raw)) return { $d: Date.prototype.getTime.call(raw) };
  if (isBytes(raw)) return { $b: Buffer.from(raw.buffer, raw.byteOffset, raw.length).toString('base64') };
  switch (typeof value) {
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0) ? value : { $f: Object.is(value, -0) ? '-0' : `${value}` };
    case 'function':
    case 'symbol':
      throw new TypeError(`a ${typeof value} as ${JSON.stringify(key)}`);
    case 'object': {
      if (value === null || Array.isArray(value)) return value;
      if (ArrayBuffer.isView(value) || isMapOrSet(value)) {
        throw new TypeError(`a ${value.constructor.name} as ${JSON.stringify(key)}`);
      }
      const keys = Object.keys(value);
      const only = keys.length === 1 ? keys[0]! : '';
      return only.startsWith('$') ? { [`$${only}`]: (value as Record<string, unknown>)[only] } : value;
    }
    default:
      return value;
  }
}

function revive(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const keys = Object.keys(value);
  const only = keys.length === 1 ? keys[0]! : '';
  if (!only.startsWith('$')) return value;
  const held = (value as Record<string, unknown>)[only];
  if (only === '$n') return BigInt(held as string);
  if (only === '$f') return Number(held);
  if (only === '$d') return new Date((held as number | null) ?? Number.NaN);
  if (only === '$b') return new Uint8Array(Buffer.from(held as string, 'base64'));
  return { [only.slice(1)]: held };
}

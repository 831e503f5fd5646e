/** One slice of all ids: the same ids for the same numbers, everywhere and always. */
import { Buffer } from '../../core/buffer.js';
import type { Id } from '../../core/types.js';
import { uuidOf } from '../../core/validate.js';

/**
 * Whether an id is in slice `index` of `total`: SipHash-2-4 of its bytes, with a key of zeros, modulo `total`. The bytes are 8 of
 * an integer (little-endian), 16 of a UUID, which Qdrant hashes alike, and UTF-8 of any other text. Digits as text are an
 * integer, as mirrors of integers and UUIDs have them.
 */
export function inSlice(total: number, index: number): (id: Id) => boolean {
  return (id) => remainder(bytesOf(id), total) === index;
}

const integer = new DataView(new ArrayBuffer(8));

function bytesOf(id: Id): DataView {
  if (typeof id !== 'string' || /^(?:0|-?[1-9]\d{0,19})$/.test(id)) {
    integer.setBigInt64(0, BigInt(id), true);
    return integer;
  }
  const uuid = uuidOf(id);
  if (uuid === undefined) {
    const { buffer, byteOffset, byteLength } = Buffer.from(id);
    return new DataView(buffer, byteOffset, byteLength);
  }
  const digits = uuid.replaceAll('-', '');
  const bytes = new DataView(new ArrayBuffer(16));
  for (let at = 0; at < 16; at++) bytes.setUint8(at, Number.parseInt(digits.slice(2 * at, 2 * at + 2), 16));
  return bytes;
}

/** The state: four integers of 64 bits, as halves. */
const state = new Int32Array(8);

function remainder(bytes: DataView, total: number): number {
  state.set([0x70736575, 0x736f6d65, 0x6e646f6d, 0x646f7261, 0x6e657261, 0x6c796765, 0x79746573, 0x74656462]);
  const whole = bytes.byteLength & ~7;
  for (let at = 0; at < whole; at += 8) absorb(bytes.getInt32(at, true), bytes.getInt32(at + 4, true));
  const last = [0, 0];
  for (let at = whole; at < bytes.byteLength; at++) {
    const place = at - whole;
    last[place >> 2]! |= bytes.getUint8(at) << (8 * (place & 3));
  }
  absorb(last[0]!, last[1]! | (bytes.byteLength << 24));
  state[4]! ^= 0xff;
  for (let round = 0; round < 4; round++) mix();
  const low = (state[0]! ^ state[2]! ^ state[4]! ^ state[6]!) >>> 0;
  const high = (state[1]! ^ state[3]! ^ state[5]! ^ state[7]!) >>> 0;
  // Products stay below 2^53 for totals of up to 2^21.
  if (total <= 2 ** 21) return ((high % total) * (2 ** 32 % total) + low) % total;
  return Number(((BigInt(high) << 32n) | BigInt(low)) % BigInt(total));
}

function absorb(low: number, high: number): void {
  state[6]! ^= low;
  state[7]! ^= high;
  mix();
  mix();
  state[0]! ^= low;
  state[1]! ^= high;
}

/** One round. */
function mix(): void {
  add(0, 2);
  turn(2, 13);
  exclude(2, 0);
  turn(0, 32);
  add(4, 6);
  turn(6, 16);
  exclude(6, 4);
  add(0, 6);
  turn(6, 21);
  exclude(6, 0);
  add(4, 2);
  turn(2, 17);
  exclude(2, 4);
  turn(4, 32);
}

function add(to: number, other: number): void {
  const low = (state[to]! >>> 0) + (state[other]! >>> 0);
  state[to] = low;
  state[to + 1]! += state[other + 1]! + (low > 0xffff_ffff ? 1 : 0);
}

function exclude(to: number, other: number): void {
  state[to]! ^= state[other]!;
  state[to + 1]! ^= state[other + 1]!;
}

/** To the left, by up to 32 bits. */
function turn(at: number, by: number): void {
  const low = state[at]!;
  const high = state[at + 1]!;
  if (by === 32) {
    state[at] = high;
    state[at + 1] = low;
    return;
  }
  state[at] = (low << by) | (high >>> (32 - by));
  state[at + 1] = (high << by) | (low >>> (32 - by));
}

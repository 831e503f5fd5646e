/** Records as the binary makes and reads them, beside the same in TypeScript. */
import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { nativeFiles } from '#dist/store/files/native.js';
import { encodeByOne, encodeRecords, type RowFormat } from '#dist/store/files/rows.js';
import { Random } from '../../random.js';

const { encodeRecords: native, readRecords } = nativeFiles();
const skip = native === undefined ? 'there is no binary' : false;

function formatOf(dim: number, bytesPerValue: 2 | 4): RowFormat {
  return { uuid: new Uint8Array(16), dim, bytesPerValue, stride: Math.ceil((dim * bytesPerValue) / 4) * 4 + 4 };
}

function rowsOf(random: Random, count: number, dim: number, bytesPerValue: 2 | 4): Float32Array | Uint16Array {
  if (bytesPerValue === 4) return Float32Array.from({ length: count * dim }, () => random.gaussian() * 1e30);
  return Uint16Array.from({ length: count * dim }, () => random.int(0, 0x7bff) | random.pick([0, 0x8000]));
}

describe('records of rows', { skip }, () => {
  it('are the same in every bit', () => {
    const random = new Random(5);
    for (let i = 0; i < 300; i++) {
      const format = formatOf(random.int(1, 70), random.pick([2, 4]));
      const count = random.int(1, 9);
      const all = rowsOf(random, count, format.dim, format.bytesPerValue);
      const from = random.int(0, count - 1);
      const first = random.pick([0, random.int(0, 1000), 2 ** 32 - 20]);
      const [ours, plain] = [0, 0].map(() => new Uint8Array((count - from) * format.stride));
      encodeRecords(format, all, from, count, first, ours!);
      encodeByOne(format, all, from, count, first, plain!);
      assert.deepEqual(ours, plain);
    }
  });

  it('refuse the same values', () => {
    const random = new Random(6);
    for (const bytesPerValue of [2, 4] as const) {
      const odd = bytesPerValue === 4 ? [Number.NaN, Infinity, -Infinity] : [0x7c00, 0xfc00, 0x7e01, 0xffff];
      for (const value of odd) {
        const format = formatOf(random.int(1, 40), bytesPerValue);
        const rows = rowsOf(random, 5, format.dim, bytesPerValue);
        rows[3 * format.dim + random.int(0, format.dim - 1)] = value;
        for (const encode of [encodeRecords, encodeByOne]) {
          assert.throws(() => encode(format, rows, 1, 5, 0, new Uint8Array(4 * format.stride)), {
            code: 'NOT_FINITE',
            message: /row 3 /,
          });
        }
      }
    }
  });

  it('are read in runs and one by one, up to the first that is broken', { skip: readRecords === undefined }, () => {
    const folder = mkdtempSync(join(tmpdir(), 'funnelvec-records-'));
    const random = new Random(7);
    const format = formatOf(9, 4);
    const count = 600;
    const header = 4096;
    const image = new Uint8Array(count * format.stride);
    encodeRecords(format, rowsOf(random, count, 9, 4), 0, count, 0, image);
    const fd = openSync(join(folder, 'rows'), 'w+');
    try {
      writeSync(fd, image, 0, image.length, header);
      for (let i = 0; i < 50; i++) {
        const slots = new Uint32Array(random.int(1, 400));
        for (let s = 0; s < slots.length; s++) {
          const next = (slots[s - 1] ?? -1) + 1;
          slots[s] = s > 0 && next < count && random.chance(0.8) ? next : random.int(0, count - 1);
        }
        const out = new Uint8Array(slots.length * format.stride);
        assert.equal(readRecords!(fd, header, format.stride, slots, slots, slots.length, out), slots.length);
        for (const [s, slot] of slots.entries()) {
          const at = slot * format.stride;
          const read = out.subarray(s * format.stride, (s + 1) * format.stride);
          assert.deepEqual(read, image.subarray(at, at + format.stride));
        }
        // Another row's name on one of them; one behind the end of the file.
        const place = random.int(0, slots.length - 1);
        const ordinals = slots.slice();
        ordinals[place]!++;
        assert.equal(readRecords!(fd, header, format.stride, slots, ordinals, slots.length, out), place);
        const beyond = slots.slice();
        beyond[place] = count;
        assert.equal(readRecords!(fd, header, format.stride, beyond, beyond, slots.length, out), place);
      }
    } finally {
      closeSync(fd);
      rmSync(folder, { recursive: true });
    }
  });
});

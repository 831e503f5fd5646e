/** The files that stand in for Node's in browsers do what these do. */
import assert from 'node:assert/strict';
import { Buffer as NodeBuffer } from 'node:buffer';
import { describe, it } from 'node:test';
import { isDeepStrictEqual as equalInNode } from 'node:util';
import { Buffer } from '#dist/core/buffer-web.js';
import { nextTurn, randomBytes } from '#dist/core/host-web.js';
import { isDeepStrictEqual } from '#dist/store/equal-web.js';
import { Random } from '../random.js';

const TEXTS = ['', 'a', 'ümläut', '日本語', '𝔘𝔫𝔦', '\ufeffmark', 'x'.repeat(10_000), 'é'.repeat(5000)];

describe('in place of Buffer', () => {
  it('texts are encoded and decoded alike, whole and in part', () => {
    for (const text of TEXTS) {
      assert.deepEqual([...Buffer.from(text)], [...NodeBuffer.from(text)]);
      assert.equal(Buffer.byteLength(text), NodeBuffer.byteLength(text));
      const bytes = NodeBuffer.from(text);
      for (const encoding of ['utf8', 'latin1', 'hex', 'base64', 'utf16le'] as const) {
        assert.equal(Buffer.from(bytes).toString(encoding), bytes.toString(encoding), encoding);
        const middle = [bytes.length >> 2, bytes.length >> 1] as const;
        assert.equal(Buffer.from(bytes).toString(encoding, ...middle), bytes.toString(encoding, ...middle));
      }
      for (const encoding of ['latin1', 'hex', 'base64'] as const) {
        const encoded = bytes.toString(encoding);
        assert.deepEqual([...Buffer.from(encoded, encoding)], [...bytes]);
      }
      const ours = Buffer.alloc(40_000);
      const nodes = NodeBuffer.alloc(40_000);
      for (const encoding of ['utf8', 'utf16le'] as const) {
        assert.equal(ours.write(text, 7, encoding), nodes.write(text, 7, encoding));
        assert.deepEqual(Uint8Array.from(ours), Uint8Array.from(nodes));
      }
    }
  });

  it('numbers are written and read alike, at any offset', () => {
    const random = new Random(3);
    for (let round = 0; round < 200; round++) {
      const at = Math.floor(random.next() * 20);
      const [ours, nodes] = [Buffer.alloc(64).subarray(3), NodeBuffer.alloc(64).subarray(3)];
      const value = Math.floor(random.next() * 2 ** 32);
      for (const bytes of [ours, nodes]) {
        bytes.writeUInt32LE(value, at);
        bytes.writeUInt16LE(value & 0xffff, at + 4);
        bytes[at + 6] = value & 0xff;
        bytes.writeBigUInt64LE(BigInt(value) ** 2n, at + 7);
        bytes.writeDoubleLE(value / 3, at + 15);
        bytes.fill(Uint8Array.of(1, 2, 3), at + 23, at + 26);
      }
      assert.deepEqual(Uint8Array.from(ours), Uint8Array.from(nodes));
      for (const bytes of [ours, nodes]) {
        assert.deepEqual(
          [bytes.readUInt32LE(at), bytes.readUInt16LE(at + 4), bytes.readUInt8(at + 6), bytes.readBigUInt64LE(at + 7)],
          [value, value & 0xffff, value & 0xff, BigInt(value) ** 2n],
        );
        assert.equal(bytes.readDoubleLE(at + 15), value / 3);
      }
      const copies = [Buffer.alloc(30), NodeBuffer.alloc(30)] as const;
      ours.copy(copies[0], 2, 1, 20);
      nodes.copy(copies[1], 2, 1, 20);
      assert.deepEqual(Uint8Array.from(copies[0]), Uint8Array.from(copies[1]));
      assert.equal(ours.equals(nodes), true);
      assert.equal(ours.subarray(1).equals(nodes), false);
      assert.deepEqual([...Buffer.concat([ours, copies[0]])], [...NodeBuffer.concat([nodes, copies[1]])]);
    }
  });
});

it('payloads are alike where Node.js finds them so', () => {
  const values = [
    null,
    undefined,
    0,
    -0,
    Number.NaN,
    1n,
    'a',
    [],
    [1],
    [1, undefined],
    {},
    { a: 1 },
    { a: 1, b: undefined },
    { a: { b: [1, { c: 2 }] } },
    new Date(1),
    new Date(2),
    Uint8Array.of(1, 2),
    Uint8Array.of(1, 3),
  ];
  for (const a of values) {
    for (const b of values) {
      assert.equal(isDeepStrictEqual(structuredClone(a), b), equalInNode(structuredClone(a), b));
    }
  }
});

it('turns come in order, and random bytes differ', async () => {
  const seen: number[] = [];
  await Promise.all([1, 2, 3].map((n) => new Promise<void>((done) => nextTurn(() => done(void seen.push(n))))));
  assert.deepEqual(seen, [1, 2, 3]);
  assert.notDeepEqual(randomBytes(16), randomBytes(16));
});

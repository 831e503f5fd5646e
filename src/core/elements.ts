/** The number types in which vectors are stored and sent, and how little-endian bytes of each become float32. */
import { LITTLE_ENDIAN, turn } from './endian.js';
import { expected } from './errors.js';
import { halfTable } from './half.js';

/**
 * `binary` and `ubinary` hold eight dims a byte, the most significant bit first, of which a 1 becomes 1 and a 0 becomes -1, so that
 * cosines order rows as Hamming distances do. `binary` is the byte less 128, as sentence-transformers and transformers.js write
 * int8 (the top bit of each byte is turned over); `ubinary` is the byte itself.
 */
export const ELEMENT_TYPES = [
  ...(['float64', 'float32', 'float16', 'bfloat16'] as const),
  ...(['int8', 'uint8', 'binary', 'ubinary'] as const),
];
/** How each number of a vector is stored. */
export type ElementType = (typeof ELEMENT_TYPES)[number];

/** Bytes of one number; of the packed bits, of eight dims. */
export const ELEMENT_BYTES: Readonly<Record<ElementType, 1 | 2 | 4 | 8>> = {
  float64: 8,
  float32: 4,
  float16: 2,
  bfloat16: 2,
  int8: 1,
  uint8: 1,
  binary: 1,
  ubinary: 1,
};

export function isPackedBits(type: ElementType): boolean {
  return type === 'binary' || type === 'ubinary';
}

/** Dims of so many bytes, which are a multiple of ELEMENT_BYTES. */
export function dimsOfBytes(bytes: number, type: ElementType): number {
  return isPackedBits(type) ? 8 * bytes : bytes / ELEMENT_BYTES[type];
}

/**
 * Writes the dims of little-endian bytes to `out`, from `at` on. Numbers beyond float32 become infinite, and NaN stays:
 * who calls looks at the values.
 */
export function readElements(bytes: Uint8Array, type: ElementType, out: Float32Array, at = 0): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = dimsOfBytes(bytes.byteLength, type);
  switch (type) {
    case 'float64':
      for (let i = 0; i < count; i++) out[at + i] = view.getFloat64(8 * i, true);
      return;
    case 'float32':
      for (let i = 0; i < count; i++) out[at + i] = view.getFloat32(4 * i, true);
      return;
    case 'float16': {
      const table = halfTable();
      for (let i = 0; i < count; i++) out[at + i] = table[view.getUint16(2 * i, true)]!;
      return;
    }
    case 'bfloat16':
      for (let i = 0; i < count; i++) {
        // The upper half of a float32.
        word[0] = view.getUint16(2 * i, true) << 16;
        out[at + i] = wordAsFloat[0]!;
      }
      return;
    case 'int8':
      for (let i = 0; i < count; i++) out[at + i] = view.getInt8(i);
      return;
    case 'uint8':
      for (let i = 0; i < count; i++) out[at + i] = bytes[i]!;
      return;
    default: {
      const turned = type === 'binary' ? 0x80 : 0;
      for (let i = 0; i < bytes.length; i++) {
        const byte = bytes[i]! ^ turned;
        for (let bit = 0; bit < 8; bit++) out[at + 8 * i + bit] = (byte >> (7 - bit)) & 1 ? 1 : -1;
      }
    }
  }
}

const word = new Uint32Array(1);
const wordAsFloat = new Float32Array(word.buffer);

/** Bytes of a typed array's numbers, the lowest of each first: a view of its memory, where that holds them so. */
export function littleEndian(view: ArrayBufferView, width: 1 | 2 | 4 | 8): Uint8Array {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  if (LITTLE_ENDIAN || width === 1) return bytes;
  const turned = bytes.slice();
  turn(turned, width);
  return turned;
}

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** The bytes of a text. It is checked, since decoders pass over what is none. @throws FunnelError BAD_ARGUMENT */
export function bytesOfBase64(text: string, where: string): Uint8Array {
  if (text.length % 4 !== 0 || !BASE64.test(text)) throw expected('BAD_ARGUMENT', 'base64', where, text);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

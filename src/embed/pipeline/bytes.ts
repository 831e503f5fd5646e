/** Bytes as printable characters, the alphabet of byte-level vocabularies. */
import { utf8OfText } from '../../core/utf8.js';

const ALPHABET: readonly string[] = alphabet();

/** Bytes that are printable in Latin 1 are themselves, the others follow from U+0100 on. */
function alphabet(): string[] {
  const printable = (byte: number) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
}

/** The UTF-8 bytes of a text, each as its character. */
export function bytesAsText(text: string): string {
  let out = '';
  for (const byte of utf8OfText(text)) out += ALPHABET[byte];
  return out;
}

/** The tokens that stand for single bytes, such as <0x0A>. */
export function byteTokens(text: string): string[] {
  return Array.from(utf8OfText(text), (byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
}

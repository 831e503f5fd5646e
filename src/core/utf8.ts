/** UTF-8 and text. The platform's coders are asked for at first use: jest's jsdom environment, say, has none. */

import { Buffer } from 'node:buffer';

interface Coders {
  decode(bytes: Uint8Array): string;
  encode(text: string): Uint8Array;
}

let coders: Coders | undefined;

/** Bytes as text: what is none becomes U+FFFD, a byte order mark stays. */
export function textOfUtf8(bytes: Uint8Array): string {
  coders ??= makeCoders();
  return coders.decode(bytes);
}

export function utf8OfText(text: string): Uint8Array {
  coders ??= makeCoders();
  return coders.encode(text);
}

function makeCoders(): Coders {
  if (typeof TextDecoder === 'undefined' || typeof TextEncoder === 'undefined') {
    return {
      decode: ({ buffer, byteOffset, length }) => Buffer.from(buffer, byteOffset, length).toString('utf8'),
      encode: (text) => Buffer.from(text, 'utf8'),
    };
  }
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  const encoder = new TextEncoder();
  return { decode: (bytes) => decoder.decode(bytes), encode: (text) => encoder.encode(text) };
}

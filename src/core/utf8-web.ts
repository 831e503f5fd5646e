/** In place of utf8.ts in browsers and on the edge, which have coders of their own. */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const encoder = new TextEncoder();

/** Bytes as text: what is none becomes U+FFFD, a byte order mark stays. */
export function textOfUtf8(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

export function utf8OfText(text: string): Uint8Array {
  return encoder.encode(text);
}

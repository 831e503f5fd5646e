/** Text of bytes, which must be UTF-8: what is not would become U+FFFD, so that different texts become one. */
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Undefined where the bytes are no UTF-8. */
export function textOfBytes(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** For errors: where the first character begins that is none. */
export function badByte(bytes: Uint8Array): string {
  let at = 0;
  for (let size = 0; at < bytes.length; at += size) {
    const lead = bytes[at]!;
    size = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (textOfBytes(bytes.subarray(at, at + size)) === undefined) break;
  }
  return `byte 0x${bytes[at]!.toString(16).padStart(2, '0')} at ${at}`;
}

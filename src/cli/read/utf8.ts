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

/** For errors: the first byte that is no UTF-8. */
export function badByte(bytes: Uint8Array): string {
  let [low, high] = [0, bytes.length];
  // The longest beginning that is text, but for a character that its end may cut.
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (startsText(bytes.subarray(0, middle))) low = middle;
    else high = middle - 1;
  }
  if (low === bytes.length) return 'a character that its end cuts off';
  const start = lastCharacter(bytes, low);
  return `byte 0x${bytes[start]!.toString(16).padStart(2, '0')} at ${start}`;
}

function startsText(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}

/** Where the character begins that byte `end` breaks off: `end` itself, where the text before it is whole. */
function lastCharacter(bytes: Uint8Array, end: number): number {
  let start = end;
  while (start > 0 && textOfBytes(bytes.subarray(0, start)) === undefined) start--;
  return start;
}

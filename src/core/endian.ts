/** Whether numbers in memory begin with their lowest byte, as those of WebAssembly, of files and on the wire do. */
export const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Where numbers in memory do not begin with their lowest byte: turns each one of `width` bytes around, in place. */
export function turn(bytes: Uint8Array, width: number): void {
  if (LITTLE_ENDIAN) return;
  for (let i = 0; i < bytes.length; i += width) bytes.subarray(i, i + width).reverse();
}

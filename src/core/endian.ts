/** Whether numbers in memory begin with their lowest byte, as those of WebAssembly, of files and on the wire do. */
export const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

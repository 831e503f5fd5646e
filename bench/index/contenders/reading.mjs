// No index, but what one is measured by: how long it takes to read so many bytes for every row, one after another, from memory.
import { versions } from 'node:process';

/** The arrays are read in turns, so that no cache holds the next one. */
const ARRAYS = 4;
const LARGEST_CACHE = 512 * 2 ** 20;

export const READING = { key: 'reading', label: 'reading 32 bytes a row', module: 'reading' };
const BYTES = 32;

export const contenders = {
  reading: {
    version: () => ({ node: versions.node }),
    about: () => `${BYTES} bytes a row, searched for a byte that none has (memchr), other ones each time`,
    open({ count }) {
      const arrays = Array.from({ length: Math.max(ARRAYS, Math.ceil(LARGEST_CACHE / (BYTES * count))) }, () =>
        Buffer.alloc(BYTES * count, 1),
      );
      let turn = 0;
      return {
        settings: [{ name: READING.label }],
        search() {
          turn = (turn + 1) % arrays.length;
          return arrays[turn].indexOf(0);
        },
        ids: () => [],
      };
    },
  },
};

/** An index as one run of bytes. */
import { FunnelError } from '../core/errors.js';
import type { OpenIndex } from './open-index.js';
import { segmentSections } from './segment-file.js';

/** Times that a commit of another process may come between. */
const ATTEMPTS = 10;

/** close() ends it and waits for that. */
export async function bytesOfIndex(index: OpenIndex): Promise<Uint8Array> {
  index.checkOpen();
  return index.longReads.run('toBytes()', {}, ({ check }) => {
    return index.files.path === ':memory:' ? bytesInMemory(index, check) : bytesOnDisk(index, check);
  });
}

async function bytesOnDisk(index: OpenIndex, check: () => void): Promise<Uint8Array> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    index.follow();
    const bytes = await index.files.image(check);
    check();
    if (bytes !== undefined) return bytes;
  }
  throw new FunnelError(
    'NOT_WRITABLE',
    'Expected a pause between the writes of another process: ask for the bytes again',
  );
}

async function bytesInMemory(index: OpenIndex, check: () => void): Promise<Uint8Array> {
  const { files, live } = index;
  let release = () => {};
  try {
    const bytes = await files.image(check, (nameOf) => {
      release = live.use().done; // its codes stay where they are
      const [build] = live.segments;
      return live.segments.map((segment) =>
        segment === build ? segmentSections(segment) : segmentSections(segment, { name: nameOf(0), build: build! }),
      );
    });
    return bytes!; // no other process has it
  } finally {
    release();
  }
}

/** Files of segments are written; segments.ts makes them part of the index. */
import { FunnelError } from '../../core/errors.js';
import { join } from '../../core/paths.js';
import type { Core } from './core.js';
import { diskError } from './errors.js';
import { type Section, type SegmentTable, segmentName, writeSections } from './segment.js';
import type { SegmentRef } from './segments.js';
import { type FileStep, instant, type Steps, take } from './step.js';

export type Sections = Iterable<Section> | AsyncIterable<Section>;

/** The next section as a step, of sections that may be made while others are written. */
export function laterSections(sections: Sections): FileStep<Section | undefined> {
  const iterator = Symbol.asyncIterator in sections ? sections[Symbol.asyncIterator]() : sections[Symbol.iterator]();
  return {
    now: () => {
      throw new FunnelError('BAD_ARGUMENT', 'Expected sections that are there at once');
    },
    later: async () => {
      const { done, value } = await iterator.next();
      return done ? undefined : value;
    },
  };
}

export function nowSections(sections: Iterable<Section>): FileStep<Section | undefined> {
  const iterator = sections[Symbol.iterator]();
  return instant(() => iterator.next().value as Section | undefined);
}

/** @throws FunnelError DISK, BAD_ARGUMENT; nothing is left behind */
export function* writeSegment(core: Core, next: FileStep<Section | undefined>): Steps<SegmentRef> {
  const { disk, folder, relaxed } = core.options;
  const name = segmentName(core.nextFile++);
  const path = join(folder, name);
  const temporary = path.replace(/bin$/, 'tmp');
  let fd: number | undefined;
  try {
    fd = yield* take(disk.open(temporary, 'create'));
    const { bytes } = yield* writeSections(disk, fd, core.uuid, next, checkSection);
    if (!relaxed) yield* take(disk.sync(fd));
    const closing = fd;
    fd = undefined; // gone whatever comes of it
    yield* take(disk.close(closing));
    yield* take(disk.rename(temporary, path));
    if (!relaxed) yield* take(disk.syncDir(folder));
    return { name, bytes };
  } catch (error) {
    try {
      if (fd !== undefined) disk.close(fd).now();
    } catch {
      // The descriptor is gone whatever close() answers.
    }
    yield* core.files.drop(temporary);
    throw diskError(`writing ${name}`, error);
  }
}

function checkSection(name: unknown, bytes: unknown, table: SegmentTable): void {
  if (typeof name !== 'string' || name === '' || table.some((section) => section.name === name)) {
    throw new FunnelError('BAD_ARGUMENT', 'Expected a name of its own for each section');
  }
  if (!(bytes instanceof Uint8Array)) throw new FunnelError('BAD_ARGUMENT', `Expected a Uint8Array for ${name}`);
}

/** Codes are written into files of the index, where it has some. */
import type { Segment } from './engine/segment.js';
import type { IndexFiles } from './files/index-files.js';
import type { OpenIndex } from './open-index.js';
import { segmentSections } from './segment-file.js';

/** Puts a build in the place of all segments. The name of its file; undefined in memory. */
export async function writeBuild(files: IndexFiles, segment: Segment): Promise<string | undefined> {
  if (files.path === ':memory:') return undefined;
  const written = await files.writeSegment(segmentSections(segment));
  const remove = () => files.segments.map(({ name }) => name); // extensions may come meanwhile
  await files.commitSegments({ add: [written], remove });
  return written.name;
}

export function writeBuildNow(files: IndexFiles, segment: Segment): string | undefined {
  if (files.path === ':memory:') return undefined;
  const remove = files.segments.map(({ name }) => name);
  const written = files.writeSegmentSync(segmentSections(segment));
  files.commitSegmentsSync({ add: [written], remove });
  return written.name;
}

/**
 * Puts an extension in the place of all segments but the first `staying`. The name of its file; undefined where its build is there
 * no more.
 *
 * @param check may throw
 */
export async function writeExtension(
  { files, live }: OpenIndex,
  segment: Segment,
  staying: number,
  check: () => void,
): Promise<string | undefined> {
  const [build] = live.segments;
  const needs = live.buildName!;
  const written = await files.writeSegment(segmentSections(segment, { name: needs, build: build! }));
  check();
  const remove = files.segments.slice(staying).map(({ name }) => name);
  return (await files.commitSegments({ add: [written], remove, needs })) ? written.name : undefined;
}

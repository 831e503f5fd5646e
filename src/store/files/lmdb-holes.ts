/**
 * Gives pages that LMDB has in its file but does not use back to the file system. LMDB keeps every page that it ever had, and
 * writes over free ones later, whole: until then nobody reads them, so they can as well be holes. The rule is LMDB's own for
 * writing over a page: no reader may be at a commit that has it, and neither may the newest commit but one. So there is no
 * moment at which a crash would find anything missing.
 */
import { closeSync, fstatSync, openSync, type Stats } from 'node:fs';
import { Check, type FreePages } from './lmdb-pages.js';
import { nativeFiles } from './native.js';

/** Free pages are worth giving back beyond this share of those in use ... */
const SHARE = 0.25;
/** ... and this many bytes. */
const BYTES = 1 << 20;
/** Milliseconds that writes wait at a stretch. */
const STRETCH = 5;

/** Bytes that a file takes on the disk. */
export function bytesOnDisk({ size, blocks }: Pick<Stats, 'size' | 'blocks'>): number {
  return blocks > 0 ? Math.min(size, 512 * blocks) : size; // some file systems do not say
}

/** Whether free pages take so much room that it is worth giving back. Never throws. */
export function hasSlack(path: string): boolean {
  if (nativeFiles().punchHole === undefined) return false;
  let fd: number | undefined;
  try {
    fd = openSync(path, 'r');
    const taken = bytesOnDisk(fstatSync(fd));
    if (taken <= BYTES) return false;
    const needed = new Check(fd).bytesInUse();
    return taken - needed > Math.max(BYTES, SHARE * needed);
  } catch {
    return false; // whoever reads the file for its contents says what is wrong
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/**
 * Makes holes of free pages from page `from` on, of one run of pages at least, for some milliseconds. Only while a transaction for
 * writing is open that has not written anything: nobody else may write meanwhile.
 *
 * @param oldest the commit that the oldest reader reads
 * @param known the free pages as the call before found them: they stay so while there is no other commit or reader
 * @returns the page to go on from; at the end undefined, or 0 where readers are at older commits, so that more is free later
 */
export function punchHoles(
  path: string,
  from: number,
  oldest: number,
  known?: FreePages,
): { next: number | undefined; known: FreePages } {
  const fd = openSync(path, 'r+');
  try {
    const isSame = known !== undefined && known.oldest === oldest && new Check(fd).meta().txn === known.txn;
    const pages = isSame ? known : new Check(fd).freePages(oldest);
    // The look takes longer than a stretch where there are many pages, so that the clock starts behind it.
    const until = performance.now() + STRETCH;
    let did = false;
    for (const [first, count] of pages.free) {
      if (first + count <= from) continue;
      if (did && performance.now() > until) return { next: first, known: pages };
      did = true;
      if (nativeFiles().punchHole!(fd, pages.pageSize, first, count) !== 0) return { next: undefined, known: pages };
    }
    return { next: oldest < pages.txn ? 0 : undefined, known: pages };
  } finally {
    closeSync(fd);
  }
}

/**
 * The oldest commit that is being read, by the table of readers as LMDB prints it: a pid, a thread and a commit in a line, or '-'
 * in place of a commit that nobody reads now. 0, before any commit, where a line is of another kind.
 */
export function oldestRead(readers: string): number {
  let oldest = Number.POSITIVE_INFINITY;
  for (const line of readers.split('\n')) {
    if (/^\s*(pid\s+thread\s+txnid|\(no active readers\))?\s*$/.test(line)) continue;
    const commit = /^\s*\d+\s+[0-9a-f]+\s+(\d+|-)\s*$/.exec(line)?.[1];
    if (commit === undefined) return 0;
    if (commit !== '-') oldest = Math.min(oldest, Number(commit));
  }
  return oldest;
}

// Resident memory of this process and size of files, in bytes.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

export function resident() {
  for (let i = 0; i < 2; i++) globalThis.gc?.();
  return process.memoryUsage.rss();
}

/** The most it ever was. */
export function peak() {
  return process.resourceUsage().maxRSS * 1024;
}

/** Bytes of a file, or of all files in a folder. */
export function sizeOf(path) {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats) return undefined;
  if (!stats.isDirectory()) return stats.size;
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath ?? entry.path, entry.name)).size, 0);
}

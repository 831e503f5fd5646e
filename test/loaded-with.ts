/** The modules of dist/esm that one of them loads. */
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const esm = resolve('dist/esm');

/** The files that a module imports before it runs, and those that these import. */
export function loadedWith(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file)) return found;
  found.add(file);
  const text = readFileSync(file, 'utf8');
  const imported = text.matchAll(
    /^(?:import|export)[^;()]*?'(?:(\.[^']+)|#host\/([^']+))';|\brequired?\(["'](\.[^"']+)["']\)/gm,
  );
  for (const [, path, host, required] of imported) {
    loadedWith(host === undefined ? join(dirname(file), (path ?? required)!) : join(esm, `${host}.js`), found);
  }
  return found;
}

// Declarations that no entry of the package reaches: nobody can import them, so the package goes without.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { filesUnder, root } from './steps.mjs';

const IMPORTED = /(?:from |import\()['"](\.[^'"]+)\.js['"]/g;

/** Paths of them within `folder`, which has an entry's declarations where package.json says. */
export function unreached(folder) {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const left = named(exports)
    .filter((file) => file.endsWith('.d.ts'))
    .map((file) => join(root, file));
  const reached = new Set();
  for (let file = left.pop(); file !== undefined; file = left.pop()) {
    if (reached.has(file)) continue;
    if (!existsSync(file)) throw new Error(`Expected declarations at ${relative(root, file)}, which an entry reaches`);
    reached.add(file);
    for (const [, path] of readFileSync(file, 'utf8').matchAll(IMPORTED))
      left.push(join(dirname(file), `${path}.d.ts`));
  }
  const all = filesUnder(folder, (file) => file.endsWith('.d.ts'));
  return all.filter((file) => !reached.has(file)).map((file) => relative(folder, file).replaceAll('\\', '/'));
}

function named(value) {
  return typeof value === 'string' ? [value] : Object.values(value).flatMap(named);
}

// Versions of installed packages; not every package lets its package.json be imported.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(import.meta.url);

export function packageVersion(name) {
  for (const folder of require.resolve.paths(name)) {
    try {
      return { [name]: JSON.parse(readFileSync(join(folder, name, 'package.json'), 'utf8')).version };
    } catch {}
  }
  return { [name]: undefined };
}

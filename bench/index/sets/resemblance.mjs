// How like real rows the synthetic ones are: measured by resemblance.py, once for a base and recipe.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root, run } from '../../../scripts/setup/steps.mjs';
import { baseKey, prepare } from './sets.mjs';

const SCRIPT = 'bench/index/sets/resemblance.py';

/** A table's note, columns and rows. */
export async function resemblanceOf({ python, log }) {
  const base = await prepare(baseKey, { python, log });
  const hash = createHash('sha256')
    .update(base.recipe)
    .update(readFileSync(join(root, SCRIPT)));
  const file = join(root, '.cache', 'bench-index', `resemblance-${hash.digest('hex').slice(0, 12)}.json`);
  if (!existsSync(file)) {
    log('measuring how like real rows the synthetic ones are');
    mkdirSync(dirname(file), { recursive: true });
    await run(python, [SCRIPT, base.folder, String(base.dim), file], { env: { PYTHONDONTWRITEBYTECODE: '1' } });
  }
  const measured = JSON.parse(readFileSync(file, 'utf8'));
  const columns = Object.keys(measured);
  const rows = Object.keys(measured[columns[0]]).map((name) => [
    name,
    ...columns.map((column) => measured[column][name]),
  ]);
  const note = `Are they like real rows? The first 10,000 rows of “${base.title}” grown by the same recipe, beside as many real ones. (Its copies of a row stay nearer to each other than real rows do.)`;
  return { note, columns, rows };
}

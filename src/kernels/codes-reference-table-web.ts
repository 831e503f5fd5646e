/** In place of codes-reference-table.ts in browsers and on the edge, where nobody builds tables of neighbours. */
import type { TableKernels } from './codes-walk.js';

/** Without them: nobody calls them. */
export function tableReference(..._made: unknown[]): TableKernels {
  return {} as TableKernels;
}

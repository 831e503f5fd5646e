/** In place of codes-table.ts in browsers and on the edge, where nobody builds tables of neighbours. */
import type { TableKernels } from './codes-walk.js';
import type { SignaturesOf } from './signatures.js';

/** Without them: nobody calls them. */
export const TABLE_SIGNATURES = {} as SignaturesOf<TableKernels>;

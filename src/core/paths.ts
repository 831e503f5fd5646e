/** Paths, by an import that paths-web.ts stands in for in browsers. */
export { join } from 'node:path';

/** Reads of descriptors, by an import that read-sync-web.ts stands in for in browsers. */
export { readSync } from 'node:fs';

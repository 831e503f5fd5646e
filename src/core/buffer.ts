/** Node's Buffer by an import, so that buffer-web.ts can take its place in browsers and on the edge. */
export { Buffer } from 'node:buffer';

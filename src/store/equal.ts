/** Whether payloads are alike, by an import that equal-web.ts stands in for in browsers. */
export { isDeepStrictEqual } from 'node:util';

/** Where this module is, in the build of ES modules; here-cjs.ts takes its place in the CommonJS build. */

/** The URL of this module or of a bundle that holds it; undefined in a CommonJS bundle. */
export const moduleUrl: string | undefined = import.meta.url;

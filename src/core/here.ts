/** Where this module is, in the build of ES modules; here-cjs.ts takes its place in the CommonJS build. */

/** The URL of this module or of a bundle that holds it; undefined in a CommonJS bundle. */
export const moduleUrl: string | undefined = import.meta.url;

/**
 * The files that threads run. Nothing calls it: what traces a program's files (Next.js, serverless platforms) reads these
 * literals, in functions and not in arrows, and takes the files along.
 */
export function threadFiles(): URL[] {
  return [
    new URL('../kernels/offload-worker.js', import.meta.url),
    new URL('../store/pool-worker.js', import.meta.url),
    new URL('../embed/worker.js', import.meta.url),
  ];
}

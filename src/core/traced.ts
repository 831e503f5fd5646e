/**
 * Files that are found when the program runs, in the words that what traces a program's files (Next.js, serverless platforms)
 * reads: literals, in functions and not in arrows. traced-cjs.ts takes its place in the CommonJS build, and traced-bundled.ts
 * where a bundler inlines this, since Turbopack would take the binaries for modules.
 */
import module from 'node:module';

/** The files that threads run, and packages, of which tracing takes those that are installed. Nothing calls it. */
export function traced(): unknown[] {
  // Turbopack follows what is required from this very place.
  const load = module.createRequire(import.meta.url);
  return [
    new URL('../kernels/offload-worker.js', import.meta.url),
    new URL('../store/pool-worker.js', import.meta.url),
    new URL('../embed/worker.js', import.meta.url),
    load('@funnelvec/linux-x64'),
    load('@funnelvec/linux-x64-musl'),
    load('@funnelvec/linux-arm64'),
    load('@funnelvec/linux-arm64-musl'),
    load('@funnelvec/darwin-x64'),
    load('@funnelvec/darwin-arm64'),
    load('@funnelvec/win32-x64'),
    load('@funnelvec/win32-arm64'),
    load('lmdb'),
    load('onnxruntime-node'),
    load('@huggingface/tokenizers'),
    load.resolve('uplot/dist/uPlot.iife.min.js'),
    load.resolve('uplot/dist/uPlot.min.css'),
  ];
}

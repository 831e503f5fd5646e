/**
 * The optional packages that code of this library loads without waiting, when it needs them and not before.
 *
 * Bundlers do not look through a `require` of createRequire's, so that they build with and without the packages, and what
 * they build loads them when it runs. The names are literals: tools that gather the files of a deployment look for these.
 */
import { readFileSync } from 'node:fs';
// By its default export: webpack makes `createRequire` undefined where it is imported by name.
import module from 'node:module';
import { FunnelError } from './errors.js';
import { installCommand, PACKAGES } from './packages.js';
import { places } from './places.js';
import { isError } from './realm.js';

const LOADERS = {
  lmdb: (place: string): unknown => {
    const require = module.createRequire(place);
    return require('lmdb');
  },
  'onnxruntime-node': (place: string): unknown => {
    const require = module.createRequire(place);
    return require('onnxruntime-node');
  },
  '@huggingface/tokenizers': (place: string): unknown => {
    const require = module.createRequire(place);
    return require('@huggingface/tokenizers');
  },
  /** Its script and style, which go into reports. */
  uplot: (place: string): { script: string; style: string } => {
    const require = module.createRequire(place);
    return {
      script: readFileSync(require.resolve('uplot/dist/uPlot.iife.min.js'), 'utf8'),
      style: readFileSync(require.resolve('uplot/dist/uPlot.min.css'), 'utf8'),
    };
  },
};

/** The packages that take longest of those that a package requires, in its order. */
const REQUIRED = { lmdb: ['node-gyp-build-optional-packages', 'msgpackr'] };

/**
 * Loads a package in parts, between which the event loop may turn: to load it whole would block that for too long. A package
 * that does not load is left to {@link loadOptional}, which says why.
 */
export function* loadInParts(name: keyof typeof REQUIRED): Generator<void, void, void> {
  yield;
  for (const place of places()) {
    let require: NodeJS.Require;
    try {
      require = module.createRequire(module.createRequire(place).resolve(name));
    } catch {
      continue;
    }
    for (const part of REQUIRED[name]) {
      try {
        require(part);
      } catch {
        // Another version of the package may have no such part.
      }
      yield;
    }
    try {
      LOADERS[name](place);
      yield;
      return;
    } catch {}
  }
}

/**
 * @param use what needs the package, and the verb: 'ONNX models need'
 * @throws FunnelError MISSING_PACKAGE, which says what to install
 */
export function loadOptional<Name extends keyof typeof LOADERS>(
  name: Name,
  use: string,
): ReturnType<(typeof LOADERS)[Name]> {
  let cause: unknown;
  for (const place of places()) {
    try {
      return LOADERS[name](place) as ReturnType<(typeof LOADERS)[Name]>;
    } catch (error) {
      // A package that is there and does not load says more than its absence elsewhere.
      if (cause === undefined || isAbsence(cause)) cause = error;
    }
  }
  const why = isAbsence(cause) ? '' : ` (${isError(cause) ? cause.message.split('\n')[0] : String(cause)})`;
  const what = `the package '${name}' ${PACKAGES[name][0]}, which ${use},`;
  throw new FunnelError('MISSING_PACKAGE', `Expected ${what} but it does not load${why}: ${installCommand(name)}`, {
    cause,
  });
}

function isAbsence(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND';
}

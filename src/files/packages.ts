/** Optional packages, each loaded only when something needs it. */
import { FunnelError } from '../core/errors.js';
import { isAbsence, missingPackage, type PackageName } from '../core/packages.js';

/** As `import * from name`. @throws FunnelError MISSING_PACKAGE, which says what to install */
export function load<Module>(name: PackageName): Promise<Module> {
  return loadFrom(name, name);
}

/** A module of a package that has several. @throws FunnelError MISSING_PACKAGE */
export function loadPart<Module>(name: PackageName, path: string): Promise<Module> {
  return loadFrom(name, `${name}/${path}`);
}

async function loadFrom<Module>(name: PackageName, module: string): Promise<Module> {
  try {
    return (await import(module)) as Module;
  } catch (cause) {
    throw isAbsence(cause, name) ? missingPackage(name, cause) : cause;
  }
}

/** Whether the error says that a package is not there. */
export function isMissing(error: unknown): boolean {
  return error instanceof FunnelError && error.code === 'MISSING_PACKAGE';
}

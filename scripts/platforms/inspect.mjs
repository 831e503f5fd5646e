// Tells what a binary asks of the system that it is loaded on, and whether that is too much.
import { join } from 'node:path';
import { PLATFORMS } from './platforms.mjs';
import { root, run } from './tools.mjs';

/** @returns {Promise<{ libraries: string[], exports: string[], glibc?: string, musl?: string, macos?: string }>} */
export async function facts(file, { python, packages }) {
  const script = join(root, 'scripts', 'platforms', 'inspect.py');
  const output = await run(python, [script, file], { env: { PYTHONPATH: packages } });
  return JSON.parse(output.trim().split('\n').at(-1)); // LIEF may warn before
}

/** Libraries that every such system has. The C++ library is within the binary. */
const LIBRARIES = {
  glibc: /^(libc|libm|libpthread|libdl|librt)\.so\.\d+$|^ld-linux-[\w-]+\.so\.\d$/,
  musl: /^libc\.so$|^libc\.musl-\w+\.so\.1$/,
  darwin: /^\/usr\/lib\/libSystem\.B\.dylib$/,
  win32: /^(kernel32|ntdll|api-ms-win-crt-[\w-]+)\.dll$/i,
};
const MINIMUM = { glibc: '2.28', musl: '1.2.0', macos: '11.0' };

const EXPORTS = /^(napi_register_module_v1|node_api_module_get_api_version_v1)$/;
/** zig's linker takes no list of exports there. Names are looked up library by library; `new` and `delete` are malloc's. */
const EXPORTS_OF_MACH_O = /^(_Z[nd][alw]\w+|_ZN9funnelvec\w+|__dso_handle|_mh_dylib_header)$/;

/** Why a binary cannot be published; nothing where it can. */
export function refusals(name, { libraries, exports, ...versions }) {
  const { os, libc = os } = PLATFORMS[name];
  const wrong = libraries.filter((library) => !LIBRARIES[libc].test(library)).map((library) => `it needs ${library}`);
  for (const [system, minimum] of Object.entries(MINIMUM)) {
    const found = versions[system];
    if (found !== undefined && later(found, minimum))
      wrong.push(`it needs ${system} ${found}, and ${minimum} is the oldest`);
  }
  if (!exports.includes('napi_register_module_v1')) wrong.push('it exports no napi_register_module_v1');
  const more = exports.filter((one) => !EXPORTS.test(one) && !(os === 'darwin' && EXPORTS_OF_MACH_O.test(one)));
  if (more.length > 0) wrong.push(`it exports ${more.slice(0, 3).join(', ')}${more.length > 3 ? ' and others' : ''}`);
  return wrong;
}

function later(a, b) {
  const [x, y] = [a, b].map((version) => version.split('.').map(Number));
  for (let i = 0; i < Math.max(x.length, y.length); i++) {
    if ((x[i] ?? 0) !== (y[i] ?? 0)) return (x[i] ?? 0) > (y[i] ?? 0);
  }
  return false;
}

// The platforms that have a package with a binary of their own, `@funnelvec/<name>`; src/kernels/addon.ts has the same names.

/**
 * By the name that the loader gives a platform. `target` is what zig calls it, with the oldest system that a binary has to
 * run on. Which of them are tested is in src/cli/doctor.ts.
 */
export const PLATFORMS = {
  'linux-x64': {
    os: 'linux',
    cpu: 'x64',
    libc: 'glibc',
    target: 'x86_64-linux-gnu.2.28',
    runs: 'Linux with glibc 2.28',
  },
  'linux-x64-musl': { os: 'linux', cpu: 'x64', libc: 'musl', target: 'x86_64-linux-musl', runs: 'Linux with musl 1.2' },
  'linux-arm64': {
    os: 'linux',
    cpu: 'arm64',
    libc: 'glibc',
    target: 'aarch64-linux-gnu.2.28',
    runs: 'Linux with glibc 2.28',
  },
  'linux-arm64-musl': {
    os: 'linux',
    cpu: 'arm64',
    libc: 'musl',
    target: 'aarch64-linux-musl',
    runs: 'Linux with musl 1.2',
  },
  'darwin-x64': { os: 'darwin', cpu: 'x64', target: 'x86_64-macos.11.0', runs: 'macOS 11' },
  'darwin-arm64': { os: 'darwin', cpu: 'arm64', target: 'aarch64-macos.11.0', runs: 'macOS 11' },
  'win32-x64': { os: 'win32', cpu: 'x64', target: 'x86_64-windows-gnu', runs: 'Windows 10' },
  'win32-arm64': { os: 'win32', cpu: 'arm64', target: 'aarch64-windows-gnu', runs: 'Windows 10' },
};

/**
 * Processors that have no package: who builds the package there has the scalar kernels. By the name that the loader gives them; they
 * are cross-built for tests alone.
 */
export const OWN_BUILDS = {
  'linux-ppc64': { os: 'linux', cpu: 'ppc64', target: 'powerpc64le-linux-gnu.2.28' },
  'linux-s390x': { os: 'linux', cpu: 's390x', target: 's390x-linux-gnu.2.28' },
};

/** The scope of the packages. */
export const SCOPE = '@funnelvec';

/** The name of a platform's binary in its package. */
export const BINARY = 'funnelvec.node';

/**
 * Fields of a package.json that say where its project is hosted: npm compares `repository` with what built an archive, before it
 * vouches for that. The project itself is at home wherever somebody publishes it.
 *
 * @param url of the project, https://host/owner/name
 */
export function hostedAt(url) {
  const { origin, pathname, protocol } = URL.canParse(url) ? new URL(url) : {};
  const [, owner, name] = /^\/([\w.-]+)\/([\w.-]+?)(?:\.git)?\/?$/.exec(pathname ?? '') ?? [];
  if (protocol !== 'https:' || name === undefined) {
    throw new Error(`Expected https://host/owner/name for --host but received ${JSON.stringify(url)}`);
  }
  const home = `${origin}/${owner}/${name}`;
  return {
    author: owner,
    homepage: `${home}#readme`,
    bugs: { url: `${home}/issues` },
    repository: { type: 'git', url: `git+${home}.git` },
  };
}

/** The package.json of a platform's package. */
export function manifestOf(name, version) {
  const { os, cpu, libc, runs } = PLATFORMS[name];
  return {
    name: `${SCOPE}/${name}`,
    version,
    description: `The native kernels of funnelvec for ${runs} or newer on ${cpu}`,
    license: 'Apache-2.0',
    os: [os],
    cpu: [cpu],
    ...(libc === undefined ? {} : { libc: [libc] }),
    main: BINARY,
    files: [BINARY],
    engines: { node: '>=20' },
    preferUnplugged: true, // an archive of Yarn's holds no file that the system could load
    publishConfig: { access: 'public' },
  };
}

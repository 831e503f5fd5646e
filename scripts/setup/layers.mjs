// The layers of src, for dependency-cruiser (`npm run lint`): a file imports from its own layer and from lower ones.
// Imports of types count: a type that a lower file needs belongs there, and whoever reads the file reads it too.
import { readdirSync, readFileSync } from 'node:fs';
import { isStandIn } from './hosts.mjs';

/** From the lowest up. Those on one line do not import each other; a folder's own files come after the folders in it. */
const LAYERS = [
  ['core'],
  ['kernels'],
  ['funnel'],
  ['query'],
  ['store/engine'],
  ['store/files'],
  ['store/payload'],
  ['store'],
  ['store/import'],
  ['store/index.ts'],
  ['sources'],
  ['index.ts', 'wasm.ts'],
  ['conformance', 'embed', 'fuse', 'train', 'tune'],
  ['vectors', 'files'],
  ['adapters', 'cli'],
];

/** Files that nobody imports: entries of the package, threads, and files that take another's place in a build or a browser. */
const { exports, bin } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
const ENTRIES = [
  ...[...JSON.stringify([exports, bin]).matchAll(/\/dist\/esm\/([\w/-]+)\.js/g)].map(([, path]) => `${path}.ts`),
  'kernels/offload-worker.ts',
  'store/pool-worker.ts',
  'embed/worker.ts',
  'core/here-cjs.ts',
  'core/traced-cjs.ts',
  'adapters/required/langchain.ts',
  'adapters/required/mastra.ts',
  'kernels/wasm-imports.d.ts',
  'adapters/mastra/mastra-core.d.ts',
  ...readdirSync(new URL('../../src', import.meta.url), { recursive: true })
    .map((file) => file.replaceAll('\\', '/'))
    .filter(isStandIn),
];

const anyOf = (names) =>
  `^src/(${names.map((name) => name.replace(/\.ts$|$/, (end) => (end ? '\\.ts$' : '/'))).join('|')})`;
const insideOf = (names, outer) => names.filter((name) => outer.some((other) => name.startsWith(`${other}/`)));
const but = (names) => (names.length === 0 ? {} : { pathNot: anyOf(names) });

const all = LAYERS.flat();
const downwards = LAYERS.flatMap((row, i) =>
  row.map((name) => {
    const allowed = [name, ...LAYERS.slice(0, i).flat()];
    const others = all.filter((other) => !allowed.includes(other));
    return {
      name: `${name} imports from lower layers alone`,
      severity: 'error',
      from: { path: anyOf([name]), ...but(insideOf(all, [name])) },
      to: { path: anyOf(others), ...but(insideOf(allowed, others)) },
    };
  }),
).filter(({ to }) => to.path !== anyOf([]));

export default {
  forbidden: [
    ...downwards,
    {
      name: 'every file is in a layer',
      severity: 'error',
      from: { path: '^src/', pathNot: anyOf(all) },
      to: {},
    },
    {
      // A file without imports of its own is seen by who imports it.
      name: 'what is imported is in a layer',
      severity: 'error',
      from: {},
      to: { path: '^src/', pathNot: anyOf(all) },
    },
    {
      // An index is a source by files of the store's own; those of databases need nothing of it, though it lies lower.
      name: 'sources of databases know nothing of the store',
      severity: 'error',
      from: { path: anyOf(['sources']) },
      to: { path: anyOf(['store']) },
    },
    {
      name: "a database's source imports nothing of another's",
      severity: 'error',
      from: { path: '^src/sources/([^/]+)/' },
      to: { path: '^src/sources/[^/]+/', pathNot: '^src/sources/$1/' },
    },
    { name: 'imports make no circles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'what is imported is there',
      severity: 'error',
      from: {},
      // Mastra is 140 MB, and is installed for its own tests alone.
      to: { couldNotResolve: true, pathNot: '^@mastra/core/' },
    },
    {
      name: 'the engine opens no files',
      severity: 'error',
      from: { path: anyOf(['store/engine']) },
      to: { pathNot: '^src/' },
    },
    {
      name: 'an entry leads to every file',
      severity: 'error',
      from: { path: anyOf(ENTRIES) },
      to: { path: '^src/', pathNot: anyOf(ENTRIES), reachable: false },
    },
  ],
  options: { parser: 'swc', tsPreCompilationDeps: true, doNotFollow: { path: 'node_modules' } },
};

// `npm run docs`: the API reference, into build/api, of what package.json exports. With --check nothing is written: it ends
// with 1, and says which, where a public name has no docstring or a link of one leads nowhere; else it says how many have one.
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root, run, step } from '../setup/steps.mjs';

const OUT = join(root, 'build', 'api');

/** Documented elsewhere than beside the name, and where. */
const ELSEWHERE = [
  // By their types, FunnelApi['funnel'] and so on, where editors find it too.
  ...['funnel', 'funnelAsync', 'funnelBatch', 'funnelBatchAsync'].flatMap((name) => [
    `funnelvec.${name}`,
    `funnelvec/wasm.${name}`,
  ]),
  // By @returns of their methods.
  ...['upsert', 'upsertSync'].flatMap((name) => [
    `funnelvec/store.FunnelIndex.${name}.__type.count`,
    `funnelvec/store.FunnelIndex.${name}.__type.replaced`,
  ]),
  ...['delete', 'setPayload', 'overwritePayload', 'deletePayloadKeys']
    .flatMap((name) => [name, `${name}Sync`])
    .map((name) => `funnelvec/store.FunnelIndex.${name}.__type.count`),
];

/** TypeDoc and its compiler, installed into .cache on first use. */
async function ensureTypeDoc() {
  const folder = join(root, '.cache', 'typedoc');
  const inputs = ['scripts/docs/api/package.json', 'scripts/docs/api/package-lock.json'];
  await step('Installing TypeDoc', { inputs, outputs: ['.cache/typedoc/node_modules'] }, async () => {
    mkdirSync(folder, { recursive: true });
    for (const input of inputs) copyFileSync(join(root, input), join(folder, input.slice('scripts/docs/api/'.length)));
    await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'], { cwd: folder });
  });
  const entry = createRequire(join(folder, 'package.json')).resolve('typedoc');
  return import(pathToFileURL(entry).href);
}

/** Source files of the entries, by the names that users import. */
function entries() {
  const { name, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return new Map(
    Object.entries(exports).flatMap(([path, conditions]) => {
      const types = conditions.import?.types ?? conditions.types;
      if (types === undefined) return [];
      return [[types.replace('./dist/esm/', 'src/').replace('.d.ts', '.ts'), name + path.slice(1)]];
    }),
  );
}

const { Application, ReflectionKind } = await ensureTypeDoc();
const names = entries();
const app = await Application.bootstrap({
  name: 'funnelvec',
  entryPoints: [...names.keys()].map((file) => join(root, file)),
  tsconfig: join(root, 'tsconfig.json'),
  basePath: root,
  readme: 'none',
  // The compiler of the build checks types.
  skipErrorChecking: true,
  disableGit: true,
  sourceLinkTemplate: '{path}#{line}',
  excludeInternal: true,
  excludeExternals: true,
  externalPattern: ['**/node_modules/**', '**/mastra-core.d.ts'],
  excludePrivate: true,
  validation: { notDocumented: true, invalidLink: true, notExported: false },
  requiredToBeDocumented: [
    ...['Class', 'Interface', 'TypeAlias', 'Enum', 'EnumMember', 'Variable', 'Function'],
    ...['Constructor', 'Property', 'Method', 'Accessor'],
  ],
  intentionallyNotDocumented: ELSEWHERE,
  treatValidationWarningsAsErrors: true,
});
const project = await app.convert();
if (project === undefined) process.exit(1);
for (const module of project.children) module.name = names.get(module.sources[0].fileName.replace(/^.*?src\//, 'src/'));
app.validate(project);
if (app.logger.hasErrors() || app.logger.validationWarningCount > 0) process.exit(1);
if (process.argv.includes('--check')) {
  const documented = project.getReflectionsByKind(ReflectionKind.All).filter((one) => one.hasComment());
  console.log(`${documented.length} docstrings`);
} else {
  await app.generateDocs(project, OUT);
}

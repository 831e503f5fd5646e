/** The types of a release: what an entry reaches by name, with its comments, and nothing else. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { Consumer, filesOf, root } from './consumer.js';

const script = pathToFileURL(join(root, 'scripts/platforms/declarations.mjs')).href;
const { shakeDeclarations } = (await import(script)) as { shakeDeclarations: (folder: string) => void };

describe('the declarations of a release', () => {
  const made: Consumer[] = [];
  after(() => {
    for (const one of made) one.remove();
  });

  /** The files that are left in dist, whose index.d.ts is the entry, by name. */
  function shaken(files: Record<string, string>): Record<string, string> {
    const consumer = new Consumer().write({ 'package.json': '{ "exports": { "types": "./dist/index.d.ts" } }' });
    made.push(consumer);
    consumer.write(Object.fromEntries(Object.entries(files).map(([name, text]) => [`dist/${name}`, text])));
    shakeDeclarations(consumer.home);
    const folder = join(consumer.home, 'dist');
    return Object.fromEntries(filesOf(folder).map((file) => [file, readFileSync(join(folder, file), 'utf8')]));
  }

  const DEEP = `/** Notes for us. */
import type { Far, Unasked } from './far.js';
import { Kept } from 'elsewhere';
/** With an é. */
export interface Used {
    /** How far. */
    far?: Far;
    kept: Kept;
}
/** Seen within the package alone. */
export declare function own(): Unasked;
export { renamed as Named } from './far.js';
`;
  const FAR = `export interface Far extends Base {
}
interface Base {
}
export type Unasked = import('./unasked.js').Other;
export declare const renamed: unique symbol;
export {};
`;

  it('are those that are exported, and those that these name, with their comments', () => {
    const left = shaken({
      'index.d.ts': "/** What the package is. */\nexport type { Used } from './deep.js';\n",
      'deep.d.ts': DEEP,
      'far.d.ts': FAR,
      'unasked.d.ts': 'export interface Other {\n}\n',
    });
    assert.deepEqual(left, {
      'index.d.ts': "/** What the package is. */\nexport type { Used } from './deep.js';\n",
      'deep.d.ts': `import type { Far } from './far.js';
import { Kept } from 'elsewhere';
/** With an é. */
export interface Used {
    /** How far. */
    far?: Far;
    kept: Kept;
}
`,
      'far.d.ts': 'export interface Far extends Base {\n}\ninterface Base {\n}\nexport {};\n',
    });
  });

  it('are found through stars, other names, types of imports and whole modules', () => {
    const rest = { 'deep.d.ts': DEEP, 'far.d.ts': FAR, 'unasked.d.ts': 'export interface Other {\n}\n' };
    const files = (index: string) => shaken({ 'index.d.ts': index, ...rest });
    assert.deepEqual(Object.keys(files("export * from './deep.js';\n")).sort(), [
      'deep.d.ts',
      'far.d.ts',
      'index.d.ts',
      'unasked.d.ts',
    ]);
    assert.equal(files("export * from './deep.js';\n")['deep.d.ts'], DEEP.replace('/** Notes for us. */\n', ''));
    const named = files("export { Named } from './deep.js';\n");
    assert.equal(named['deep.d.ts'], "export { renamed as Named } from './far.js';\n");
    assert.equal(named['far.d.ts'], 'export declare const renamed: unique symbol;\nexport {};\n');
    const typed = files("export type Far = import('./far.js').Far;\n");
    assert.equal(typed['far.d.ts'], 'export interface Far extends Base {\n}\ninterface Base {\n}\nexport {};\n');
    const whole = files("import * as far from './far.js';\nexport declare const all: typeof far;\n");
    assert.equal(whole['far.d.ts'], FAR);
  });

  it('have what a file adds to everybody’s types, where anything of it is there', () => {
    const add = 'declare global {\n    interface Symbols {\n    }\n}\n';
    const [index, deep] = ["export type { A } from './deep.js';\n", `${add}export type A = 1;\nexport type B = 2;\n`];
    assert.equal(shaken({ 'index.d.ts': index, 'deep.d.ts': deep })['deep.d.ts'], `${add}export type A = 1;\n`);
  });

  for (const code of ['export default 1;', "import './deep.js';", "export * from 'elsewhere';", 'export = x;']) {
    it(`are not made of ${code}`, () =>
      assert.throws(() => shaken({ 'index.d.ts': `${code}\nexport type A = 1;\n` }), /cannot be shaken/));
  }

  it('are refused where a file lacks what another imports of it', () => {
    const files = { 'index.d.ts': "export type { Lost } from './deep.js';\n", 'deep.d.ts': 'export type A = 1;\n' };
    assert.throws(() => shaken(files), /Expected .*deep\.d\.ts to export Lost/);
  });
});

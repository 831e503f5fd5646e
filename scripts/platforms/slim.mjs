// The JavaScript of the published package: without white space and long names of locals, and CommonJS made of the ES modules,
// so that a file is the same in both but for its imports and exports, which the archive then holds nearly once. Functions and
// classes keep their names, for stack traces.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import swc from '@swc/core';
import { parseAst } from 'rollup/parseAst';
import { filesUnder } from '../setup/steps.mjs';

/** As tsc made them: they have their own files for CommonJS, and the second is read by what traces a program's files. */
export const KEPT = ['core/here.js', 'core/traced.js'];

/** Makes the files of dist/esm and dist/cjs within `folder` small, and takes those away that have types alone. */
export async function slim(folder) {
  const [esm, cjs] = ['esm', 'cjs'].map((kind) => join(folder, 'dist', kind));
  const manifest = readFileSync(join(folder, 'package.json'), 'utf8');
  for (const file of filesUnder(esm, (name) => name.endsWith('.js'))) {
    const name = relative(esm, file).replaceAll('\\', '/');
    if (KEPT.includes(name)) continue;
    const text = readFileSync(file, 'utf8');
    const bang = /^#!.*\n/.exec(text)?.[0] ?? '';
    const code = pure(await minified(text.slice(bang.length)));
    const twin = join(cjs, name);
    if (code === 'export{};') for (const one of [file, twin]) rmSync(one, { force: true });
    else {
      writeFileSync(file, bang + inLines(code));
      // By its name or by its types: the one that LangChain's adapter is, another file hands on (adapters/required).
      const isEntry = manifest.includes(`"./dist/cjs/${name.replace(/js$/, '')}`);
      if (filesUnder(twin).length > 0) writeFileSync(twin, inLines(toCommonJs(code, name, isEntry)));
    }
  }
}

/** A module without white space and long names of locals. */
export async function minified(text) {
  const { code } = await swc.minify(text, {
    module: true,
    compress: { defaults: false, join_vars: true },
    mangle: { keep_fnames: true, keep_classnames: true },
    format: { comments: false },
  });
  return code;
}

/**
 * A module whose constants bundlers may leave out, as they leave out modules, where nothing uses them: a file holds many modules,
 * and what a call does they cannot know. The package declares that no module has side effects.
 */
export function pure(code) {
  const inits = parseAst(code).body.flatMap(({ type, declaration, declarations = declaration?.declarations ?? [] }) =>
    /^(VariableDeclaration|ExportNamedDeclaration)$/.test(type) ? declarations.map(({ init }) => init) : [],
  );
  let [out, at] = ['', 0];
  for (const init of inits.filter((one) => one !== null && has(one, CALL) && !has(one, /^Await/))) {
    out += `${code.slice(at, init.start)}/*#__PURE__*/(()=>${bracketed(code.slice(init.start, init.end))})()`;
    at = init.end;
  }
  return out + code.slice(at);
}

/** Characters of a statement, or a member of a class, that begins a line. */
const LONG = 60;

/**
 * Code in lines: Node.js prints the line that threw before an error that nobody catches, and of a file in one line that is all of
 * it. Whether a line begins depends on the statement alone, so that both builds have the same lines.
 */
export function inLines(code) {
  const starts = [];
  const visit = (node) => {
    if (node === null || typeof node !== 'object') return;
    if (/^(Program|BlockStatement|ClassBody|StaticBlock)$/.test(node.type))
      starts.push(...node.body.filter(({ start, end }) => end - start >= LONG).map(({ start }) => start));
    for (const part of Object.values(node)) visit(part);
  };
  visit(parseAst(code));
  const cuts = [0, ...starts.filter((at) => at > 0).sort((a, b) => a - b), code.length];
  return cuts
    .slice(1)
    .map((end, i) => code.slice(cuts[i], end))
    .join('\n');
}

const bracketed = (text) => (text.startsWith('{') ? `(${text})` : text);

const CALL = /^(Call|New|TaggedTemplate)Expression$/;

/** Whether a part of an expression that is evaluated with it is of such a type. */
function has(node, type) {
  if (node === null || typeof node !== 'object') return false;
  if (type.test(node.type)) return true;
  if (/^(Arrow)?Function|^Class/.test(node.type)) return false;
  return Object.values(node).some((part) => has(part, type));
}

/**
 * A module of ours, minified, as CommonJS. The package has no circles of imports, no exported variable that changes, no default
 * export and no `export *`: so imports are constants, and exports are set once. Anything else is refused.
 *
 * @param isEntry others may require it, whose tools look for `exports.name =` and the mark of an ES module. What our own files
 *   alone require exports one object, by the names that its text just had: in the archive that is a hundredth less.
 */
export function toCommonJs(code, name, isEntry = true) {
  const bytes = Buffer.from(code);
  const { body } = swc.parseSync(code, { syntax: 'ecmascript', target: 'es2022' });
  const base = body[0].span.start; // positions of swc go on from file to file
  const text = (from, to) => bytes.subarray(from - base, to - base).toString();
  const refused = (why) => new Error(`${name}: ${why} cannot be made CommonJS`);
  const to = (specifier) => JSON.stringify(fromHere(specifier, name));
  const out = ['"use strict";'];
  if (isEntry) out.push('Object.defineProperty(exports,"__esModule",{value:true});');
  const exported = [];
  const pair = (from, as) => (from === as ? from : `${from}:${as}`);
  for (const item of body) {
    const { type, span } = item;
    if (type === 'ImportDeclaration') {
      out.push(...imported(item, to, pair, refused));
    } else if (type === 'ExportDeclaration') {
      const { declaration } = item;
      if (declaration.kind !== undefined && declaration.kind !== 'const') throw refused(`export ${declaration.kind}`);
      const names = declaration.declarations?.map(({ id }) => id.value) ?? [declaration.identifier.value];
      if (names.includes(undefined)) throw refused('an exported pattern');
      exported.push(...names.map((one) => [one, one]));
      out.push(text(declaration.span.start, span.end));
    } else if (type === 'ExportNamedDeclaration') {
      const pairs = item.specifiers.map(({ type: kind, orig, exported: as }) => {
        if (kind !== 'ExportSpecifier') throw refused(kind);
        return [(as ?? orig).value, orig.value];
      });
      if (item.source === null || item.source === undefined) exported.push(...pairs);
      else {
        const from = `_${exported.length}_`;
        out.push(`const ${from}=require(${to(item.source.value)});`);
        exported.push(...pairs.map(([as, orig]) => [as, `${from}.${orig}`]));
      }
    } else if (/^(Export|Ts)/.test(type)) {
      throw refused(type);
    } else out.push(text(span.start, span.end));
  }
  if (isEntry) out.push(exported.map(([as, orig]) => `exports.${as}=${orig};`).join(''));
  else out.push(`module.exports={${exported.map(([as, orig]) => pair(as, orig)).join(',')}};`);
  const joined = out.join('').replaceAll(/\bimport\("([^"]+)"\)/g, (_, specifier) => {
    return `Promise.resolve().then(()=>require(${to(specifier)}))`;
  });
  if (/\b(const|let|function|class) (require|exports|module)\b|import\.meta/.test(joined))
    throw refused('a name of Node’s');
  return joined;
}

function imported({ specifiers, source }, to, pair, refused) {
  const from = `require(${to(source.value)})`;
  if (specifiers.length === 0) return [`${from};`];
  const named = [];
  const whole = [];
  for (const { type, local, imported: orig } of specifiers) {
    if (type === 'ImportSpecifier') named.push(pair((orig ?? local).value, local.value));
    else if (type === 'ImportDefaultSpecifier' && !source.value.startsWith('node:')) throw refused('a default import');
    else whole.push(`const ${local.value}=${from};`);
  }
  return [...whole, ...(named.length > 0 ? [`const{${named.join(',')}}=${from};`] : [])];
}

/** Names of package.json's `imports` stand for files of the other build. */
function fromHere(specifier, name) {
  if (!specifier.startsWith('#host/')) return specifier;
  const path = relative(dirname(name), `${specifier.slice('#host/'.length)}.js`).replaceAll('\\', '/');
  return path.startsWith('.') ? path : `./${path}`;
}

// The types of the published package: declarations that an entry reaches by name, with their comments as they are. What the
// code's files share with each other, and nobody can import, would make a quarter of them.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import swc from '@swc/core';
import { filesUnder } from '../setup/steps.mjs';

const COMMENTS = /\/\*[\s\S]*?\*\/|\/\/.*/g;

/** Rewrites the declarations within `folder`, a package with its package.json, and removes files of which nothing is left. */
export function shakeDeclarations(folder) {
  const { exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const entries = strings(exports).filter((file) => file.endsWith('.d.ts'));
  const reached = reach(entries.map((file) => join(folder, file)));
  for (const file of filesUnder(join(folder, 'dist'), (name) => name.endsWith('.d.ts'))) {
    const text = reached.has(file) ? textOf(reached.get(file)) : '';
    if (text === '') rmSync(file);
    else writeFileSync(file, text);
  }
}

const strings = (value) => (typeof value === 'string' ? [value] : Object.values(value).flatMap(strings));

/** Files by path, with the items that `entries` reach marked as kept. */
function reach(entries) {
  const files = new Map();
  const left = [];
  const read = (path) => {
    if (!files.has(path)) files.set(path, parse(path));
    return files.get(path);
  };
  const keep = (file, item) => {
    if (item.kept) return;
    item.kept = true;
    left.push([file, item]);
    for (const other of file.items) if (other.kind === 'always') keep(file, other);
  };
  const keepAll = (file) => {
    for (const items of file.exports.values()) for (const item of items) keep(file, item);
    for (const star of file.stars) {
      keep(file, star);
      keepAll(read(star.from));
    }
  };
  const has = (file, name) => file.exports.has(name) || file.stars.some((star) => has(read(star.from), name));
  const keepExport = (file, name) => {
    if (name === '*') return keepAll(file);
    const items = file.exports.get(name) ?? file.stars.filter((star) => has(read(star.from), name));
    if (items.length === 0) throw new Error(`Expected ${file.path} to export ${name}, which another file imports`);
    for (const item of items) keep(file, item);
    if (!file.exports.has(name)) for (const { from } of items) keepExport(read(from), name);
  };
  const keepLocal = (file, name) => {
    for (const item of file.locals.get(name) ?? []) keep(file, item);
    const imported = file.imports.get(name);
    if (imported === undefined || imported.used) return;
    imported.used = true;
    if (imported.from !== undefined) keepExport(read(imported.from), imported.name);
  };

  for (const entry of entries) {
    read(entry).isEntry = true;
    keepAll(read(entry));
  }
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const [file, { kind, from, names, code }] = next;
    if (kind === 'names') {
      for (const name of names) from === undefined ? keepLocal(file, name) : keepExport(read(from), name);
    } else if (kind !== 'star') {
      for (const [, path, name] of code.matchAll(/\bimport\(['"](\.[^'"]+)['"]\)\.(\w+)/g))
        keepExport(read(resolved(file.path, path)), name);
      for (const [name] of code.matchAll(/[A-Za-z_$][\w$]*/g)) keepLocal(file, name);
    }
  }
  return files;
}

/** A file's statements, each with what stands before it, and the names that it exports, declares and imports. */
function parse(path) {
  // An empty statement first, since positions of swc go on from file to file.
  const bytes = Buffer.from(`;${readFileSync(path, 'utf8')}`);
  const [{ span }, ...body] = swc.parseSync(bytes.toString(), { syntax: 'typescript', target: 'es2022' }).body;
  const text = (from, to) => bytes.subarray(from - span.start, to - span.start).toString();
  const file = { path, items: [], stars: [], exports: new Map(), locals: new Map(), imports: new Map() };
  const add = (names, name, item) => names.set(name, [...(names.get(name) ?? []), item]);
  let end = span.end;
  for (const node of body) {
    const code = text(node.span.start, node.span.end);
    const item = {
      kind: 'declaration',
      before: text(end, node.span.start),
      text: code,
      code: code.replace(COMMENTS, ' '),
    };
    end = node.span.end;
    file.items.push(item);
    const source = node.source?.value;
    const inside = source?.startsWith('.');
    if (inside) item.from = resolved(path, source);
    const { declaration = node } = node;
    const refused = () => new Error(`${path}: ${code} cannot be shaken`);
    if (node.type === 'ImportDeclaration') {
      item.kind = 'import';
      if (node.specifiers.length === 0) throw refused();
      item.names = node.specifiers.map(({ type, local, imported, span: at }) => {
        const name = type === 'ImportSpecifier' ? (imported ?? local).value : '*';
        const one = { from: item.from, name, text: text(at.start, at.end), used: false };
        file.imports.set(local.value, one);
        return one;
      });
      item.head = node.typeOnly ? 'import type' : 'import';
      item.tail = `from '${source}';`;
    } else if (node.type === 'ExportAllDeclaration') {
      item.kind = 'star';
      if (!inside) throw refused();
      file.stars.push(item);
    } else if (node.type === 'ExportNamedDeclaration') {
      // Without names it says that nothing is exported but what says so.
      item.kind = node.specifiers.length > 0 ? 'names' : 'always';
      item.names = source === undefined || inside ? node.specifiers.map(({ orig }) => orig.value) : [];
      for (const { orig, exported } of node.specifiers) add(file.exports, (exported ?? orig).value, item);
    } else if (declaration.type === 'TsModuleDeclaration' && declaration.global) {
      item.kind = 'always'; // it adds to everybody's types
    } else {
      const named = declaration.declarations?.map(({ id }) => id.value) ?? [
        (declaration.identifier ?? declaration.id)?.value,
      ];
      if (named.includes(undefined)) throw refused();
      for (const name of named) {
        add(file.locals, name, item);
        if (node.type === 'ExportDeclaration') add(file.exports, name, item);
      }
    }
  }
  return file;
}

const resolved = (path, specifier) => join(dirname(path), specifier.replace(/\.js$/, '.d.ts'));

/** The rest of a file. A comment before its imports is about the code, but in an entry. */
function textOf({ items, isEntry }) {
  if (!items.some(({ kept }) => kept)) return '';
  return items
    .map((item, i) => {
      if (item.kind !== 'import') return item.kept ? item.before + item.text : '';
      const head = i > 0 || isEntry ? item.before : '';
      const used = item.names.filter(({ used }) => used);
      if (used.length === item.names.length) return head + item.text;
      if (used.length === 0) return isEntry ? head : '';
      return `${head}${item.head} { ${used.map(({ text }) => text).join(', ')} } ${item.tail}`;
    })
    .join('')
    .trimStart()
    .concat('\n');
}

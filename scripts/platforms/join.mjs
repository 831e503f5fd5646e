// Modules of the published package joined into few files: Node.js takes half a millisecond for each file of ES modules that it
// loads, which was most of what an import took. A clone's dist stays as tsc makes it, a file for each module.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join as pathOf, posix, relative } from 'node:path';
import { rollup } from 'rollup';
import { parseAst } from 'rollup/parseAst';
import { filesUnder } from '../setup/steps.mjs';

/** The entries by which modules are told apart: a file holds what the same ones of these reach. The largest is first. */
const ROOTS = [
  ...['store/index.js', 'store/pool-worker.js', 'embed/worker.js'],
  ...['sources/qdrant/index.js', 'index.js', 'wasm.js', 'files/index.js'],
];
/** Entries of pages: their bundlers refuse an import of Node's own modules. */
const IN_PAGES = [
  ...['wasm.js', 'index.js', 'store/index.js'],
  ...['embed/index.js', 'vectors/index.js', 'sources/index.js'],
];
/** Entries that a runtime with both stand-ins and Node's own modules may load: what these do not reach, stand-ins may lack. */
const ON_EDGE = ['files/index.js', 'tune/index.js', 'adapters/mastra/index.js'];
/** Characters of modules in a file, before they are made small: gzip finds a file again in its CommonJS twin within 32 kB. */
const MAX_CHARACTERS = 53_000;
/** Characters of modules that are no file of their own where another will do. */
const SMALL = 16_000;
const STAND_IN = /-(web|workerd|bundled)\.js$/;
const FOLDER = 'joined';
/** The name of an entry that states the order of modules. */
const ORDER = 'order';

/**
 * Joins the ES modules in dist/esm of `folder`. Files stay where they are that others find by their path; what else has a twin
 * in dist/cjs gets an empty one, which slim.mjs fills.
 */
export async function join(folder, kept) {
  const [esm, cjs] = ['esm', 'cjs'].map((kind) => pathOf(folder, 'dist', kind));
  const graph = readGraph(folder, kept);
  const plan = chunks(graph);
  const { chunkOf, hosts } = plan;
  const bundle = await rollup({
    input: inputs(graph, plan, esm),
    external: (id) => !/^([./#]|\0)/.test(id),
    preserveEntrySignatures: 'strict',
    treeshake: { moduleSideEffects: false }, // as the package declares
    plugins: [resolver(plan, esm)],
    onwarn: (warning) => {
      if (warning.code === 'EMPTY_BUNDLE') return;
      throw new Error(`${warning.code}: ${warning.message}`);
    },
  });
  const { output } = await bundle.generate({
    format: 'es',
    entryFileNames: '[name].js',
    chunkFileNames: `${FOLDER}/[name].js`,
    manualChunks: (id) => {
      const chunk = chunkOf.get(nameOf(id, esm));
      return hosts.has(chunk) ? undefined : chunk;
    },
    onlyExplicitManualChunks: true,
    hoistTransitiveImports: false,
    externalLiveBindings: false,
    generatedCode: { constBindings: true, arrowFunctions: true, objectShorthand: true },
  });
  await bundle.close();
  const unplanned = output.filter(({ fileName }) => dirname(fileName) === FOLDER && !isPlanned(fileName, plan));
  if (unplanned.length > 0) throw new Error(`Nobody planned ${unplanned.map(({ fileName }) => fileName).join(', ')}`);
  const twins = new Set(output.filter((file) => hasTwin(file, chunkOf, cjs)).map(({ fileName }) => fileName));
  // Files of types alone are empty.
  const left = output.filter(({ fileName, code }) => fileName !== `${ORDER}.js` && code.trim() !== '');
  const written = new Set(left.map(({ fileName }) => fileName));
  for (const name of graph.files) {
    if (kept.includes(name)) continue;
    rmSync(pathOf(cjs, name), { force: true });
    // A file that is written anew keeps its mode: a program's says that it may be run.
    if (!written.has(name)) rmSync(pathOf(esm, name));
  }
  for (const { fileName, code } of left) {
    if (kept.includes(fileName)) continue;
    // Imports for the sake of effects, which no module has: bundlers warn of them.
    write(pathOf(esm, fileName), code.replaceAll(/^import '[^']+';\n/gm, ''));
    if (twins.has(fileName)) write(pathOf(cjs, fileName), '');
  }
}

const write = (file, text) => {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
};

/** A file that the plan does not have would lack its twin. */
const isPlanned = (fileName, { chunkOf }) =>
  [...chunkOf.values()].some((chunk) => `${FOLDER}/${chunk}.js` === fileName);

const nameOf = (id, esm) => relative(esm, id).replaceAll('\\', '/');
/** Whether the CommonJS build has what a file holds; it has all of it, or nothing. */
function hasTwin({ fileName }, chunkOf, cjs) {
  const [held] = [...chunkOf].find(([, chunk]) => `${FOLDER}/${chunk}.js` === fileName) ?? [fileName];
  return existsSync(pathOf(cjs, held));
}

function inputs(graph, { hosts }, esm) {
  const names = graph.entries.map((name) => [name.slice(0, -3), pathOf(esm, name)]);
  for (const [chunk, files] of hosts)
    names.push(
      files.length === 1 ? [files[0].slice(0, -3), pathOf(esm, files[0])] : [`${FOLDER}/${chunk}`, `\0${chunk}`],
    );
  // Rollup writes the modules of a file in the order in which it met them: this entry is the first, and is not written.
  return Object.fromEntries([[ORDER, `\0${ORDER}`], ...names]);
}

/** Files that stand in for each other are joined with others that are chosen by the same conditions, and are chosen with them. */
function resolver({ chunkOf, hosts, order }, esm) {
  return {
    name: 'hosts',
    resolveId(id) {
      if (id.endsWith('.wasm')) return { id, external: true };
      if (!id.startsWith('#host/')) return id.startsWith('\0') ? id : null;
      const chunk = chunkOf.get(`${id.slice('#host/'.length)}.js`);
      const joined = chunk !== undefined && hosts.get(chunk).length > 1;
      return { id: joined ? `#host/${FOLDER}/${chunk}` : id, external: true };
    },
    load(id) {
      if (!id.startsWith('\0')) return null;
      const name = id.slice(1);
      const lines = (files, what) => files.map((file) => `${what} ${JSON.stringify(pathOf(esm, file))};`).join('\n');
      return name === ORDER ? lines(order, 'import') : lines(hosts.get(name), 'export * from');
    },
  };
}

/** The modules of the package and what they import; those that have stand-ins are one node with them. */
function readGraph(folder, kept) {
  const esm = pathOf(folder, 'dist', 'esm');
  const files = filesUnder(esm, (name) => name.endsWith('.js')).map((file) => nameOf(file, esm));
  const manifest = readFileSync(pathOf(folder, 'package.json'), 'utf8');
  const nodeOf = (name) => {
    const first = name.replace(STAND_IN, '.js');
    return files.includes(first) ? first : name;
  };
  const nodes = new Map();
  const found = new Set([...kept, ...[...manifest.matchAll(/\.\/dist\/esm\/([\w/-]+\.js)"/g)].map(([, name]) => name)]);
  const alone = new Set(kept);
  for (const name of files) {
    const text = readFileSync(pathOf(esm, name), 'utf8');
    const target = (from) =>
      from.startsWith('#host/') ? `${from.slice('#host/'.length)}.js` : posix.join(posix.dirname(name), from);
    const sources = parseAst(text).body.flatMap(({ source }) => (source ? [source.value] : []));
    const imports = sources.map(target).filter((one) => files.includes(one));
    const node = nodes.get(nodeOf(name)) ?? { files: [], imports: new Map(), builtin: [], size: 0 };
    nodes.set(nodeOf(name), node);
    node.files.push(name);
    node.imports.set(name, imports.map(nodeOf));
    node.builtin.push(...sources.filter((one) => one.startsWith('node:')));
    node.size += STAND_IN.test(name) ? 0 : text.length;
    for (const [, from] of text.matchAll(/\bimport\(\s*['"](\.[^'"]+)['"]/g)) alone.add(target(from));
    for (const [, from] of text.matchAll(/\bnew URL\('(\.[^']+\.js)', import\.meta\.url\)/g)) alone.add(target(from));
    for (const [, from] of text.matchAll(/['"]\.\.\/\.\.\/cjs\/([\w/-]+\.js)['"]/g)) found.add(from);
    if (text.includes('import.meta') || text.startsWith('#!')) alone.add(name);
    // Turbopack finds the file of a thread from where its name is written, in the CommonJS build.
    if (/\bmoduleFile\('/.test(text) && !files.includes(`${name.slice(0, -3)}-web.js`)) alone.add(name);
  }
  const cjs = pathOf(folder, 'dist', 'cjs');
  for (const file of filesUnder(cjs, (name) => name.endsWith('.js'))) {
    if (files.includes(nameOf(file, cjs))) continue;
    for (const [, from] of readFileSync(file, 'utf8').matchAll(/require\("(\.[^"]+)"\)/g))
      found.add(posix.join(posix.dirname(nameOf(file, cjs)), from));
  }
  const entries = [...new Set([...ROOTS, ...[...found, ...alone].sort()])].filter((name) => files.includes(name));
  const conditional = [...manifest.matchAll(/"#host\/([\w/-]+)"/g)].map(([, name]) => `${name}.js`);
  const inCjs = (name) => existsSync(pathOf(cjs, name));
  return { files, nodes, entries, alone, conditional, inCjs };
}

/**
 * Which file holds which module. Files make no circle, as modules make none: those that are found by their path, or have stand-ins,
 * are the steps of a ladder; and on a step, what a module imports is reached by every entry that reaches the module.
 */
function chunks(graph) {
  const { nodes, entries, alone, conditional, inCjs } = graph;
  const isHost = (name) => nodes.get(name).files.length > 1;
  const order = inOrder(graph);
  const steps = stepsOf(order, nodes, (name) => alone.has(name) || isHost(name));
  const marked = (roots, inPages) => {
    const sets = roots.filter((root) => nodes.has(root)).map((root) => reached(nodes, root, inPages));
    return (name) => sets.map((set) => Number(set.has(name))).join('');
  };
  const byRoots = marked(ROOTS, false);
  const byOthers = marked(entries, false);
  const byPages = marked(IN_PAGES, true);
  const byEdge = marked(ON_EDGE, true);
  const pagesOf = (name) => [byPages, byEdge].findIndex((by) => by(name).includes('1'));
  const groups = new Map();
  for (const name of order) {
    const isEntry = entries.includes(name) && !isImported(nodes, name);
    if (isEntry || alone.has(name) || conditional.includes(name)) continue;
    const where = byRoots(name).includes('1') ? byRoots(name) : byOthers(name);
    const key = [steps.get(name), where, pagesOf(name), inCjs(name), isHost(name)].join();
    groups.set(key, [...(groups.get(key) ?? []), name]);
  }
  const merged = withoutSmall(groups, graph, order);
  return { ...named(merged, nodes, isHost, conditional), order: order.flatMap((name) => nodes.get(name).files) };
}

/**
 * Puts the modules of small files into others that all load which load these, and that load what these load: no entry then loads
 * one more file, and some load a few modules more.
 */
function withoutSmall(groups, { nodes, entries }, order) {
  const all = new Map(groups);
  const groupOf = new Map([...groups].flatMap(([key, names]) => names.map((name) => [name, key])));
  const unitOf = (name) => groupOf.get(name) ?? name;
  const sizeOf = (key) => all.get(key).reduce((sum, name) => sum + nodes.get(name).size, 0);
  const kindOf = (key) => key.split(',').slice(2).join();
  const small = [...groups.keys()].filter((key) => sizeOf(key) <= SMALL && !isOfHosts(key));
  for (const key of small.sort((a, b) => sizeOf(a) - sizeOf(b))) {
    const below = reachOfUnits(order, nodes, unitOf);
    const above = (unit) => entries.map(unitOf).filter((entry) => entry === unit || below.get(entry)?.has(unit));
    const through = (from, to) => [...below.get(from)].some((unit) => unit !== to && below.get(unit).has(to));
    const loading = above(key);
    const other = [...all.keys()].find((one) => {
      if (one === key || kindOf(one) !== kindOf(key) || through(key, one) || through(one, key)) return false;
      if ([...below.get(key)].some((unit) => unit !== one && !below.get(one).has(unit))) return false;
      const has = new Set(above(one));
      return loading.every((entry) => has.has(entry));
    });
    if (other === undefined) continue;
    const places = new Map(order.map((name, i) => [name, i]));
    for (const name of all.get(key)) groupOf.set(name, other);
    all.set(
      other,
      [...all.get(other), ...all.get(key)].sort((a, b) => places.get(a) - places.get(b)),
    );
    all.delete(key);
  }
  return all;
}

/** All that each file loads, modules of Node.js and all that any host has in its place included. */
function reachOfUnits(order, nodes, unitOf) {
  const next = new Map();
  for (const name of order) {
    const unit = unitOf(name);
    const to = next.get(unit) ?? new Set();
    for (const builtin of nodes.get(name).builtin) to.add(builtin);
    for (const imported of importsOf(nodes.get(name))) if (unitOf(imported) !== unit) to.add(unitOf(imported));
    next.set(unit, to);
  }
  const below = new Map();
  const visit = (unit) => {
    if (!below.has(unit)) below.set(unit, new Set([...(next.get(unit) ?? [])].flatMap((one) => [one, ...visit(one)])));
    return below.get(unit);
  };
  for (const unit of next.keys()) visit(unit);
  return below;
}

const isOfHosts = (key) => key.endsWith(',true');
const importsOf = (node) => new Set([...node.imports.values()].flat());

/** Modules, each after what it imports. */
function inOrder({ nodes, entries }) {
  const order = new Set();
  const visit = (name) => {
    if (order.has(name)) return;
    for (const imported of importsOf(nodes.get(name))) visit(imported);
    order.add(name);
  };
  for (const name of entries) if (nodes.has(name)) visit(name);
  return [...order];
}

/** The highest step that each may stand on, nearest to those that import it: one lower than them if it is one to stand on. */
function stepsOf(order, nodes, isStep) {
  const steps = new Map();
  for (const name of [...order].reverse()) {
    if (!steps.has(name)) steps.set(name, 0);
    for (const imported of importsOf(nodes.get(name))) {
      const below = steps.get(name) - Number(isStep(imported));
      steps.set(imported, Math.min(steps.get(imported) ?? 0, below));
    }
  }
  return steps;
}

/** Modules that an entry loads, in Node.js or in pages. */
function reached(nodes, root, inPages) {
  const seen = new Set();
  const left = [root];
  for (let name = left.pop(); name !== undefined; name = left.pop()) {
    if (seen.has(name)) continue;
    seen.add(name);
    const { files, imports } = nodes.get(name);
    const inPage = files.find((file) => file.endsWith('-web.js'));
    left.push(...imports.get(inPages && inPage !== undefined ? inPage : name));
  }
  return seen;
}

const isImported = (nodes, name) =>
  [...nodes.values()].some(({ imports }) => [...imports.values()].flat().includes(name));

/** Names of the files: `chunkOf` a module, and of `hosts`, which are chosen by conditions, what each holds. */
function named(groups, nodes, isHost, conditional) {
  const chunkOf = new Map();
  const hosts = new Map();
  let number = 0;
  for (const names of groups.values()) {
    let size = Number.POSITIVE_INFINITY;
    for (const name of names) {
      size += nodes.get(name).size;
      if (size > MAX_CHARACTERS) {
        size = nodes.get(name).size;
        number++;
      }
      for (const file of nodes.get(name).files) {
        const chunk = `${isHost(name) ? 'host-' : ''}${number}${STAND_IN.test(file) ? '-web' : ''}`;
        chunkOf.set(file, chunk);
        if (isHost(name)) hosts.set(chunk, [...(hosts.get(chunk) ?? []), file]);
      }
    }
  }
  // The manifest names each of these by itself.
  for (const name of conditional) for (const file of nodes.get(name)?.files ?? []) hosts.set(file, [file]);
  return { chunkOf, hosts };
}

// Compiles assembly/ into src/kernels/{kernels,codes}.wasm, and their bytes into wasm-binary.ts and wasm-codes-binary.ts. Run
// as a script it says what it did.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
// Locals are numbered by use: the code is the same, and packs better.
const PASSES = ['--runPasses', 'reorder-locals'];
const FLAGS = ['-O3', '--converge', '--noAssert', '--runtime', 'stub', '--enable', 'simd', ...PASSES];
// Its instances, one a thread, work on a memory that is made for them.
const SHARED = [
  '--enable',
  'threads',
  '--importMemory',
  '--noExportMemory',
  '--sharedMemory',
  '--maximumMemory',
  '65536',
];

/** Sums of exact products in assembly/lanes.ts: eight of addProductsAndSquares, four each of addProducts and addSquares. */
const FUSIBLE = 16;

/** Letters of a module's identity. */
const ID_LETTERS = 16;

// A module exports what its entries export: one file, or all files of a folder.
const MODULES = [
  {
    entry: 'index.ts',
    name: 'kernels',
    generated: 'wasm-binary.ts',
    text: 'WASM_KERNELS',
    maxBytes: 20_000,
    flags: FLAGS,
  },
  {
    entry: 'codes',
    name: 'codes',
    generated: 'wasm-codes-binary.ts',
    text: 'WASM_CODES',
    maxBytes: 15_500,
    flags: [...FLAGS, ...SHARED],
  },
];

/**
 * Does nothing while the sources, this script, the compiler and the generated files are those of the last time.
 * @param {{ log?: (line: string) => void }} [options]
 * @returns {Promise<{ built: boolean, bytes: number }>}
 */
export async function buildWasm({ log = () => {} } = {}) {
  const inputs = hashInputs();
  let built = false;
  let bytes = 0;
  for (const module of MODULES) {
    const result = await buildModule(module, inputs, log);
    built ||= result.built;
    bytes += result.bytes;
  }
  writeIfOther(path.join(root, 'src', 'kernels', 'wasm-ids.ts'), Buffer.from(renderIds()));
  return { built, bytes };
}

async function buildModule({ entry, name, generated, text, maxBytes, flags }, inputs, log) {
  const source = path.join(root, 'src', 'kernels', generated);
  const binary = path.join(root, 'build', 'wasm', `${name}.wasm`);
  const stampFile = path.join(root, 'build', 'wasm', `${name}.stamp`);
  if (existsSync(stampFile) && existsSync(source)) {
    const stamp = JSON.parse(readFileSync(stampFile, 'utf8'));
    const module = path.join(root, 'src', 'kernels', `${name}.wasm`);
    if (stamp.inputs === inputs && stamp.output === hash(readFileSync(source)) && existsSync(module)) {
      return { built: false, bytes: stamp.bytes };
    }
  }

  mkdirSync(path.dirname(binary), { recursive: true });
  const asc = (await import('assemblyscript/asc')).default;
  const { error, stderr } = await asc.main([
    ...sourcesIn('assembly', entry),
    ...flags,
    '--baseDir',
    root,
    '--outFile',
    path.relative(root, binary),
  ]);
  if (error) throw new Error(`AssemblyScript cannot compile assembly/:\n${stderr.toString()}`, { cause: error });

  const bytes = identified(readFileSync(binary));
  if (bytes.length > maxBytes) {
    throw new Error(`The WASM module ${name} has ${bytes.length} bytes; its budget is ${maxBytes}.`);
  }
  const places = fusiblePlaces(bytes);
  if (places !== FUSIBLE) throw new Error(`The WASM module ${name} has ${places} places to be fused, not ${FUSIBLE}.`);
  writeIfOther(path.join(root, 'src', 'kernels', `${name}.wasm`), bytes);
  const rendered = render(text, bytes);
  writeIfOther(source, Buffer.from(rendered));
  writeFileSync(stampFile, JSON.stringify({ inputs, output: hash(rendered), bytes: bytes.length }));
  log(`WASM module ${name}: ${bytes.length} bytes`);
  return { built: true, bytes: bytes.length };
}

/** Where src/kernels/wasm-module.ts fuses a multiplication and an addition: f64x2.mul, local.get, f64x2.add. */
function fusiblePlaces(bytes) {
  return bytes.toString('hex').match(/fdf20120..fdf001/g)?.length ?? 0;
}

/** Left alone when equal, so that nothing that depends on it is built again. */
function writeIfOther(file, bytes) {
  if (!existsSync(file) || !readFileSync(file).equals(bytes)) writeFileSync(file, bytes);
}

/** With a section 'funnelvec' of 16 letters, by which a module that is handed in shows that it is this one. */
function identified(bytes) {
  const name = Buffer.from('\x09funnelvec');
  const id = Buffer.from(hash(bytes).slice(0, ID_LETTERS));
  return Buffer.concat([bytes, Buffer.from([0, name.length + id.length]), name, id]);
}

function renderIds() {
  const ids = MODULES.map(({ name }) => {
    const id = readFileSync(path.join(root, 'src', 'kernels', `${name}.wasm`)).subarray(-ID_LETTERS);
    return `  ${name}: '${id.toString()}',`;
  });
  return [
    '// Generated from assembly/ by scripts/setup/build-wasm.mjs. Do not edit.',
    '',
    "/** The text in the section 'funnelvec' of each module. */",
    'export const WASM_IDS = {',
    ...ids,
    '} as const;',
    '',
  ].join('\n');
}

function render(name, bytes) {
  return [
    '// Generated from assembly/ by scripts/setup/build-wasm.mjs. Do not edit.',
    '',
    '/** The module: its bytes as letters (wasm-module.ts reads them), or itself where it is imported. */',
    `export const ${name}: string | object =\n  '${lettersOf(bytes)}';`,
    '',
  ].join('\n');
}

/**
 * Printable ones from '(' on, but '&' for the backslash, behind '!' for the next 87 bytes and '#' for the last ones. They are
 * counted from 252 on: more bytes of modules do without '!' so than from 0 on.
 */
function lettersOf(bytes) {
  const letter = (place) => (place === 52 ? '&' : String.fromCharCode(40 + place));
  const written = (place) => ['', '!', '#'][Math.floor(place / 87)] + letter(place % 87);
  return Array.from(bytes, (byte) => written((byte + 4) % 256)).join('');
}

function hashInputs() {
  const compiler = path.join(root, 'node_modules', 'assemblyscript', 'package.json');
  const sources = sourcesIn('assembly').map((file) => path.join(root, file));
  return hash(...[compiler, fileURLToPath(import.meta.url), ...sources].map((file) => readFileSync(file)));
}

/** The AssemblyScript files of a folder and the folders in it, or one file. */
function sourcesIn(...parts) {
  const at = path.join(root, ...parts);
  const files = statSync(at).isFile() ? [at] : readdirSync(at, { recursive: true }).map((name) => path.join(at, name));
  return files
    .filter((file) => file.endsWith('.ts'))
    .map((file) => path.relative(root, file).replaceAll(path.sep, '/'))
    .sort();
}

function hash(...parts) {
  const sha = createHash('sha256');
  for (const part of parts) sha.update(part).update('\0');
  return sha.digest('hex');
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { built, bytes } = await buildWasm({ log: console.log });
  if (!built) console.log(`WASM modules: ${bytes} bytes, unchanged`);
}

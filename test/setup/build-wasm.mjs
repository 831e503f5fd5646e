// Compiles assembly/ into src/kernels/wasm-binary.ts. Run as a script it says what it did.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
const generated = path.join(root, 'src', 'kernels', 'wasm-binary.ts');
const binary = path.join(root, 'build', 'wasm', 'kernels.wasm');
const stampFile = path.join(root, 'build', 'wasm', 'stamp');
const MAX_BYTES = 20_000;

const FLAGS = ['-O3', '--converge', '--noAssert', '--runtime', 'stub', '--enable', 'simd'];

/**
 * Does nothing while the sources, this script, the compiler and the generated file are those of the last time.
 * @param {{ log?: (line: string) => void }} [options]
 * @returns {Promise<{ built: boolean, bytes: number }>}
 */
export async function buildWasm({ log = () => {} } = {}) {
  const inputs = hashInputs();
  if (existsSync(stampFile) && existsSync(generated)) {
    const stamp = JSON.parse(readFileSync(stampFile, 'utf8'));
    if (stamp.inputs === inputs && stamp.output === hash(readFileSync(generated))) {
      return { built: false, bytes: stamp.bytes };
    }
  }

  mkdirSync(path.dirname(binary), { recursive: true });
  const asc = (await import('assemblyscript/asc')).default;
  const { error, stderr } = await asc.main([
    'assembly/index.ts',
    ...FLAGS,
    '--baseDir',
    root,
    '--outFile',
    path.relative(root, binary),
  ]);
  if (error) throw new Error(`AssemblyScript cannot compile assembly/:\n${stderr.toString()}`, { cause: error });

  const bytes = readFileSync(binary);
  if (bytes.length > MAX_BYTES)
    throw new Error(`The WASM module has ${bytes.length} bytes; its budget is ${MAX_BYTES}.`);
  const text = render(bytes);
  // Left alone when equal, so that nothing that depends on it is built again.
  if (!existsSync(generated) || readFileSync(generated, 'utf8') !== text) writeFileSync(generated, text);
  writeFileSync(stampFile, JSON.stringify({ inputs, output: hash(text), bytes: bytes.length }));
  log(`WASM module: ${bytes.length} bytes`);
  return { built: true, bytes: bytes.length };
}

function render(bytes) {
  return [
    '// Generated from assembly/ by test/setup/build-wasm.mjs. Do not edit.',
    '',
    '/** The module, in base64. */',
    `export const WASM_BASE64: string =\n  '${bytes.toString('base64')}';`,
    '',
  ].join('\n');
}

function hashInputs() {
  const compiler = path.join(root, 'node_modules', 'assemblyscript', 'package.json');
  const sources = readdirSync(path.join(root, 'assembly'))
    .filter((name) => name.endsWith('.ts'))
    .sort()
    .map((name) => path.join(root, 'assembly', name));
  return hash(...[compiler, fileURLToPath(import.meta.url), ...sources].map((file) => readFileSync(file)));
}

function hash(...parts) {
  const sha = createHash('sha256');
  for (const part of parts) sha.update(part).update('\0');
  return sha.digest('hex');
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { built, bytes } = await buildWasm({ log: console.log });
  if (!built) console.log(`WASM module: ${bytes} bytes, unchanged`);
}

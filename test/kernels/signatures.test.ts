/** One table of signatures: what C++, AssemblyScript and the callers say of an order of arguments is the same. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Addon, loadAddon } from '#dist/kernels/addon.js';
import { type BitDotsTask, CODE_SIGNATURES } from '#dist/kernels/codes.js';
import { SIGNATURES } from '#dist/kernels/kernels.js';
import { listKernels } from '#dist/kernels/load.js';
import { checkSignatures, signature } from '#dist/kernels/signatures.js';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const addon = attempt();
const needsAddon = addon ? false : 'no native binary here';
const needsSources = existsSync(path.join(root, 'assembly')) ? false : 'no sources here';

it('the binary takes the arguments of the table, in its order', { skip: needsAddon }, () => {
  const { signatures } = addon!;
  for (const [name, { arguments: wanted }] of Object.entries({ ...SIGNATURES, ...CODE_SIGNATURES })) {
    assert.deepEqual(signatures()[name], wanted, name);
  }
});

it('a binary whose arguments stand in another order is refused by name', () => {
  const theirs = { headDots: ['size dims', 'u8[] plane'] };
  const ours = { headDots: { arguments: ['u8[] plane', 'size dims'] } };
  assert.throws(() => checkSignatures('The binary', ours, theirs), /headDots takes \(size dims, u8\[\] plane\)/);
  assert.throws(() => checkSignatures('The binary', ours, {}), /lacks headDots/);
  assert.doesNotThrow(() => checkSignatures('The binary', ours, { headDots: ours.headDots.arguments }));
});

it('a call in another order than its signature does not compile', () => {
  const BITS = ['u8[] plane', 'size dims', 'u32[] blocks', 'size count', 'i16[] query', 'out i32[] dots'] as const;
  const right = signature<BitDotsTask>()(BITS, (call, t) => call(t.plane, t.dims, t.blocks, t.count, t.query, t.dots));
  const swapped = signature<BitDotsTask>()(BITS, (call, t) =>
    // @ts-expect-error two whole numbers stand in each other's place
    call(t.plane, t.count, t.blocks, t.dims, t.query, t.dots),
  );
  const short = signature<BitDotsTask>()(
    // @ts-expect-error `dots` is missing
    ['u8[] plane', 'size dims', 'u32[] blocks', 'size count', 'i16[] query'],
    (call, t) => call(t.plane, t.dims, t.blocks, t.count, t.query),
  );
  const mistyped = signature<BitDotsTask>()(
    // @ts-expect-error `query` is an array of int16
    ['u8[] plane', 'size dims', 'u32[] blocks', 'size count', 'u8[] query', 'out i32[] dots'],
    (call, t) => call(t.plane, t.dims, t.blocks, t.count, t.query, t.dots),
  );
  for (const one of [right, swapped, short, mistyped]) assert.equal(typeof one.pass, 'function');
});

it('the WASM module of the code kernels takes the arguments of the table, in its order', { skip: needsSources }, () => {
  const exported = exportsOf(codeFiles());
  for (const [name, { arguments: wanted }] of Object.entries(CODE_SIGNATURES)) {
    if (name === 'scoresAt') continue; // the module scores rows that were gathered for it
    const names = wanted.flatMap((argument) => {
      const [, type, word] = /^(?:out )?(\S+) (\S+)$/.exec(argument) as unknown as [string, string, string];
      return type.endsWith('[n]') ? [word, LENGTHS[`${name} ${word}`]!] : [word];
    });
    const found = exported.get(name);
    assert.ok(found, name);
    if (found.at(-1) === 'scratch') found.pop();
    assert.deepEqual(found, names, name);
  }
});

/** The lengths' names in AssemblyScript. */
const LENGTHS: Record<string, string> = { 'gatherBits bits': 'size', 'gatherBits ordinals': 'rows' };

it('what wasm-instance.ts and codes-wasm-module.ts declare of their modules is what AssemblyScript exports', {
  skip: needsSources,
}, () => {
  for (const [file, interfaceName, entries] of [
    ['wasm-instance.ts', 'WasmExports', ['assembly/index.ts']],
    ['codes-wasm-module.ts', 'WasmHelpers', codeFiles()],
  ] as const) {
    const exported = exportsOf(entries);
    const declared = methodsOf(path.join('src', 'kernels', file), interfaceName);
    assert.ok(declared.size >= 5, file);
    for (const [name, names] of declared) assert.deepEqual(exported.get(name), names, `${file} ${name}`);
  }
});

it('what files/native.ts declares of the binary is what it takes', { skip: needsSources || needsAddon }, () => {
  const signatures = addon!.signatures();
  const declared = methodsOf(path.join('src', 'store', 'files', 'native.ts'), 'NativeFiles');
  assert.ok(declared.size >= 4);
  for (const [name, names] of declared) {
    if (process.platform === 'win32' && signatures[name] === undefined) continue;
    assert.deepEqual(
      signatures[name]?.map((argument) => argument.split(' ').at(-1)),
      names,
      name,
    );
  }
});

it('every instruction set runs where the system has the features that it names, and nowhere else', {
  skip: needsAddon || (existsSync('/proc/cpuinfo') && process.arch === 'x64' ? false : 'needs Linux on x64'),
}, () => {
  const line = /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))!;
  const flags = new Set(line[1]!.trim().split(/\s+/));
  for (const [name, features] of Object.entries(addon!.needs())) {
    const supported = listKernels().find((kernels) => kernels.name === name)?.supported;
    assert.equal(
      supported,
      features.every((feature) => flags.has(feature)),
      `${name}: ${features}`,
    );
  }
});

it('functions that no instruction set changes are exported once', { skip: needsAddon }, () => {
  const levels = Object.values(addon!.levels).map((level) => Object.keys(level));
  for (const name of Object.keys(addon!.common)) {
    for (const level of levels) assert.ok(!level.includes(name), name);
  }
});

function attempt(): Addon | undefined {
  try {
    return loadAddon();
  } catch {
    return undefined;
  }
}

function codeFiles(): string[] {
  const files = readdirSync(path.join(root, 'assembly', 'codes')).filter((file) => file.endsWith('.ts'));
  return files.map((file) => path.join('assembly', 'codes', file));
}

/** The parameters' names of the functions that AssemblyScript files export. */
function exportsOf(files: readonly string[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const file of files) {
    const source = readFileSync(path.join(root, file), 'utf8');
    for (const [, name, parameters] of source.matchAll(/^export function (\w+)\(([^)]*)\)/gm)) {
      found.set(name!, namesOf(parameters!));
    }
  }
  return found;
}

/** The same of the methods, or functions, of an interface. */
function methodsOf(file: string, name: string): Map<string, string[]> {
  const source = readFileSync(path.join(root, file), 'utf8');
  const body = new RegExp(`interface ${name} (?:extends [^{]*)?\\{\\n(.*?)\\n\\}`, 's').exec(source)![1]!;
  const methods = body.matchAll(/^ {2}(\w+)(?:\?: )?\(([^)]*)\)/gm);
  return new Map(Array.from(methods, ([, method, parameters]) => [method!, namesOf(parameters!)]));
}

function namesOf(parameters: string): string[] {
  return Array.from(parameters.matchAll(/(\w+)\s*:/g), ([, name]) => name!.replace(/^_/, ''));
}

/**
 * The package as jest loads it: compiled in a realm of its own, where the globals of Node.js belong to another, and errors of
 * files too. jsdom's realm has no TextDecoder.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire, isBuiltin } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import vm from 'node:vm';

const outer = createRequire(import.meta.url);
const dist = fileURLToPath(new URL('../../../dist/cjs/', import.meta.url));

/** The parts of the package that its entries lead to, in a new realm. */
class Sandbox {
  readonly context = vm.createContext({});
  readonly #modules = new Map<string, { exports: unknown }>();

  constructor(lacking: readonly string[] = []) {
    const global = vm.runInContext('globalThis', this.context) as object;
    // As jest-environment-node does it.
    for (const key of Object.getOwnPropertyNames(globalThis)) {
      if (key in global || lacking.includes(key)) continue;
      Object.defineProperty(global, key, { value: Reflect.get(globalThis, key), configurable: true, writable: true });
    }
    Object.assign(global, { ArrayBuffer, Uint8Array });
  }

  run<T>(code: string): T {
    return vm.runInContext(code, this.context) as T;
  }

  load<T>(file: string): T {
    const known = this.#modules.get(file);
    if (known) return known.exports as T;
    const module = { exports: {} };
    this.#modules.set(file, module);
    const wrapped = `(function (exports, require, module, __filename, __dirname) {${readFileSync(file, 'utf8')}\n})`;
    const require = (name: string): unknown => {
      if (isBuiltin(name)) return outer(name);
      return name.startsWith('.') ? this.load(resolve(dirname(file), name)) : createRequire(file)(name);
    };
    const run = vm.runInContext(wrapped, this.context, { filename: file }) as (...given: unknown[]) => void;
    run(module.exports, require, module, file, dirname(file));
    return module.exports as T;
  }
}

type Main = typeof import('funnelvec');
type Store = typeof import('funnelvec/store');
const ENTRIES = [
  'index',
  'wasm',
  'kernels/index',
  'store/index',
  'embed/index',
  'fuse/index',
  'tune/index',
  'train/index',
];
const SOURCES = ['sources/index', 'sources/qdrant/index', 'sources/milvus/index'];

describe('in a realm of its own, as in jest,', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'funnelvec-realm-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

  it('every entry loads, and funnel() runs, where there is neither TextDecoder nor TextEncoder (jsdom)', async () => {
    const realm = new Sandbox(['TextDecoder', 'TextEncoder']);
    assert.equal(realm.run('typeof TextDecoder'), 'undefined');
    for (const entry of [...ENTRIES, ...SOURCES]) realm.load(join(dist, `${entry}.js`));
    const { funnel, funnelAsync } = realm.load<Main>(join(dist, 'index.js'));
    const vectors = realm.run<Float32Array>('new Float32Array([1, 0, 0, 1, 1, 1])');
    const [best] = funnel({ vectors, dim: 2 }, [0, 2], { scales: [1, 2], keep: 1 });
    assert.equal(best!.index, 1);
    const later = await funnelAsync({ vectors, dim: 2 }, [0, 2], { scales: [1, 2], keep: 1, limit: 1 });
    assert.equal(JSON.stringify(later), JSON.stringify([best]));
    const { FunnelIndex, importJsonl } = realm.load<Store>(join(dist, 'store/index.js'));
    const index = await FunnelIndex.create(':memory:', { dim: 2 });
    await index.upsert([{ id: 'é', vector: vectors.slice(0, 2), payload: { text: 'ü' } }]);
    await importJsonl(index, [Buffer.from('{"id":"ï","vector":[1,2],"text":"ß"}\n')]);
    const rows = await index.get(['é', 'ï'], { withPayload: true });
    assert.equal(rows.map((row) => JSON.stringify(row!.payload)).join(), '{"text":"ü"},{"text":"ß"}');
    await index.close();
  });

  it('an index on disk takes arrays of both realms, and errors of files are typed', async () => {
    const realm = new Sandbox();
    const { FunnelIndex } = realm.load<Store>(join(dist, 'store/index.js'));
    const path = join(folder, 'index');
    const index = await FunnelIndex.create(path, { dim: 2 });
    await index.upsert({ ids: [1, 2], vectors: realm.run<Float32Array>('new Float32Array([1, 0, 0, 1])') });
    await index.upsert({ ids: [3], vectors: Float32Array.of(1, 1) });
    const { hits } = await index.query({ vector: realm.run<Float32Array>('new Float32Array([0, 2])') });
    assert.equal(hits.map(({ id }) => id).join(), '2,3,1');
    await index.close();
    const again = await FunnelIndex.open(path, { readOnly: true });
    assert.equal(again.count, 3);
    await again.close();
    writeFileSync(join(folder, 'file'), '');
    for (const bad of [join(folder, 'file'), join(folder, 'file', 'below')]) {
      const error = await FunnelIndex.create(bad, { dim: 2 }).then(
        () => undefined,
        (cause: { name: string; code: string; message: string }) => cause,
      );
      assert.equal(error?.name, 'FunnelError', error?.message);
      assert.ok(error.code.length > 0);
    }
  });
});

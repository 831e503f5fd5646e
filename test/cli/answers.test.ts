/**
 * From texts to answers in two commands, with a real model and the command as users have it: WordNet glosses under
 * WordLlama, on the embedded index, Milvus and Qdrant.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { LoadEmbedder, ModelEmbedder } from '#dist/cli/model.js';
import { SENTENCES } from '#dist/cli/sentences.js';
import { done } from './command.js';
import { jsonl, tempFolder } from './files.js';
import { type Store, stores } from './places.js';
import { funnelvec, loadGlosses, wordllama } from './real.js';

const COUNT = 2000;
const { path, write } = tempFolder();
const env = { FUNNELVEC_STATE: path('state') };
const model = await wordllama();
const skip = model.missing ?? false;

for (const { name, start } of stores(path('index'))) {
  describe(`from a JSONL of texts to answers on ${name}`, { skip, timeout: 180_000 }, () => {
    let place: Awaited<ReturnType<Store['start']>>;
    let glosses: Awaited<ReturnType<typeof loadGlosses>>;
    let ingestLine: string[];
    before(async () => {
      glosses = await loadGlosses({ count: COUNT });
      const rows = glosses.texts.map((gloss, i) => ({ words: glosses.words[i], gloss, pos: glosses.pos[i] }));
      const file = write('glosses.jsonl', jsonl(rows));
      place = await start();
      const { folder } = model as { folder: string };
      ingestLine = ['ingest', file, '--text', 'gloss', '--model', folder, '--preset', 'wordllama', ...place.to];
    });
    after(() => place?.stop());

    it('takes two commands', async () => {
      const ingested = await funnelvec([...ingestLine, '--json'], env);
      assert.equal(ingested.code, 0, ingested.stdout);
      const result = JSON.parse(ingested.stdout);
      assert.equal(result.rows, COUNT);
      assert.equal(result.dim, 256);
      assert.match(result.model, /^wordllama /);
      assert.equal(result.head, name === 'the embedded index' ? null : 128);

      const at = 1234;
      const asked = await funnelvec(['search', ...place.from, glosses.texts[at]!], env);
      assert.equal(asked.code, 0, asked.stderr);
      const [heading, first] = asked.stdout.split('\n');
      assert.match(heading!, /^ ?score +id +/);
      assert.match(first!, new RegExp(`^1\\.0000 +${at} `));
    });

    it('gives the answers of a scan in mode exact, and nearly those by the funnel', async () => {
      const some = glosses.queries.slice(0, 8);
      let found = 0;
      for (const [q, { text }] of some.entries()) {
        const exact = JSON.parse(
          (await done(['search', ...place.from, text, '--mode', 'exact', '--json'], real())).stdout,
        );
        const wanted = scan(glosses.rows, glosses.queryRows.subarray(q * 256, (q + 1) * 256), 10);
        const ids = (hits: { id: unknown }[]) => hits.map(({ id }) => Number(id));
        assert.deepEqual(ids(exact.hits), wanted, text);
        assert.equal(exact.hits[0].payload.gloss, glosses.texts[wanted[0]!]);
        const funnel = JSON.parse((await done(['search', ...place.from, text, '--json'], real())).stdout);
        found += ids(funnel.hits).filter((id) => wanted.includes(id)).length;
      }
      assert.ok(found >= 0.9 * 80, `${found} of 80`);
    });

    it('obeys filters', async () => {
      const filter = '{"must":{"key":"pos","match":{"value":"verb"}}}';
      const { json } = await done(['search', ...place.from, 'to go away', '--filter', filter, '--json'], real());
      assert.equal(json.hits.length, 10);
      assert.ok(json.hits.every(({ payload }: { payload: { pos: string } }) => payload.pos === 'verb'));
    });

    it('has nothing to do the second time', async () => {
      const again = await funnelvec(ingestLine, env);
      assert.equal(again.code, 0, again.stderr);
      assert.match(again.stderr, /All 2000 rows are in .* already/);
    });
  });
}

describe('the commands of the documents', { skip, timeout: 120_000 }, () => {
  const commandsOf = (file: string) =>
    readFileSync(resolve(file), 'utf8')
      .match(/^(npx )?funnelvec .*$/gm)!
      .map((line) => line.replace(/^(npx )?funnelvec /, '').replace(/ +#.*$/, ''));
  const words = (line: string) => [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!);

  it('README’s two give an answer', async () => {
    const file = write('films.jsonl', jsonl(SENTENCES.map((plot) => ({ plot }))));
    const { folder } = model as { folder: string };
    const lines = commandsOf('README.md').filter((line) => /^(ingest|search) /.test(line));
    assert.equal(lines.length, 2);
    const [ingested, asked] = await lines.reduce<Promise<string[]>>(async (before, line) => {
      const known: Record<string, string> = { 'films.jsonl': file, 'models/wordllama': folder, films: path('films') };
      const outputs = await before;
      const { code, stdout, stderr } = await funnelvec(words(line).map((word) => known[word] ?? word));
      assert.equal(code, 0, stderr);
      return [...outputs, stdout];
    }, Promise.resolve([]));
    assert.match(ingested!, /42 rows written/);
    assert.match(asked!.split('\n')[1]!, /hotel|inn/);
  });

  it('those of the page on the command name options that there are', async () => {
    for (const line of commandsOf('docs/cli.md').filter((one) => !one.startsWith('<'))) {
      const { code, stderr } = await funnelvec([...words(line), '--store', path('no-such'), '--to', path('no-such')]);
      // The fault is the missing store, or an option of another command; never an option of the line.
      assert.match(stderr, /no such file|Expected an index at|unknown option '--(to|store)'|only on a terminal/, line);
      assert.notEqual(code, 0);
    }
  });
});

/** The model that users have, loaded once within this process. */
let loaded: Promise<ModelEmbedder> | undefined;
function real(): { env: Record<string, string>; load: LoadEmbedder } {
  const load: LoadEmbedder = async (spec) => {
    loaded ??= import('#dist/embed/index.js').then(({ Embedder }) => Embedder.load(spec));
    const own = await loaded;
    return { name: own.name, dim: own.dim, matryoshkaDims: own.matryoshkaDims, embed: own.embed.bind(own), close() {} };
  };
  return { env, load };
}
after(async () => (await loaded)?.close());

/** The best rows by cosine, in float64. */
function scan(rows: Float32Array, query: Float32Array, limit: number): number[] {
  const dim = query.length;
  return Array.from({ length: rows.length / dim }, (_, id) => {
    let [dot, square] = [0, 0];
    for (let d = 0; d < dim; d++) {
      const x = rows[id * dim + d]!;
      dot += x * query[d]!;
      square += x * x;
    }
    return { id, score: dot / Math.sqrt(square) };
  })
    .sort((a, b) => b.score - a.score)
    .slice(0, limit)
    .map(({ id }) => id);
}

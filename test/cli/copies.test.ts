/** Stores that hold each vector many times: a copy of a row is as good as the row, to bench as it is to tune. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Random } from '../random.js';
import { done } from './command.js';
import { jsonl, tempFolder } from './files.js';
import { stores } from './places.js';

const { path, write } = tempFolder();
const env = { FUNNELVEC_STATE: path('state') };
const DIM = 8;
const COPIES = 30;
const random = new Random(3);
const vectors = Array.from({ length: 20 }, () => Array.from(random.vector(DIM)));

for (const { name, start } of stores(path('index')).slice(0, 2)) {
  describe(`copies in ${name}`, { timeout: 120_000 }, () => {
    it('are found by bench, whichever of them come, in every mode', async () => {
      const place = await start();
      try {
        const rows = Array.from({ length: COPIES * vectors.length }, (_, id) => ({
          id,
          v: vectors[id % vectors.length],
        }));
        const file = write('rows.jsonl', jsonl(rows));
        const head = name === 'Milvus' ? ['--head', '4'] : [];
        await done(['ingest', file, '--vector', 'v', '--id', 'id', ...head, ...place.to], { env });
        const queries = write('queries.jsonl', jsonl(vectors.map((v) => ({ v }))));
        const { json } = await done(
          ['bench', ...place.from, '--queries', queries, '--vector', 'v', '--limit', '10', '--json'],
          { env },
        );
        for (const { mode, recall, complete } of json.modes) {
          assert.deepEqual([mode, recall, complete], [mode, 1, vectors.length]);
        }
        assert.deepEqual(
          json.modes.map(({ mode }: { mode: string }) => mode),
          ['exact', 'funnel'],
        );
      } finally {
        await place.stop();
      }
    });
  });
}

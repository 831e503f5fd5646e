/** --head and --full: collections of databases whose vectors have names of their own, or none. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { QdrantClient } from '@qdrant/js-client-rest';
import { qdrantMark, startMilvus, startQdrant } from '../sources/servers.js';
import { type Written, written } from '../sources/written.js';
import { done, fails } from './command.js';
import { fakeVector } from './fake-embedder.js';
import { films, jsonl, tempFolder } from './files.js';

const { path, write } = tempFolder();
const env = { FUNNELVEC_STATE: path('state') };
const all = films(120);
const file = write('films.jsonl', jsonl(all));
const vector = ['--vector', JSON.stringify(Array.from(fakeVector('robot winter')))];

describe(`a collection of somebody else’s in Qdrant${qdrantMark}`, { timeout: 120_000 }, () => {
  let server: Awaited<ReturnType<typeof startQdrant>>;
  let mastra: Written;
  let langchain: Written;
  let client: QdrantClient;
  const made: string[] = [];
  before(async () => {
    server = await startQdrant();
    client = new QdrantClient({ url: server.url, checkCompatibility: false });
    mastra = await written(server.url, 'mastra');
    langchain = await written(server.url, 'langchain');
  });
  after(async () => {
    await mastra?.drop();
    await langchain?.drop();
    for (const name of made) await client.deleteCollection(name);
    await server?.stop();
  });
  const at = (collection: string) => ['--qdrant', server.url, '--collection', collection];
  const create = async (name: string, vectors: object): Promise<string> => {
    const collection = `cli_${name}_${process.pid}`;
    await client.createCollection(collection, { vectors: vectors as never });
    made.push(collection);
    return collection;
  };
  const searched = async (collection: string, ...more: string[]) => {
    const { json } = await done(['search', ...at(collection), ...vector, ...more, '--json'], { env });
    return (json.hits as { id: string }[]).map(({ id }) => id);
  };

  it('with one vector is searched, tuned and measured without a word about it', async () => {
    for (const { collection } of [langchain.collections['langchain']!, mastra.collections['mastra_one']!]) {
      const found = await searched(collection);
      assert.equal(found.length, 10);
      assert.deepEqual(await searched(collection, '--mode', 'exact'), found);
      assert.deepEqual(await searched(collection, '--limit', '5'), found.slice(0, 5));
      assert.deepEqual(await searched(collection, '--candidates', '12', '--scales', '8,16', '--keep', '1'), found);
      const { json } = await done(['bench', ...at(collection), '--limit', '3', '--json'], { env });
      assert.deepEqual(
        json.modes.map(({ recall }: { recall: number }) => recall),
        [1, 1],
      );
    }
  });

  it('with several is searched by those that are named, points without one left out where that is wanted', async () => {
    const { collection } = mastra.collections['mastra_two']!;
    const write_ = /"text" \(16 dims\), "title" \(16 dims\)\. Write --head "title" --full "title"/;
    await fails(1, write_, ['search', ...at(collection), ...vector], { env });
    const names = ['--head', 'text', '--full', 'text'];
    assert.equal((await searched(collection, ...names)).length, 10);
    await fails(1, /lacks it/, ['bench', ...at(collection), ...names], { env });
    const skip = [...names, '--missing-vectors', 'skip', '--limit', '3', '--json'];
    assert.equal((await done(['bench', ...at(collection), ...skip], { env })).json.queries, 12);
    await fails(
      1,
      /"no" in .*: write --head "title" --full "title"/,
      ['search', ...at(collection), ...vector, '--head', 'no', '--full', 'text'],
      {
        env,
      },
    );
  });

  it('tune keeps the plan with the vectors that it was chosen for', async () => {
    const collection = await create('tuned', {
      a: { size: 16, distance: 'Cosine' },
      b: { size: 8, distance: 'Cosine' },
    });
    const points = films(200).map(({ id, text }) => {
      const full = Array.from(fakeVector(text));
      return { id, vector: { a: full, b: full.slice(0, 8) }, payload: { text } };
    });
    await client.upsert(collection, { wait: true, points });
    const line = (command: string, ...more: string[]) => [command, ...at(collection), ...more];
    const names = ['--head', 'b', '--full', 'a'];
    const tune = ['--recall', '0.5', '--k', '5', '--sample', '60', '--no-exact', '--json'];
    const { json } = await done(line('tune', ...names, ...tune), { env });
    assert.equal(json.refused, undefined);
    const asked = async (...more: string[]) =>
      (await done(line('search', ...vector, ...more, '--explain', '--json'), { env })).json;
    // From now on without names.
    const tuned = await asked();
    assert.deepEqual([tuned.hits.length, tuned.request.plan], [5, json.request.plan]);
    assert.equal((await asked(...names)).hits.length, 5);
    assert.equal((await asked('--head', 'a', '--full', 'a')).hits.length, 10);
  });

  it('takes rows, where it is empty: under the names that are given, or that it has', async () => {
    const sizes = { dot: 'Dot', cosine: 'Cosine' } as const;
    const cases: [string, object, string[], [number, string]][] = [
      ['bare', { size: 16, distance: sizes.dot }, [], [16, 'dot']],
      ['one', { text: { size: 16, distance: sizes.cosine } }, [], [16, 'cosine']],
      [
        'two',
        { p: { size: 4, distance: sizes.dot }, q: { size: 16, distance: sizes.dot } },
        ['--head', 'p', '--full', 'q'],
        [4, 'dot'],
      ],
    ];
    for (const [name, vectors, names, [head, metric]] of cases) {
      const collection = await create(`empty_${name}`, vectors);
      const line = ['ingest', file, '--text', 'text', '--id', 'id', '--model', 'fake', ...at(collection), '--json'];
      if (names.length > 0) await fails(1, /several vectors.*--head "p" --full "q"/, line.slice(0, -1), { env });
      const { json } = await done([...line, ...names], { env });
      assert.deepEqual([json.rows, json.head, json.metric], [120, head, metric]);
      // It remembers where they are.
      const text = ['search', ...at(collection), all[7]!.text, '--json'];
      const { hits } = (await done(text, { env })).json as { hits: { id: number }[] };
      assert.ok(hits.some(({ id }) => id === 7)); // longer vectors win under dot
      assert.equal((await done([...line, ...names], { env })).json.resumedAt, 120);
      const other = ['--head', 'x', '--full', 'y'];
      await fails(1, /the vectors .* as before/, [...line, ...other], { env });
    }
    const cosine = await create('empty_metric', {
      head: { size: 4, distance: 'Dot' },
      full: { size: 16, distance: 'Dot' },
    });
    const line = ['ingest', file, '--text', 'text', '--model', 'fake', ...at(cosine), '--metric', 'euclid'];
    await fails(1, /metric dot, as .* has, but received euclid/, line, { env });
  });

  it('is made with the names that are given, and one vector where they are the same', async () => {
    const rows = all.map(({ id, text }) => ({ id, v: Array.from(fakeVector(text)) }));
    const vectors = write('vectors.jsonl', jsonl(rows));
    for (const [name, head, full, sizes] of [
      ['named', 'p', 'q', { p: 8, q: 16 }],
      ['single', 'v', 'v', { v: 16 }],
      ['unnamed', '', '', 16],
    ] as const) {
      const collection = `cli_made_${name}_${process.pid}`;
      made.push(collection);
      const names = ['--head', head, '--full', full];
      const line = ['ingest', vectors, '--vector', 'v', '--id', 'id', ...at(collection), ...names, '--json'];
      assert.equal((await done(line, { env })).json.rows, 120);
      const { config } = await client.getCollection(collection);
      const has = config.params.vectors as Record<string, { size: number }> | { size: number };
      const found =
        typeof has['size'] === 'number'
          ? has['size']
          : Object.fromEntries(Object.entries(has).map(([key, one]) => [key, (one as { size: number }).size]));
      assert.deepEqual(found, sizes);
      assert.equal((await searched(collection)).length, 10);
    }
    const states = readdirSync(path('state')).filter((one) => one.includes('made_named') && !one.includes('-tune'));
    assert.deepEqual(JSON.parse(readFileSync(path(`state/${states[0]}`), 'utf8')).vectors, { head: 'p', full: 'q' });
  });

  it('takes a UUID in any spelling for one id, and refuses what the server would', async () => {
    const uuid = '67e55044-10b1-426f-9247-bb680e5fe0c8';
    const row = (id: unknown) => ({ id, v: Array.from(fakeVector('robot')) });
    const forms = [uuid, uuid.toUpperCase(), uuid.replaceAll('-', ''), `urn:uuid:${uuid}`, `{${uuid}}`];
    const collection = `cli_uuids_${process.pid}`;
    const line = (name: string, rows: object[], ...more: string[]) => {
      const input = write(`${name}.jsonl`, jsonl(rows));
      made.push(`${collection}_${name}`);
      return ['ingest', input, '--vector', 'v', '--id', 'id', ...at(`${collection}_${name}`), ...more];
    };
    const { json } = await done(line('forms', forms.map(row), '--head', '8', '--json'), { env });
    assert.deepEqual([json.rows, json.duplicates], [1, 4]);
    assert.deepEqual(await searched(`${collection}_forms`), [uuid]);
    for (const id of [uuid.replace('-', ''), `URN:UUID:${uuid}`]) {
      await fails(1, /line 1 of .*integer of 0 or more or a UUID/, line(`odd_${id.length}`, [row(id)]), { env });
    }
    const large = line('large', [row('9007199254740993')], '--id-type', 'string');
    await fails(1, /line 1 of .*within 2\^53 − 1 over REST.*UUID/, large, { env });
  });
});

describe('a collection in Milvus', { timeout: 120_000 }, () => {
  let server: Awaited<ReturnType<typeof startMilvus>>;
  before(async () => {
    server = await startMilvus();
  });
  after(() => server?.stop());

  it('is made and searched with the names that are given, and needs no names from then on', async () => {
    const place = ['--milvus', server.address, '--collection', `cli_names_${process.pid}`];
    const names = ['--head', 'prefix', '--full', 'plot_vector'];
    const line = ['ingest', file, '--text', 'text', '--id', 'id', '--model', 'fake', ...place, '--json'];
    assert.equal((await done([...line, ...names], { env })).json.rows, 120);
    const search = ['search', ...place, all[7]!.text, '--json'];
    for (const more of [names, []]) {
      assert.equal(Number((await done([...search, ...more], { env })).json.hits[0].id), 7);
    }
    const elsewhere = { env: { FUNNELVEC_STATE: path('nobody') } };
    const other = ['search', ...place, ...vector, '--json'];
    assert.equal((await done([...other, ...names], elsewhere)).json.hits.length, 10);
    await fails(1, /nope/, [...other, '--head', 'nope', '--full', 'plot_vector'], elsewhere);
    await done([...line, '--restart', '--head', '4'], { env });
  });
});

describe('names of vectors', () => {
  const place = ['--qdrant', 'http://127.0.0.1:59999', '--collection', 'c'];

  it('make no sense alone, nor beside an index', async () => {
    for (const command of ['search', 'bench', 'tune', 'ingest'] as const) {
      const start = command === 'ingest' ? ['ingest', file, '--vector', 'v'] : [command];
      const index = [command === 'ingest' ? '--to' : '--store', path('nothing')];
      await fails(2, /--full <name>.*--head text alone/, [...start, ...place, '--head', 'text']);
      await fails(2, /--head <name>.*--full text alone/, [...start, ...place, '--full', 'text']);
      await fails(2, /--full beside --milvus or --qdrant/, [...start, ...index, '--full', 'text']);
      await fails(2, /integer of at least 1 for --head.*text/, [...start, ...index, '--head', 'text']);
      await fails(2, /integer of at least 1 for --head but received 0/, [...start, ...index, '--head', '0']);
    }
    // These options were passed over in silence once.
    await fails(2, /--head 64 alone/, ['search', ...place, '--vector', '[1]', '--head', '64']);
    const skip = ['--missing-vectors', 'skip'];
    await fails(2, /beside --milvus or --qdrant/, ['search', '--store', path('nothing'), ...skip]);
    await fails(2, /beside --qdrant/, ['search', '--milvus', '127.0.0.1:9', '--collection', 'c', ...skip]);
    await fails(2, /error, skip/, ['search', ...place, '--missing-vectors', 'ignore']);
  });
});

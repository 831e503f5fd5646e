/** Reads that are answered by something else than the database, such as a proxy: errors that say so, and never an empty collection. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { FunnelError } from 'funnelvec';
import { milvusSource } from 'funnelvec/milvus';
import { qdrantSource } from 'funnelvec/qdrant';
import type { Source } from '#dist/query/source/source.js';
import { grpcNode, type Manner, milvusNode, type Node, POINTS, restNode } from './nodes.js';

const names = { collection: 'films', head: 'head', full: 'full' };
const vector = Float32Array.of(1, 0);

const open: Node<unknown>[] = [];
after(async () => {
  for (const one of open) await one.close();
});

async function opened<Client>(making: Promise<Node<Client>>): Promise<Node<Client>> {
  const node = await making;
  open.push(node as Node<unknown>);
  return node;
}

type Read = (source: Source) => Promise<unknown>;
/** Reads by the call that they end with. */
const READS: Record<string, Read> = {
  info: (source) => source.info(),
  query: (source) => source.head({ vector, candidates: 5 }),
  'query without vectors': (source) => source.head({ vector, candidates: 5, vectors: false }),
  'query of all dims': (source) => source.full({ vector, limit: 5 }),
  queryBatch: (source) => source.headBatch!([5, 6].map((candidates) => ({ vector, candidates }))),
  'queryBatch without vectors': (source) =>
    source.headBatch!([5, 6].map((candidates) => ({ vector, candidates, vectors: false }))),
  scroll: (source) => source.scan({ limit: 5 }),
  'scroll for kinds of ids': (source) => source.idKinds!(),
  retrieve: (source) => source.fetch({ ids: [1, 2] }),
  count: (source) => source.count!({}),
};
const callOf = (read: string) => read.split(' ')[0]!;

/** Bodies of status 200; `fine` are the calls whose answer it is. */
const BODIES: Record<string, { body: string; fine?: string }> = {
  nothing: { body: '' },
  'a page': { body: '<html><body>welcome</body></html>' },
  'half an answer': { body: '{"result":{"po' },
  null: { body: 'null' },
  'an empty object': { body: '{}' },
  'an empty result': { body: '{"result":{}}' },
  'a result of null': { body: '{"result":null}' },
  'an empty list': { body: '{"result":[]}', fine: 'retrieve' },
  'a list of lists': { body: '{"result":[[],[]]}' },
  'a list of nothing': { body: '{"result":[null,null]}' },
  'a list of empty objects': { body: '{"result":[{},{}]}' },
  'a text': { body: '{"result":"ok"}' },
  'points that are none': { body: '{"result":{"points":{}}}' },
  'a count of text': { body: '{"result":{"count":"many"}}' },
  'a negative count': { body: '{"result":{"count":-1}}' },
  'vectors of no size': { body: '{"result":{"config":{"params":{"vectors":{"head":{},"full":null}}}}}' },
};

/** The message says what came, of which collection. */
async function failing(source: Source, read: Read, codes: RegExp): Promise<string | undefined> {
  try {
    return `answered ${JSON.stringify(await read(source), (_, one) => (typeof one === 'bigint' ? String(one) : one))}`;
  } catch (error) {
    const { code, message } = error as FunnelError;
    if (!(error instanceof FunnelError) || !codes.test(code)) return `${code}: ${message}`;
    if (/the SDK failed/.test(message)) return undefined; // with its own words
    if (!/films/.test(message)) return `without a name: ${message}`;
    return /Cannot (read|destructure)|is not (iterable|a function)|undefined \(reading|has none|fromQdrant/.test(
      message,
    )
      ? message
      : undefined;
  }
}

for (const decode of ['fast', 'client'] as const) {
  test(`Qdrant over REST (decode: '${decode}')`, async () => {
    const node = await opened(restNode());
    const wrong: string[] = [];
    for (const [name, read] of Object.entries(READS)) {
      const call = callOf(name);
      const source = qdrantSource(node.client, { ...names, decode });
      for (const [what, { body, fine }] of Object.entries(BODIES)) {
        if (call === fine) continue;
        if (call !== 'info') await source.info();
        node.manner = (now): Manner => (now === call ? { instead: body } : 'answers');
        const found = await failing(source, read, /^BAD_RESPONSE$/);
        if (found !== undefined) wrong.push(`${what}, ${name}: ${found}`);
        node.manner = () => 'answers';
      }
      await read(source);
    }
    assert.deepEqual(wrong, []);
  });
}

/** A message without fields, and one with an empty `result`. An empty list is no field of a message: such searches found nothing. */
const MESSAGES = { nothing: new Uint8Array(0), 'an empty result': Uint8Array.of(0x0a, 0) };

const record = (tag: number, bytes: readonly number[]) => [tag, bytes.length, ...bytes];
/** A score of 1 and nothing else. */
const BARE = [0x1d, 0, 0, 0x80, 0x3f];
/** A time, which is in every answer. */
const timeIn = (tag: number) => [tag, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f];
/** Answers of a point that has no id, by the call. */
const NAMELESS: Record<string, number[]> = {
  query: [...record(0x0a, BARE), ...timeIn(0x11)],
  queryBatch: [...record(0x0a, record(0x0a, BARE)), ...record(0x0a, record(0x0a, BARE)), ...timeIn(0x11)],
  retrieve: [...record(0x0a, []), ...timeIn(0x11)],
  scroll: [...record(0x12, []), ...timeIn(0x19)],
};

test('Qdrant over gRPC, a point without an id', async () => {
  const node = await opened(grpcNode());
  const wrong: string[] = [];
  for (const decode of ['fast', 'client'] as const) {
    for (const [name, read] of Object.entries(READS)) {
      const call = callOf(name);
      const instead = NAMELESS[call];
      if (instead === undefined) continue;
      const source = qdrantSource(node.client, { ...names, decode });
      await source.info();
      await read(source); // the first answer of all is the client's to decode
      node.manner = (now): Manner => (now === call ? { instead: Uint8Array.from(instead) } : 'answers');
      const found = await failing(source, read, /^BAD_RESPONSE$/);
      if (found !== undefined) wrong.push(`${name}, ${decode}: ${found}`);
      node.manner = () => 'answers';
    }
  }
  assert.deepEqual(wrong, []);
});

test('Qdrant over gRPC', async () => {
  const node = await opened(grpcNode());
  for (const decode of ['fast', 'client'] as const) {
    for (const [what, instead] of Object.entries(MESSAGES)) {
      for (const call of what === 'nothing' ? ['info', 'count', 'queryBatch'] : ['info']) {
        const source = qdrantSource(node.client, { ...names, decode });
        if (call !== 'info') await source.info();
        node.manner = (now): Manner => (now === call ? { instead } : 'answers');
        assert.equal(await failing(source, READS[call]!, /^BAD_RESPONSE$/), undefined, `${what}, ${call}, ${decode}`);
        node.manner = () => 'answers';
      }
    }
  }
  // An empty count is one of nothing.
  const source = qdrantSource(node.client, names);
  node.manner = (now): Manner => (now === 'count' ? { instead: MESSAGES['an empty result'] } : 'answers');
  assert.equal(await source.count!({}), 0);
  node.manner = () => 'answers';
  assert.equal(await source.count!({}), POINTS.length);
});

test('Milvus', async () => {
  const node = await opened(milvusNode());
  const reads: [string, string][] = [
    ['DescribeCollection', 'info'],
    ['Search', 'query'],
    ['Search', 'query of all dims'],
    ['Query', 'count'],
  ];
  const ok = { error_code: 'Success', code: 0 };
  const rows = (count: string) => [
    { type: 'Int64', field_name: 'count(*)', scalars: { long_data: { data: [count] } } },
  ];
  const odd: Record<string, object> = { nothing: {}, 'a status alone': { status: ok } };
  for (const [call, name] of reads) {
    const more =
      call === 'Query'
        ? { 'a negative count': { status: ok, fields_data: rows('-1'), output_fields: ['count(*)'] } }
        : {};
    for (const [what, answer] of Object.entries({ ...odd, ...more })) {
      const source = milvusSource(node.client, names);
      if (call !== 'DescribeCollection') await source.info();
      node.config[call] = answer;
      assert.equal(await failing(source, READS[name]!, /^BAD_RESPONSE$/), undefined, `${what}, ${name}`);
      delete node.config[call];
      await READS[name]!(source);
    }
  }
});

/** A server, or what stands in front of one, that answers writes with what says nothing of them: no row of those counts as written. */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, it } from 'node:test';
import { command, done } from './command.js';
import { jsonl, tempFolder } from './files.js';

const { path, write } = tempFolder();
const ROWS = 40;
const file = write('films.jsonl', jsonl(Array.from({ length: ROWS }, (_, i) => ({ id: i, v: [i + 1, 1, ROWS - i] }))));
const env = { FUNNELVEC_STATE: path('state') };

const STEPS = ['exists', 'create', 'write', 'count'] as const;
type Step = (typeof STEPS)[number];

/** Bodies of status 200 in place of the answer. */
const BODIES: Record<string, string> = {
  nothing: '',
  'a page': '<html>welcome</html>',
  'half an answer': '{"result":{"co',
  null: 'null',
  'an empty object': '{}',
  'an empty result': '{"result":{}}',
  'a result of null': '{"result":null}',
  'a list': '{"result":[]}',
  'a text': '{"result":"ok"}',
  'another status': '{"result":{"operation_id":1,"status":"queued"}}',
};

/** As much of Qdrant as an ingest asks for; `fault` decides what is answered in its place. */
class Collection {
  readonly points = new Map<number, unknown>();
  fault: (step: Step) => string | undefined = () => undefined;
  #exists = false;

  readonly server = createServer(async (request: IncomingMessage, response: ServerResponse) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const [step, result] = this.#answer(`${request.method} ${request.url}`, text === '' ? {} : JSON.parse(text));
    const wrong = this.fault(step);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(wrong ?? JSON.stringify({ result: result(), status: 'ok', time: 0 }));
  });

  #answer(asked: string, body: { points?: { id: number }[]; ids?: number[]; limit?: number }): [Step, () => unknown] {
    if (/\/exists$/.test(asked)) return ['exists', () => ({ exists: this.#exists })];
    if (/\/points\/count/.test(asked)) return ['count', () => ({ count: this.points.size })];
    if (/^PUT .*\/points/.test(asked)) {
      return [
        'write',
        () => {
          for (const point of body.points!) this.points.set(point.id, point);
          return { operation_id: 1, status: 'completed' };
        },
      ];
    }
    if (/^PUT /.test(asked)) {
      return [
        'create',
        () => {
          this.#exists = true;
          return true;
        },
      ];
    }
    // A resumed ingest reads some of what it wrote.
    if (/^POST .*\/points(\/|\?|$)/.test(asked)) {
      const own = body.ids?.map((id) => this.points.get(id)).filter((one) => one !== undefined);
      return ['exists', () => own ?? { points: [...this.points.values()].slice(0, body.limit ?? 10) }];
    }
    const sizes = { head: { size: 1, distance: 'Cosine' }, full: { size: 3, distance: 'Cosine' } };
    return ['exists', () => ({ config: { params: { vectors: sizes } }, payload_schema: {} })];
  }
}

const servers: Collection[] = [];
after(() => {
  for (const { server } of servers) {
    server.close();
    server.closeAllConnections();
  }
});

async function serve(): Promise<{ collection: Collection; line: (name: string) => string[] }> {
  const collection = new Collection();
  servers.push(collection);
  await new Promise<void>((resolve) => collection.server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(collection.server.address() as AddressInfo).port}`;
  const rows = ['ingest', file, '--vector', 'v', '--id', 'id', '--head', '1', '--batch', '10'];
  return { collection, line: (name) => [...rows, '--qdrant', url, '--collection', name, '--json'] };
}

for (const step of STEPS) {
  it(`an ingest whose server answers nonsense to the step '${step}' fails by a code, and the same command ends it`, async () => {
    const wrong: string[] = [];
    for (const [what, body] of Object.entries(BODIES)) {
      const { collection, line } = await serve();
      // Not the first of them, where there are several: what was written before it stays.
      let writes = 0;
      collection.fault = (now) => (now === step && (step !== 'write' || ++writes === 3) ? body : undefined);
      const name = `${step}-${what.replaceAll(' ', '-')}`;
      const { code, json } = await command(line(name), { env });
      const error = json.error?.code;
      if (code !== 1 || !/^(BAD_RESPONSE|NO_FIELD|REFUSED)$/.test(error)) {
        wrong.push(`${what}: ${code}, ${JSON.stringify(json).slice(0, 200)}`);
      }
      if (/INTERNAL/.test(error)) wrong.push(`${what}: ${json.error.message}`);
      collection.fault = () => undefined;
      if (step === 'exists' || step === 'create') continue; // nothing was begun
      const again = await done(line(name), { env });
      if (collection.points.size !== ROWS) wrong.push(`${what}: ${collection.points.size} rows after the second call`);
      assert.equal(again.json.rows, ROWS);
    }
    assert.deepEqual(wrong, []);
  });
}

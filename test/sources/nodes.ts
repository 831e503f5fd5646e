/**
 * Stand-in servers of Qdrant (REST, gRPC) and Milvus over one small collection, for the real clients. Each records what it is
 * asked, answers right, and may die in any phase of a request.
 */
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import { createRequire } from 'node:module';
import type { AddressInfo, Socket } from 'node:net';
import { dirname, resolve } from 'node:path';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import * as qdrant from '@qdrant/js-client-grpc';
import { QdrantClient } from '@qdrant/js-client-rest';
import { MilvusClient } from '@zilliz/milvus2-sdk-node';

/**
 * How a node meets a request. 'refuses': it ends the connection before headers; 'dies': in the body, after the first bytes;
 * 'cancels': gRPC alone, it resets the stream in the body; 'hangs': it never answers. An object is an error that it tells, or a
 * body in place of the answer.
 */
export type Manner =
  | 'answers'
  | 'refuses'
  | 'dies'
  | 'cancels'
  | 'hangs'
  | { status: number; words: string; headers?: Record<string, string>; text?: boolean }
  | { instead: string | Uint8Array };

export interface Asked {
  /** 'query', 'queryBatch', 'scroll', 'retrieve', 'count', 'info'; of Milvus 'Search', 'Query', … */
  call: string;
  // biome-ignore lint/suspicious/noExplicitAny: as the client wrote it
  body: any;
  /** The URL, over REST. */
  url?: URL;
}

export interface Node<Client> {
  client: Client;
  asked: Asked[];
  /** How it meets a call; may be changed at any time. */
  manner: (call: string) => Manner;
  /** Parts of the collection's description beside its vectors. */
  config: Record<string, unknown>;
  close(): Promise<void>;
}

/** A point for each of so many directions. */
const COUNT = 24;
export const POINTS = Array.from({ length: COUNT }, (_, i) => {
  const angle = (2 * Math.PI * i) / COUNT;
  return { id: i + 1, vector: [Math.fround(Math.cos(angle)), Math.fround(Math.sin(angle))] };
});

/** The ids by score, best first; equal ones in order. */
export function idsBy(vector: ArrayLike<number>, limit: number): number[] {
  return best(vector, limit).map(({ id }) => id);
}

function best(vector: ArrayLike<number>, limit: number) {
  return POINTS.map((point) => ({ ...point, score: point.vector[0]! * vector[0]! + point.vector[1]! * vector[1]! }))
    .sort((a, b) => b.score - a.score || a.id - b.id)
    .slice(0, limit);
}

interface Listening {
  port: number;
  close(): Promise<void>;
}

async function listen(server: http.Server | http2.Http2Server): Promise<Listening> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((done) => server.close(done));
    },
  };
}

const CALLS: [RegExp, string][] = [
  [/\/points\/query\/batch$/, 'queryBatch'],
  [/\/points\/query$/, 'query'],
  [/\/points\/scroll$/, 'scroll'],
  [/\/points\/count$/, 'count'],
  [/\/points$/, 'retrieve'],
];

/** A node of Qdrant over REST. */
export async function restNode(options: { timeout?: number } = {}): Promise<Node<QdrantClient>> {
  const asked: Asked[] = [];
  const size = { size: 2, distance: 'Cosine' };
  const point = ({ id, vector }: (typeof POINTS)[number]) => ({
    id,
    version: 0,
    payload: {},
    vector: { full: vector },
  });
  // biome-ignore lint/suspicious/noExplicitAny: as the client wrote it
  const answers: Record<string, (body: any) => unknown> = {
    info: () => ({ config: { params: { vectors: { head: size, full: size } }, ...node.config } }),
    query: ({ query, limit }) => ({ points: best(query, limit).map((one) => ({ score: one.score, ...point(one) })) }),
    queryBatch: ({ searches }) => searches.map(answers['query']!),
    scroll: ({ limit, offset = 1, filter }) => {
      const ids: number[] | undefined = filter?.must?.[0]?.has_id ?? filter?.must?.has_id;
      const rest = POINTS.filter(({ id }) => id >= offset && (ids === undefined || ids.includes(id)));
      return { points: rest.slice(0, limit).map(point), next_page_offset: rest[limit]?.id ?? null };
    },
    count: () => ({ count: COUNT }),
    retrieve: ({ ids }) => POINTS.filter(({ id }) => ids.includes(id)).map(point),
  };
  const server = http.createServer(async (request, response) => {
    let text = '';
    for await (const part of request) text += part;
    const url = new URL(request.url!, 'http://node');
    const call = CALLS.find(([path]) => path.test(url.pathname))?.[1] ?? 'info';
    const body = text === '' ? {} : JSON.parse(text);
    asked.push({ call, body, url });
    const manner = node.manner(call);
    if (manner === 'hangs') return;
    if (manner === 'refuses') {
      request.socket.destroy();
      return;
    }
    if (typeof manner === 'object' && 'status' in manner) {
      const { status, words, headers, text: plain } = manner;
      response.writeHead(status, { 'content-type': plain ? 'text/plain' : 'application/json', ...headers });
      response.end(plain ? words : JSON.stringify({ status: { error: words }, time: 0 }));
      return;
    }
    const instead = typeof manner === 'object' ? String(manner.instead) : undefined;
    const answer = instead ?? JSON.stringify({ result: answers[call]!(body), status: 'ok', time: 0.001 });
    const type = answer.startsWith('<') ? 'text/html' : 'application/json';
    response.writeHead(200, { 'content-type': type, 'content-length': Buffer.byteLength(answer) });
    if (manner === 'answers' || instead !== undefined) response.end(answer);
    else response.write(answer.slice(0, answer.length >> 1), () => request.socket.destroy());
  });
  const { port, close } = await listen(server);
  const client = new QdrantClient({ url: `http://127.0.0.1:${port}`, checkCompatibility: false, ...options });
  const node: Node<QdrantClient> = { client, asked, manner: () => 'answers', config: {}, close };
  return node;
}

interface Unary {
  call: string;
  read(bytes: Buffer): unknown;
  // biome-ignore lint/suspicious/noExplicitAny: as the client wrote it
  answer(request: any): Uint8Array;
}

/** A gRPC server of unary calls, without compression. */
function grpcServer(
  unary: (path: string) => Unary | undefined,
  node: () => Pick<Node<unknown>, 'asked' | 'manner'>,
): http2.Http2Server {
  const server = http2.createServer();
  server.on('sessionError', () => {});
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    const told = (status: number, words: string, more: Record<string, string> = {}) => {
      const head = { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': String(status) };
      stream.respond({ ...head, 'grpc-message': encodeURI(words), ...more }, { endStream: true });
    };
    let read = Buffer.alloc(0);
    stream.on('data', (part: Buffer) => {
      const before = read.length;
      read = Buffer.concat([read, part]);
      // The SDK of Milvus sends no end behind a message that it sends again; servers do not wait for one.
      const size = read.length < 5 ? Number.POSITIVE_INFINITY : 5 + read.readUInt32BE(1);
      if (before < size && read.length >= size) meet(read.subarray(5, size));
    });
    const meet = (message: Buffer): void => {
      if (stream.destroyed) return;
      const one = unary(String(headers[':path']));
      if (one === undefined) {
        told(12, 'unimplemented');
        return;
      }
      const request = one.read(message);
      node().asked.push({ call: one.call, body: request });
      const manner = node().manner(one.call);
      if (manner === 'hangs') return;
      if (manner === 'refuses') {
        stream.session?.destroy();
        return;
      }
      if (typeof manner === 'object' && 'status' in manner) {
        told(manner.status, manner.words, manner.headers);
        return;
      }
      const isInstead = typeof manner === 'object';
      const answer = isInstead ? Buffer.from(manner.instead) : one.answer(request);
      const frame = Buffer.alloc(5 + answer.length);
      frame.writeUInt32BE(answer.length, 1);
      frame.set(answer, 5);
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      if (manner === 'answers' || isInstead) {
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
        stream.end(frame);
        return;
      }
      stream.write(frame.subarray(0, frame.length >> 1), () => {
        if (manner === 'cancels') stream.close(http2.constants.NGHTTP2_CANCEL);
        else setImmediate(() => stream.session?.destroy());
      });
    };
  });
  return server;
}

/** A node of Qdrant over gRPC. */
export async function grpcNode(options: { timeout?: number } = {}): Promise<Node<qdrant.QdrantClient>> {
  const services = qdrant.file_qdrant.dependencies.flatMap((file) => file.services);
  const size = { size: 2n, distance: 1 };
  // biome-ignore lint/suspicious/noExplicitAny: plain messages
  const point = ({ id, vector, score }: any) => ({
    id: { pointIdOptions: { case: 'num', value: BigInt(id) } },
    ...(score !== undefined && { score }),
    vectors: {
      vectorsOptions: {
        case: 'vectors',
        value: { vectors: { full: { vector: { case: 'dense', value: { data: vector } } } } },
      },
    },
  });
  // biome-ignore lint/suspicious/noExplicitAny: as the client wrote it
  const hits = ({ query, limit }: any) => best(query.variant.value.variant.value.data, Number(limit)).map(point);
  // biome-ignore lint/suspicious/noExplicitAny: as the client wrote it
  const answers: Record<string, { call: string; answer(request: any): object }> = {
    get: {
      call: 'retrieve',
      answer: ({ ids }) => {
        // biome-ignore lint/suspicious/noExplicitAny: as the client wrote it
        const wanted = ids.map((one: any) => Number(one.pointIdOptions.value));
        return { result: POINTS.filter(({ id }) => wanted.includes(id)).map(point) };
      },
    },
    query: { call: 'query', answer: (request) => ({ result: hits(request) }) },
    queryBatch: {
      call: 'queryBatch',
      answer: ({ queryPoints }) => ({ result: queryPoints.map((one: object) => ({ result: hits(one) })) }),
    },
    scroll: {
      call: 'scroll',
      answer: ({ limit = 10, offset, filter }) => {
        const has = filter?.must[0]?.conditionOneOf;
        const ids =
          // biome-ignore lint/suspicious/noExplicitAny: as the client wrote it
          has?.case === 'hasId' ? has.value.hasId.map((one: any) => Number(one.pointIdOptions.value)) : undefined;
        const from = Number(offset?.pointIdOptions.value ?? 1);
        const rest = POINTS.filter(({ id }) => id >= from && (ids === undefined || ids.includes(id)));
        const next = rest[limit];
        return { result: rest.slice(0, limit).map(point), ...(next && { nextPageOffset: point(next).id }) };
      },
    },
    count: { call: 'count', answer: () => ({ result: { count: BigInt(COUNT) } }) },
  };
  const info = () => ({
    result: {
      config: {
        params: { vectorsConfig: { config: { case: 'paramsMap', value: { map: { head: size, full: size } } } } },
        ...node.config,
      },
    },
  });
  const server = grpcServer(
    (path) => {
      const [, service, name] = path.split('/');
      const method = services.find((one) => one.typeName === service)?.methods.find((one) => one.name === name);
      if (method === undefined) return undefined;
      const found = service === 'qdrant.Collections' ? { call: 'info', answer: info } : answers[method.localName];
      if (found === undefined) return undefined;
      return {
        call: found.call,
        read: (bytes) => fromBinary(method.input, bytes),
        answer: (request) => toBinary(method.output, create(method.output, { ...found.answer(request), time: 0.001 })),
      };
    },
    () => node,
  );
  const { port, close } = await listen(server);
  const client = new qdrant.QdrantClient({
    host: '127.0.0.1',
    port,
    https: false,
    compression: false,
    checkCompatibility: false,
    timeout: 30_000, // a call whose node dies may never end by itself, and keeps the process until then
    ...options,
  });
  const node: Node<qdrant.QdrantClient> = { client, asked: [], manner: () => 'answers', config: {}, close };
  return node;
}

/** A node of Milvus. */
export async function milvusNode(options: { timeout?: number } = {}): Promise<Node<MilvusClient>> {
  const require = createRequire(resolve('package.json'));
  const folder = dirname(require.resolve('@zilliz/milvus2-sdk-node'));
  const loader = require('@grpc/proto-loader');
  const proto = require(`${folder}/proto-json/milvus`).default;
  const kinds = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true };
  const service = loader.fromJSON(proto, kinds)['milvus.proto.milvus.MilvusService'];
  const ok = { error_code: 'Success', code: 0 };
  const field = (name: string, fieldID: number, data_type: string, more: object = {}) => {
    return { name, fieldID, data_type, ...more };
  };
  const params = [{ key: 'metric_type', value: 'COSINE' }];
  const dim = { type_params: [{ key: 'dim', value: '2' }] };
  const fields = [
    field('id', 100, 'Int64', { is_primary_key: true }),
    field('head', 101, 'FloatVector', dim),
    field('full', 102, 'FloatVector', dim),
  ];
  const columns = (rows: readonly (typeof POINTS)[number][], outputs: readonly string[]) =>
    outputs.flatMap((name): object[] => {
      if (name === 'count(*)') return [{ type: 'Int64', field_name: name, scalars: { long_data: { data: [COUNT] } } }];
      if (name === 'id') {
        return [{ type: 'Int64', field_name: name, scalars: { long_data: { data: rows.map(({ id }) => id) } } }];
      }
      const data = rows.flatMap(({ vector }) => vector);
      return [{ type: 'FloatVector', field_name: name, vectors: { dim: 2, float_vector: { data } } }];
    });
  // biome-ignore lint/suspicious/noExplicitAny: as the SDK wrote it
  const answers: Record<string, (request: any) => object> = {
    Connect: () => ({
      status: ok,
      server_info: { build_tags: '2.6.0', build_time: '', git_commit: '' },
      identifier: 1,
    }),
    DescribeCollection: () => ({
      status: ok,
      schema: { name: 'films', fields },
      consistency_level: 'Bounded',
      collection_name: 'films',
    }),
    DescribeIndex: () => ({
      status: ok,
      index_descriptions: ['head', 'full'].map((name) => ({ index_name: name, field_name: name, params })),
    }),
    ShowPartitions: () => ({ status: ok, partition_names: ['_default', 'a', 'p', 'q'], inMemory_percentages: [] }),
    GetVersion: () => ({ status: ok, version: '2.6.0' }),
    Search: ({ placeholder_group, search_params, output_fields }) => {
      const limit = Number(search_params.find(({ key }: { key: string }) => key === 'topk').value);
      // The last eight bytes of a group of one vector are its two floats.
      const bytes = Buffer.from(placeholder_group);
      const vector = [bytes.readFloatLE(bytes.length - 8), bytes.readFloatLE(bytes.length - 4)];
      const rows = best(vector, limit);
      return {
        status: ok,
        results: {
          num_queries: 1,
          top_k: rows.length,
          topks: [rows.length],
          scores: rows.map(({ score }) => score),
          ids: { int_id: { data: rows.map(({ id }) => id) } },
          fields_data: columns(rows, output_fields),
          output_fields,
        },
        collection_name: 'films',
      };
    },
    Query: ({ expr, output_fields, query_params }) => {
      const listed = /in \[([\d,]+)\]/.exec(expr)?.[1]?.split(',').map(Number);
      const behind = Number(/> (\d+)/.exec(expr)?.[1] ?? 0);
      const limit = Number(query_params.find(({ key }: { key: string }) => key === 'limit')?.value ?? COUNT);
      const rows = POINTS.filter(({ id }) => (listed ? listed.includes(id) : id > behind)).slice(0, limit);
      return { status: ok, fields_data: columns(rows, output_fields), output_fields, collection_name: 'films' };
    },
  };
  const server = grpcServer(
    (path) => {
      const name = path.slice(path.lastIndexOf('/') + 1);
      const method = path.startsWith('/milvus.proto.milvus.MilvusService/') ? service[name] : undefined;
      if (method === undefined || !Object.hasOwn(answers, name)) return undefined;
      return {
        call: name,
        read: (bytes) => method.requestDeserialize(bytes),
        answer: (request) => method.responseSerialize(node.config[name] ?? answers[name]!(request)),
      };
    },
    () => node,
  );
  const { port, close } = await listen(server);
  const node = { asked: [], manner: () => 'answers', config: {} } as unknown as Node<MilvusClient>;
  node.client = new MilvusClient({
    address: `127.0.0.1:${port}`,
    maxRetries: 1,
    retryDelay: 1,
    channelOptions: { 'grpc.initial_reconnect_backoff_ms': 20 },
    ...options,
  });
  node.close = async () => {
    await node.client.closeConnection();
    await close();
  };
  return node;
}

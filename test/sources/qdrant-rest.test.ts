import { QdrantClient as GrpcClient } from '@qdrant/js-client-grpc';
import { QdrantClient } from '@qdrant/js-client-rest';
import { sourceConformance } from 'funnelvec/source/conformance';
import { SEED } from '../random.js';
import { refusalsOf } from './feature-table.js';
import { funnelsOverGlosses } from './glosses.js';
import { openSource, qdrantLoader } from './qdrant-backend.js';
import { qdrantMark, startQdrant } from './servers.js';

await sourceConformance(
  `Qdrant over REST${qdrantMark}`,
  async () => {
    const server = await startQdrant();
    const grpc = new GrpcClient({ host: server.grpcHost, port: server.grpcPort, checkCompatibility: false });
    const client = new QdrantClient({ url: server.url, checkCompatibility: false });
    let decoded: boolean[] = [];
    let searches = 0;
    const api = client.api();
    const { queryPoints, queryBatchPoints } = api;
    api.queryBatchPoints = Object.assign(
      (async (...args: Parameters<typeof queryBatchPoints>) => {
        searches++;
        const answer = await queryBatchPoints(...args);
        decoded.push(answer.data.result !== undefined);
        return answer;
      }) as typeof queryBatchPoints,
      queryBatchPoints,
    );
    api.queryPoints = Object.assign(
      (async (...args: Parameters<typeof queryPoints>) => {
        searches++;
        const answer = await queryPoints(...args);
        decoded.push(answer.data.result !== undefined);
        return answer;
      }) as typeof queryPoints,
      queryPoints,
    );
    return {
      ...qdrantLoader(server.url, grpc),
      version: server.version,
      supports: {
        idKinds: { number: 'number', string: 'string' },
        exact: 'server',
        refusesBigIds: /gRPC/,
        normalises: true,
        collections: true,
        tails: true,
        decoders: true,
        server: true,
        refuses: refusalsOf('Qdrant, REST', [server.version]),
      },
      searches: () => searches,
      source: (options) => openSource(client, options),
      elsewhere: (port, options) =>
        openSource(new QdrantClient({ url: `http://127.0.0.1:${port}`, checkCompatibility: false }), options),
      clientDecoded: () => {
        const was = decoded;
        decoded = [];
        return was;
      },
      idOf: (row) => row.id,
      filters: {
        even: { must: [{ key: 'even', match: { value: true } }] },
        small: { must: [{ key: 'n', range: { lt: 10 } }] },
        nothing: { must: [{ key: 'title', match: { value: 'none' } }] },
        bad: { must: [{ key: 'n', range: { gt: 'x' } }] },
      },
      stop: () => server.stop(),
    };
  },
  { seed: SEED, funnels: [funnelsOverGlosses] },
);

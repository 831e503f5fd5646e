import { QdrantClient as GrpcClient } from '@qdrant/js-client-grpc';
import { QdrantClient } from '@qdrant/js-client-rest';
import { sourceConformance } from './conformance.js';
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
      column: 'Qdrant, REST',
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
      idKinds: { number: 'number', string: 'string', big: 'number' },
      filters: {
        even: { must: [{ key: 'even', match: { value: true } }] },
        small: { must: [{ key: 'n', range: { lt: 10 } }] },
        nothing: { must: [{ key: 'title', match: { value: 'none' } }] },
        bad: { must: [{ key: 'n', range: { gt: 'x' } }] },
      },
      stop: () => server.stop(),
    };
  },
  {
    skips: {
      'ids beyond 2^53 arrive exactly': 'JSON cannot carry them',
      'ids beyond 2^53 are scanned and fetched exactly': 'JSON cannot carry them',
      'a limit beyond the database is refused before the search': 'Qdrant has no such limit',
      'a collection that is not loaded is an error of its own': 'Qdrant loads by itself',
    },
  },
);

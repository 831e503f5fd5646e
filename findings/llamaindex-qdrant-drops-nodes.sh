#!/usr/bin/env bash
# LlamaIndex.TS' Qdrant store leaves out every 101st node, and returns without an error.
#
# Package:    npm @llamaindex/qdrant 0.1.33 with @llamaindex/core 0.6.23 and @qdrant/js-client-rest 1.18.0
# Behaviour:  add() cuts the nodes into batches of 100 by two nested loops that both advance the same counter, so that the
#             node behind each full batch is never written. add() resolves; the ids that it returns lack the same nodes.
# Seen:       205 nodes given, 203 points sent, 203 ids returned; nodes 100 and 201 are in neither.
# Guess:      205 points in three requests.
# Who is hurt: whoever indexes more than 100 nodes at once and expects a count, or looks for a document that is not there; and
#             whoever compares recall with another store that was filled from the same nodes.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --ignore-scripts --no-audit --no-fund --silent \
  @llamaindex/qdrant@0.1.33 @llamaindex/core@0.6.23 @qdrant/js-client-rest@1.18.0
cat > add.mjs <<'JS'
import { createServer } from 'node:http';
import { TextNode } from '@llamaindex/core/schema';
import { QdrantVectorStore } from '@llamaindex/qdrant';

// Answers as Qdrant does, and notes the ids of the points that it is sent.
const sent = [];
const server = createServer((request, response) => {
  let body = '';
  request.on('data', (part) => (body += part));
  request.on('end', () => {
    for (const { id } of (body && JSON.parse(body).points) || []) sent.push(id);
    const result = request.url.includes('/points')
      ? { operation_id: 0, status: 'completed' }
      : { exists: true, collections: [{ name: 'c' }] };
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ title: 'qdrant', version: '1.18.0', result, status: 'ok', time: 0 }));
  });
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const url = `http://127.0.0.1:${server.address().port}`;
const store = new QdrantVectorStore({ url, collectionName: 'c', embeddingModel: {} });
const nodes = Array.from({ length: 205 }, (_, i) => new TextNode({ text: `text ${i}`, embedding: [1, i + 1] }));
const ids = await store.add(nodes);
const lost = nodes.flatMap(({ id_ }, i) => (sent.includes(id_) ? [] : [i]));
console.log(JSON.stringify({ given: nodes.length, sent: sent.length, returned: ids.length, lost }));
server.close();
JS
got=$(timeout 120 node add.mjs)
echo "$got"
[ "$got" = '{"given":205,"sent":203,"returned":203,"lost":[100,201]}' ]

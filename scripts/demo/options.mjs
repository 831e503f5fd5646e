// The command line of the demo.
import { parseArgs } from 'node:util';

export const USAGE = `Usage: npm run demo -- [options] ["a query" ...]

Searches WordNet glosses in an embedded index on disk: by the funnel, exactly, and by a scan of all rows; no server
is needed. With a database: by the head of the vectors alone, by the funnel, and by the full vectors. Without queries
it brings its own. Python embeds the glosses once, and queries of yours.

Options:
  --store <name>     embedded (default), milvus or qdrant. The databases are started here, or run at MILVUS_ADDRESS
                     (host:port) or QDRANT_URL
  --count <n>        glosses to index (default 30000)
  --limit <n>        hits per search (default 10)
  --sample <n>       example sentences to measure recall and times with (default 100, 0 for none)
  --kernels <name>   kernels to search and re-rank with, such as avx2, wasm or js (default: the best of this machine)
  --json             one JSON document on stdout instead of tables (with npm: npm run --silent demo -- --json)
  --help             this text
`;

export class UsageError extends Error {}

const OPTIONS = {
  store: { type: 'string', default: 'embedded' },
  count: { type: 'string', default: '30000' },
  limit: { type: 'string', default: '10' },
  sample: { type: 'string', default: '100' },
  kernels: { type: 'string' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
};

/** @throws UsageError */
export function parseOptions(args) {
  let parsed;
  try {
    parsed = parseArgs({ args, options: OPTIONS, allowPositionals: true });
  } catch (error) {
    // The first sentence says it; the rest is about positional arguments that begin with a dash.
    throw new UsageError(error.message.split('. ')[0], { cause: error });
  }
  const { values, positionals } = parsed;
  if (!['embedded', 'milvus', 'qdrant'].includes(values.store)) {
    throw new UsageError(`--store is embedded, milvus or qdrant, not ${JSON.stringify(values.store)}`);
  }
  const limit = integer('limit', values.limit, 1, 100);
  const queries = positionals.map((text) => text.trim());
  if (queries.includes('')) throw new UsageError('a query needs words');
  return {
    store: values.store,
    count: integer('count', values.count, Math.max(500, limit), 100_000),
    limit,
    sample: integer('sample', values.sample, 0, 400),
    kernels: values.kernels,
    json: values.json,
    help: values.help,
    queries,
  };
}

function integer(name, text, min, max) {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new UsageError(`--${name} is a whole number from ${min} to ${max}, not ${JSON.stringify(text)}`);
}

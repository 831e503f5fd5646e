// `npm run demo`: the funnel against the head alone and the full search, in a real database.
// Nothing from node_modules before set-up has run.
import { DIM, embedTexts, loadGlosses } from '../data/glosses.mjs';
import { setup } from '../setup/setup.mjs';
import { log } from '../setup/steps.mjs';
import { parseOptions, USAGE, UsageError } from './options.mjs';
import { advice, makeReport } from './show.mjs';
import { openStore } from './stores.mjs';
import { printable, progress } from './terminal.mjs';

/** A quarter of the dims: short enough that the head alone visibly loses. */
const HEAD = 64;

/** All but the last come back whole on the default collection; the last one shows what a pool of 128 cannot hold. */
const QUERIES = [
  'a small boat moved by oars',
  'the art of beautiful handwriting',
  'a substance that kills weeds',
  'someone who steals from shops',
  'a very old document',
];

async function main(options) {
  const { serversMissing } = await setup({ withTests: false });
  const { activeKernels, useKernels } = await import('funnelvec');
  if (options.kernels !== undefined) useKernels(options.kernels);
  if (serversMissing) throw new Error('the demo needs its Python environment', { cause: new Error(serversMissing) });

  const embedding = progress('Embedding', 'glosses');
  const glosses = await loadGlosses({ count: options.count, onProgress: embedding.update });
  embedding.done(options.count);
  const texts = options.queries.length > 0 ? options.queries : QUERIES;
  const embedded = embedTexts(texts); // meanwhile the database starts
  embedded.catch(() => {}); // told below

  const filling = progress('Filling the database', 'rows');
  const store = await openStore(options.store, { glosses, head: HEAD, log, onFill: filling.update });
  try {
    filling.done(options.count, store.reused);
    const vectors = await embedded;
    const queries = texts.map((text, i) => ({ text, vector: row(vectors, i) }));
    const unknown = queries.find(({ vector }) => vector.every((value) => value === 0));
    if (unknown) throw new Error(`The model knows no word of “${printable(unknown.text)}”`);
    const plan = {
      head: HEAD,
      candidates: Math.min(options.count, Math.max(128, 4 * options.limit)),
      scales: [128, DIM],
      keep: 0.5,
      limit: options.limit,
    };
    const about = {
      store: { kind: store.kind, label: store.label, note: store.note },
      rows: options.count,
      dim: DIM,
      plan,
      kernels: activeKernels().name,
    };
    await report(options, { about, store, glosses, queries });
  } finally {
    await store.close();
  }
}

async function report(options, { about, store, glosses, queries }) {
  const { plan, rows, dim } = about;
  const { makeComparison } = await import('./compare.mjs'); // imports the package
  const describe = (id) => ({ word: glosses.words[id], gloss: glosses.texts[id] });
  const comparison = makeComparison({ source: store.source, plan, describe });
  const sample = sampleOf(glosses, options.sample);
  await comparison.warmUp(sample.length > 0 ? sample : queries.map(({ vector }) => vector));

  const show = options.json ? undefined : makeReport(process.stdout, about);
  show?.intro(about);
  const results = [];
  for (const query of queries) {
    const result = await comparison.compare(query);
    results.push(result);
    show?.comparison(result);
  }

  let summary;
  if (sample.length > 0) {
    show?.gap();
    const measuring = progress('Measuring', 'sentences');
    summary = await comparison.summarise(sample, rows, measuring.update);
    measuring.done(sample.length, false);
    summary.advice = advice({ ...summary, plan, rows, dim });
    show?.summary(summary);
  }
  show?.gap();
  if (options.json) process.stdout.write(`${JSON.stringify({ ...about, queries: results, summary }, null, 2)}\n`);
}

/** Example sentences, evenly out of all there are. */
function sampleOf({ queries, queryRows }, wanted) {
  const size = Math.min(wanted, queries.length);
  return Array.from({ length: size }, (_, i) => row(queryRows, Math.floor((i * queries.length) / size)));
}

function row(rows, i) {
  return rows.slice(i * DIM, (i + 1) * DIM);
}

function fail(error) {
  const lines = [`funnelvec demo: ${error.message}`];
  const { cause } = error;
  if (cause instanceof Error && !error.message.includes(cause.message)) lines.push(`  because: ${cause.message}`);
  process.stderr.write(`${lines.join('\n')}\n`);
  process.exitCode = 1;
}

// A reader such as head may close the pipe: nobody is left to tell. The servers end with the process.
process.stdout.on('error', (error) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

try {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) process.stdout.write(USAGE);
  else await main(options);
} catch (error) {
  if (error instanceof UsageError) {
    process.stderr.write(`funnelvec demo: ${error.message}\n\n${USAGE}`);
    process.exitCode = 2;
  } else {
    fail(error);
  }
}

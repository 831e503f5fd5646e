// `npm run demo`: the embedded index, or the funnel over a database, on WordNet's definitions.
// Nothing from node_modules before set-up has run.
import { DIM, loadGlosses } from '../data/glosses.mjs';
import { setup } from '../setup/setup.mjs';
import { ensureVenv } from '../setup/venv.mjs';
import { embedOnce } from './embed-once.mjs';
import { parseOptions, USAGE, UsageError } from './options.mjs';
import { printable, progress } from './terminal.mjs';

const QUERIES = [
  'a small boat moved by oars',
  'the art of beautiful handwriting',
  'a substance that kills weeds',
  'someone who steals from shops',
  'a very old document',
];

async function main(options) {
  const embedded = options.store === 'embedded';
  const ready = setup({ withTests: false, withServers: !embedded });
  ensureVenv().catch(() => {}); // comes meanwhile; who embeds says what is missing
  const { serversMissing } = await ready;
  const { useKernels } = await import('funnelvec');
  if (options.kernels !== undefined) useKernels(options.kernels);
  if (serversMissing) throw new Error('the demo needs its Python environment', { cause: new Error(serversMissing) });

  const embedding = progress('Embedding', 'glosses');
  const glosses = await loadGlosses({ count: options.count, onProgress: embedding.update });
  embedding.done(options.count);
  const texts = options.queries.length > 0 ? options.queries : QUERIES;
  const vectors = embedOnce(texts).then((rows) => named(texts, rows)); // meanwhile the database starts
  vectors.catch(() => {}); // told where it is awaited
  const sample = sampleOf(glosses, options.sample);
  const { show } = embedded ? await import('./embedded.mjs') : await import('./database.mjs'); // import the package
  await show({ options, glosses, queries: vectors, sample });
}

function named(texts, rows) {
  const queries = texts.map((text, i) => ({ text, vector: row(rows, i) }));
  const unknown = queries.find(({ vector }) => vector.every((value) => value === 0));
  if (unknown) throw new Error(`The model knows no word of “${printable(unknown.text)}”`);
  return queries;
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

// The funnel against the head alone and the full search, in a real database.
import { activeKernels } from 'funnelvec';
import { DIM } from '../data/glosses.mjs';
import { log } from '../setup/steps.mjs';
import { makeComparison } from './compare.mjs';
import { advice, makeReport } from './show.mjs';
import { openStore } from './stores.mjs';
import { progress } from './terminal.mjs';

/** A quarter of the dims: short enough that the head alone visibly loses. */
const HEAD = 64;

export async function show({ options, glosses, queries, sample }) {
  const filling = progress('Filling the database', 'rows');
  const store = await openStore(options.store, { glosses, head: HEAD, log, onFill: filling.update });
  try {
    filling.done(options.count, store.reused);
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
    await report(options, { about, store, glosses, queries: await queries, sample });
  } finally {
    await store.close();
  }
}

async function report(options, { about, store, glosses, queries, sample }) {
  const { plan, rows, dim } = about;
  const describe = (id) => ({ word: glosses.words[id], gloss: glosses.texts[id] });
  const comparison = makeComparison({ source: store.source, plan, describe });
  await comparison.warmUp(sample.length > 0 ? sample : queries.map(({ vector }) => vector));

  const shown = options.json ? undefined : makeReport(process.stdout, about);
  shown?.intro(about);
  const results = [];
  for (const query of queries) {
    const result = await comparison.compare(query);
    results.push(result);
    shown?.comparison(result);
  }

  let summary;
  if (sample.length > 0) {
    shown?.gap();
    const measuring = progress('Measuring', 'sentences');
    summary = await comparison.summarise(sample, rows, measuring.update);
    measuring.done(sample.length, false);
    summary.advice = advice({ ...summary, plan, rows, dim });
    shown?.summary(summary);
  }
  shown?.gap();
  if (options.json) process.stdout.write(`${JSON.stringify({ ...about, queries: results, summary }, null, 2)}\n`);
}

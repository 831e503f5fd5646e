/** `funnelvec search` on a terminal: an open store behind the prompt. */
import { type Io, widthOf } from './io.js';
import type { LoadEmbedder } from './model.js';
import { prompt } from './prompt.js';
import { askingOf, asTable, close, openForSearch, type TextSearchOptions } from './search.js';
import type { Place } from './stores/store.js';

export async function liveSearch(place: Place, options: TextSearchOptions, io: Io, load: LoadEmbedder): Promise<void> {
  const opened = await openForSearch(place, options, load, true);
  const { searcher, embedder } = opened;
  try {
    const asking = askingOf(options, opened);
    // One column less than the terminal has: what fills the last one may break the line.
    const narrow: Io = { ...io, env: { ...io.env } };
    narrow.stdout = Object.create(io.stdout, { columns: { get: () => widthOf(io.stdout, io.env) - 1 } });
    await prompt(io, place.label, async (text, signal) => {
      const start = performance.now();
      const vector = await embedder!.embed([text], { role: 'query', signal });
      const embedMs = performance.now() - start;
      const found = await searcher.query({ ...asking, vector, signal });
      return { found, embedMs, lines: asTable(found, narrow, options.explain).split('\n') };
    });
  } finally {
    await close(opened);
  }
}

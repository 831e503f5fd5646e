/** The command line of `funnelvec demo`. */
import type { Command } from 'commander';
import type { DemoResult } from '../demo.js';
import { Interrupted } from '../exit.js';
import { type Io, painter, print, printJson, widthOf } from '../io.js';
import { specOf } from '../model.js';
import { count, textTable } from '../text.js';
import type { Context } from './context.js';
import { addModel, type CommonOptions, integer } from './options.js';

const EXAMPLES = `
Examples:
  $ funnelvec demo
  $ funnelvec demo --model models/wordllama --preset wordllama

Nothing is downloaded, and nothing is written.`;

export function addDemo(command: Command, { io, load }: Context): void {
  addModel(command)
    .option('--rows <rows>', 'made-up vectors', integer('--rows', 1000, 1_000_000), 20_000)
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', EXAMPLES)
    .action(async (options: CommonOptions & { rows: number }) => {
      const model = specOf(options);
      const { demo } = await import('../demo.js');
      const result = await demo({ rows: options.rows, ...(model && { model }) }, io, load);
      if (io.stop.aborted) throw new Interrupted('Stopped.');
      if (io.json) printJson(io, result);
      else print(io, textOf(result, io));
    });
}

function textOf({ what, rows, dim, modes = [], answers = [] }: DemoResult, io: Io): string {
  const paint = painter(io.stdout, io.env);
  const width = widthOf(io.stdout, io.env);
  const lines = [`${count(rows)} ${what} (${dim} dims)`, ''];
  if (modes.length > 0) {
    const columns = ['10 nearest by', 'ms', 'recall', 'rows read in full'].map((name, i) => ({ name, right: i > 0 }));
    const cells = modes.map(({ how, ms, recall, read }) => [
      how,
      ms.toFixed(3),
      recall.toFixed(3),
      count(Math.round(read)),
    ]);
    lines.push(...textTable(columns, cells, width, paint.bold), '');
    lines.push('Mode exact equals the scan, and proves it. With texts: funnelvec demo --model <name or path>.');
  }
  for (const { query, hits } of answers) {
    lines.push(paint.bold(query));
    for (const { text, score } of hits) lines.push(`  ${score.toFixed(3)}  ${text}`);
  }
  return lines.join('\n');
}

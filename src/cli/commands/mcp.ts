/** The command line of `funnelvec mcp`. */
import type { Command } from 'commander';
import { specOf } from '../model.js';
import type { Context } from './context.js';
import { addEndpoint, addModel, addPlace, addVectorOptions, type CommonOptions, headDims } from './options.js';

const EXAMPLES = `
An entry of a client's configuration:
  { "mcpServers": { "films": { "command": "npx", "args": ["--prefix", "/my/project", "--no", "funnelvec", "mcp", "--store", "/data/films"] } } }
Its tools, search and describe_store, only read. Needs the package @modelcontextprotocol/sdk.`;

interface Options extends CommonOptions {
  tuned?: boolean;
}

export function addMcp(command: Command, { io, load }: Context): void {
  addEndpoint(addModel(addVectorOptions(addPlace(command))))
    .option('--no-tuned', 'not by the plan that tune chose')
    .addHelpText('after', EXAMPLES)
    .action(async (options: Options) => {
      const { placeOf } = await import('../stores/open.js');
      const place = placeOf(options, io.env);
      const head = headDims(options);
      const model = specOf(options);
      const { tuned = true } = options;
      const { serveMcp } = await import('../mcp.js');
      await serveMcp(place, { tuned, ...(model && { model }), ...(head !== undefined && { head }) }, io, load);
    });
}

/** The command line of `funnelvec search`. */
import type { Command } from 'commander';
import { VECTOR_TYPES, type VectorType } from '../../files/vector-type.js';
import type { Plan } from '../../funnel/plan.js';
import { UsageError } from '../exit.js';
import { specOf } from '../model.js';
import { filterFrom, queryText } from '../query-input.js';
import type { TextSearchOptions } from '../search.js';
import type { Context } from './context.js';
import {
  addEndpoint,
  addModel,
  addPlace,
  addVectorOptions,
  type CommonOptions,
  headDims,
  integer,
  integers,
  nameOfModel,
  oneOf,
  shares,
  VECTOR_TYPE,
} from './options.js';

const EXAMPLES = `
Examples:
  $ funnelvec search --store films "a hotel in winter"
  $ funnelvec search --store films                      # searches as you type
  $ funnelvec search --store films --mode exact --limit 5 --json "a hotel in winter"
  $ funnelvec search --store films --filter '{"must":{"key":"year","range":{"lt":1990}}}' "robots"
  $ funnelvec search --qdrant http://127.0.0.1:6333 --collection films --candidates 256 --explain "robots"
  $ funnelvec search --qdrant http://127.0.0.1:6333 --collection docs --head text_64 --full text --vector query.json
  $ funnelvec search --store vectors --vector '[0.1, 0.9]'`;

interface Options extends CommonOptions {
  vector?: string;
  vectorType?: VectorType;
  limit?: number;
  filter?: string;
  mode?: 'funnel' | 'exact';
  candidates?: number;
  scales?: number[];
  keep?: number | number[];
  tuned?: boolean;
  explain?: boolean;
}

export function addSearch(command: Command, { io, load }: Context): void {
  addVectorOptions(addPlace(command))
    .option('--vector <json or file>', 'a query vector, in place of a text')
    .option('--vector-type <type>', `of it: ${VECTOR_TYPE}`, oneOf('--vector-type', VECTOR_TYPES))
    .option('--limit <hits>', 'hits (default: 10)', integer('--limit', 1, 10_000))
    .option('--filter <json or file>', 'only rows that pass, in the form of Qdrant’s REST interface')
    .option('--mode <mode>', 'funnel or exact', oneOf('--mode', ['funnel', 'exact']))
    .option('--candidates <rows>', 'rows that the head search fetches', integer('--candidates', 1))
    .option('--scales <dims>', 'prefixes that are scored, with commas between', integers('--scales'))
    .option('--keep <shares>', 'of the rows at each scale', shares('--keep'))
    .option('--no-tuned', 'not by the plan that tune chose')
    .option('--explain', 'also what each stage read and kept');
  addEndpoint(addModel(command))
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', EXAMPLES)
    .action(async (words: string[], options: Options) => {
      const { placeOf } = await import('../stores/open.js');
      const place = placeOf(options, io.env);
      const text = queryText(words);
      if (text !== undefined && options.vector !== undefined) {
        throw new UsageError('Expected a query text or --vector but received both');
      }
      if (options.vectorType !== undefined && options.vector === undefined) {
        throw new UsageError('Expected --vector beside --vector-type');
      }
      const own = searchOptions(options, text);
      if (own.model !== undefined && options.vector !== undefined) {
        throw new UsageError(`Expected a query text beside ${nameOfModel(options)} but received --vector`);
      }
      if (text !== undefined || options.vector !== undefined) {
        const { search } = await import('../search.js');
        return search(place, own, io, load);
      }
      if (!io.stdin.isTTY || !io.stdout.isTTY || io.json) {
        throw new UsageError('Expected a query text, or --vector (only on a terminal one can do without)');
      }
      const { liveSearch } = await import('../live-search.js');
      await liveSearch(place, own, io, load);
    });
}

function searchOptions(options: Options, text: string | undefined): TextSearchOptions {
  const head = headDims(options);
  const { vector, vectorType, limit, filter, mode, candidates, scales, keep } = options;
  const { tuned = true, explain = false } = options;
  const model = specOf(options);
  const plan: Partial<Plan> = {
    ...(candidates !== undefined && { candidates }),
    ...(scales && { scales }),
    ...(keep !== undefined && { keep }),
  };
  return {
    tuned,
    explain,
    ...(text !== undefined && { text }),
    ...(vector !== undefined && { vector }),
    ...(vectorType && { vectorType }),
    ...(model && { model }),
    ...(limit !== undefined && { limit }),
    ...(filter !== undefined && { filter: filterFrom(filter) }),
    ...(mode && { mode }),
    ...(head !== undefined && { head }),
    ...(Object.keys(plan).length > 0 && { plan }),
  };
}

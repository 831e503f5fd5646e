/** The command lines of `funnelvec tune`, `report` and `bench`: what is measured with a sample of queries. */
import type { Command } from 'commander';
import { type Format, isMatrixFormat, isText } from '../../files/formats/open.js';
import type { TextOptions } from '../../files/formats/reader.js';
import { VECTOR_TYPES, type VectorType } from '../../files/vector-type.js';
import type { PromiseKind } from '../../tune/index.js';
import type { BenchResult } from '../bench.js';
import { EXIT, UsageError } from '../exit.js';
import { checkTruthName, formatOfFile, needModel } from '../files.js';
import { type Io, note, painter, print, printJson, widthOf } from '../io.js';
import { specOf } from '../model.js';
import type { QueryFile } from '../queries.js';
import { filterFrom } from '../query-input.js';
import { bytes, count, textTable } from '../text.js';
import type { Tuned } from '../tune.js';
import type { Context } from './context.js';
import {
  addEndpoint,
  addModel,
  addPlace,
  addReading,
  addVectorOptions,
  type CommonOptions,
  headDims,
  integer,
  integers,
  nameOfModel,
  names,
  oneOf,
  shareOption,
  textOptions,
  VECTOR_TYPE,
} from './options.js';

const TUNE_EXAMPLES = `
Examples:
  $ funnelvec tune --store films --queries queries.txt
  $ funnelvec tune --store films --queries log.jsonl --text request.query --recall 0.95 --k 5 --report recall.html
  $ funnelvec tune --store vectors --queries queries.jsonl --vector vector
  $ funnelvec tune --qdrant http://127.0.0.1:6333 --collection films --queries queries.npy
  $ funnelvec tune --store sift --queries sift_query.fvecs --truth sift_groundtruth.ivecs

A half of the queries chooses the plan, the other tests it. The plan is kept beside the store and funnelvec search goes
by it, for up to --k hits (--no-save; search --no-tuned). Where the promise cannot be made nothing is kept, the reason is
given, and the exit code is ${EXIT.failed}.`;

const REPORT_EXAMPLES = `
Examples:
  $ funnelvec report --store films --out recall.html

What the last funnelvec tune of the store found, as one page that needs no network.`;

const BENCH_EXAMPLES = `
Examples:
  $ funnelvec bench --store films --queries queries.txt
  $ funnelvec bench --milvus 127.0.0.1:19530 --collection films --limit 5`;

interface SampleOptions extends CommonOptions, TextOptions {
  queries?: string;
  truth?: string;
  text?: string[];
  vector?: string;
  vectorType?: VectorType;
  format?: Format;
  sample: number;
}

interface TuneLine extends SampleOptions {
  recall: number;
  k: number;
  confidence?: number;
  promise: PromiseKind;
  candidates?: number;
  seconds?: number;
  scales?: number[];
  filter?: string;
  report?: string;
  exact: boolean;
  save: boolean;
}

function addSample(command: Command): Command {
  addVectorOptions(addPlace(command))
    .option('--queries <file>', 'real queries: a text a line in .txt, or rows as ingest reads them')
    .option(
      '--truth <file>',
      'of the file: true neighbours, row for row as numbers of rows (.ivecs, .ibin, .hdf5), in place of exact searches',
    )
    .option('--text <columns>', 'of the file: the texts (default: text)', names('--text'))
    .option('--vector <column>', 'of the file: vectors, in place of texts')
    .option('--vector-type <type>', `of the file: ${VECTOR_TYPE}`, oneOf('--vector-type', VECTOR_TYPES))
    .option('--sample <queries>', 'at most so many, drawn by chance', integer('--sample', 2), 2000);
  return addEndpoint(addModel(addReading(command)));
}

export function addTune(command: Command, { io, load }: Context): void {
  addSample(command)
    .option('--recall <share>', 'of the true neighbours', shareOption('--recall'), 0.99)
    .option('--k <hits>', 'the true neighbours of a query', integer('--k', 1, 1024), 10)
    .option('--confidence <share>', 'of the promise (default: 0.95; expected has none)', shareOption('--confidence'))
    .option(
      '--promise <kind>',
      'mean (of recall), complete (share of queries that lose nothing), expected (of the next query)',
      oneOf('--promise', ['mean', 'complete', 'expected']),
      'mean',
    )
    .option('--candidates <rows>', 'the largest pool that is looked at', integer('--candidates', 1))
    .option('--seconds <seconds>', 'for asking: fewer queries are used when they end', integer('--seconds', 1))
    .option('--scales <dims>', 'prefixes that plans may score', integers('--scales'))
    .option('--filter <json or file>', 'the promise holds under it')
    .option('--report <file.html>', 'also draws what it found')
    .option('--no-exact', 'mode exact may not be the answer, however quick it is')
    .option('--no-save', 'the plan is not kept')
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', TUNE_EXAMPLES)
    .action(async (options: TuneLine) => {
      const { placeOf } = await import('../stores/open.js');
      const place = placeOf(options, io.env);
      if (options.truth !== undefined && options.filter !== undefined) {
        throw new UsageError('Expected no --filter beside --truth, which is of all rows');
      }
      const { recall, k, confidence, promise, candidates, seconds, scales, filter, exact, save } = options;
      const { tuneStore } = await import('../tune.js');
      const tuned = await tuneStore(
        place,
        {
          ...sampleOf(options),
          target: { recall, k, promise, ...(confidence !== undefined && { confidence }) },
          exact,
          save,
          ...(candidates !== undefined && { candidates }),
          ...(seconds !== undefined && { seconds }),
          ...(scales && { scales }),
          ...(filter !== undefined && { filter: filterFrom(filter) }),
        },
        io,
        load,
      );
      if (tuned.result.refused !== undefined) io.exitCode = EXIT.failed;
      const { report } = options;
      // Where no page can be written the error is the one document on stdout; people see first what was found.
      if (report !== undefined && io.json) await drawn(tuned, report, io);
      if (io.json) printJson(io, { store: tuned.store, ...tuned.result, prefix: tuned.prefix });
      else print(io, tunedText(tuned, io, save));
      if (report !== undefined && !io.json) await drawn(tuned, report, io);
    });
}

export function addReport(command: Command, { io }: Context): void {
  addPlace(command)
    .requiredOption('--out <file.html>', 'where to')
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', REPORT_EXAMPLES)
    .action(async (options: CommonOptions & { out: string }) => {
      const { placeOf } = await import('../stores/open.js');
      const place = placeOf(options, io.env);
      const { lastTuned } = await import('../tune.js');
      const size = await drawn(lastTuned(place), options.out, io);
      if (io.json) printJson(io, { path: options.out, bytes: size });
    });
}

export function addBench(command: Command, { io, load }: Context): void {
  addSample(command)
    .option('--limit <hits>', 'hits', integer('--limit', 1, 10_000), 10)
    .option('--json', 'one JSON document on stdout')
    .addHelpText('after', BENCH_EXAMPLES)
    .action(async (options: SampleOptions & { limit: number }) => {
      const { placeOf } = await import('../stores/open.js');
      const place = placeOf(options, io.env);
      const { bench } = await import('../bench.js');
      const result = await bench(place, { ...sampleOf(options), limit: options.limit }, io, load);
      if (io.json) printJson(io, result);
      else print(io, benchText(result, io));
    });
}

function sampleOf(options: SampleOptions) {
  const { queries, truth, text, vector, vectorType, format, encoding, delimiter, table, sample } = options;
  const head = headDims(options);
  const model = specOf(options);
  if (
    queries === undefined &&
    (truth ?? text ?? vector ?? vectorType ?? format ?? encoding ?? delimiter ?? table) !== undefined
  ) {
    const others = '--text, --vector, --vector-type, --format, --encoding, --delimiter, --table and --truth';
    throw new UsageError(`Expected --queries beside ${others}`);
  }
  if (truth !== undefined) checkTruthName(truth);
  if (vectorType !== undefined && vector === undefined) throw new UsageError('Expected --vector beside --vector-type');
  if (text !== undefined && vector !== undefined) throw new UsageError('Expected --text or --vector but received both');
  const kind =
    queries === undefined ? undefined : isText({ path: queries, format }) ? 'txt' : formatOfFile(queries, format);
  if (text !== undefined && (kind === 'txt' || (kind !== undefined && isMatrixFormat(kind)))) {
    throw new UsageError(
      `Expected no --text for ${queries}, which has ${kind === 'txt' ? 'a text a line' : 'vectors'}`,
    );
  }
  const file: QueryFile | undefined =
    queries === undefined || kind === undefined
      ? undefined
      : {
          path: queries,
          limit: sample,
          ...(text && { text }),
          ...(vector !== undefined && { vector }),
          ...(vectorType && { vectorType }),
          ...(format && { format }),
          ...textOptions(options, [kind]),
        };
  if (model !== undefined && !needModel(file)) {
    throw new UsageError(`Expected --queries that are texts beside ${nameOfModel(options)}`);
  }
  return {
    heldOut: sample,
    ...(file && { queries: file }),
    ...(truth !== undefined && { truth }),
    ...(model && { model }),
    ...(head !== undefined && { head }),
  };
}

async function drawn(tuned: Tuned, path: string, io: Io): Promise<number> {
  const { writeReport } = await import('../tune.js');
  const size = await writeReport(tuned, path);
  note(io, `${path}: ${bytes(size)}, needs no network`);
  return size;
}

function tunedText({ store, result, prefix }: Tuned, io: Io, save: boolean): string {
  const paint = painter(io.stdout, io.env);
  const { request, bound, target, recall, latency, refused, stages } = result;
  const percent = (share_: number) => `${(100 * share_).toFixed(share_ > 0.999 && share_ < 1 ? 2 : 1)} %`;
  const what =
    target.promise === 'complete'
      ? `${percent(bound.recall)} of queries lose none of their ${target.k}`
      : `recall@${target.k} of at least ${percent(bound.recall)}`;
  const sure = bound.confidence === undefined ? 'expected of the next query' : `confidence ${bound.confidence}`;
  const lines = [
    refused === undefined
      ? paint.bold(`Promised for queries like these: ${what}, ${sure}`)
      : paint.bold(refused.reason),
    `by        ${bound.method === 'exact' ? 'exactness' : `${bound.method}, ${bound.n} queries that nothing was chosen by`}`,
    `plan      ${planText(request)}`,
    `seen      ${percent(recall.choosing)} on the half that chose, ${percent(recall.certifying)} on the other`,
    `takes     ${latency.plan.p50.toFixed(2)} ms (95 %: ${latency.plan.p95.toFixed(2)}); exact ${latency.exact.p50.toFixed(2)} ms`,
    ...(stages.length === 0
      ? []
      : [`lost      ${stages.map(({ name, lost }) => `${percent(lost)} at ${name}`).join(', ')}`]),
    ...(prefix === undefined ? [] : [`prefix    ${prefixText(prefix.heads)}`]),
  ];
  const kept = save && refused === undefined;
  return [...lines, kept ? `Kept beside ${store}: funnelvec search goes by it.` : 'Nothing was kept.'].join('\n');
}

function prefixText(heads: { dims: number; prefix: number; suffix: number }[]): string {
  const { dims, prefix, suffix } = heads[Math.floor(heads.length / 2)]!;
  return `a funnel over the first ${dims} dims finds ${(100 * prefix).toFixed(1)} %, over the last ${(100 * suffix).toFixed(1)} %`;
}

function planText({ plan, params, mode, limit }: Tuned['result']['request']): string {
  if (mode === 'exact') return 'mode exact, which is no slower here';
  const some = { ...(plan ?? params), limit };
  return Object.entries(some)
    .map(([key, value]) => `${key} ${typeof value === 'object' ? JSON.stringify(value) : value}`)
    .join(', ');
}

function benchText({ store, rows, queries, limit, exact, modes }: BenchResult, io: Io): string {
  const paint = painter(io.stdout, io.env);
  const columns = ['mode', 'p50 ms', 'p95 ms', `recall@${limit}`, 'all found'].map((name, i) => ({
    name,
    right: i > 0,
  }));
  const cells = modes.map(({ mode, p50, p95, recall, complete }) => {
    return [mode, p50.toFixed(2), p95.toFixed(2), recall.toFixed(4), `${complete} of ${queries}`];
  });
  return [
    `${store}: ${count(rows)} rows, ${count(queries)} queries one after another; exact: ${exact}`,
    '',
    ...textTable(columns, cells, widthOf(io.stdout, io.env), paint.bold),
  ].join('\n');
}

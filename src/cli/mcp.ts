/** `funnelvec mcp`: a store as tools of the Model Context Protocol, over standard input and output, by the official SDK. It only reads. */
import { describe, expected, FunnelError } from '../core/errors.js';
import { VERSION } from '../core/places.js';
import { checkKeys } from '../core/validate.js';
import { loadPart } from '../files/packages.js';
import type { Filter } from '../query/filter/types.js';
import { errorAsJson } from './exit.js';
import { type Io, jsonText } from './io.js';
import type { LoadEmbedder } from './model.js';
import { askingOf, close, type Opened, openForSearch, type TextSearchOptions } from './search.js';
import { readState } from './state.js';
import type { Place } from './stores/store.js';

const PACKAGE = '@modelcontextprotocol/sdk';
type ServerModule = typeof import('@modelcontextprotocol/sdk/server/index.js');
type StdioModule = typeof import('@modelcontextprotocol/sdk/server/stdio.js');
type TypesModule = typeof import('@modelcontextprotocol/sdk/types.js');

/** Hits of one answer, at most: models read all of them. */
const MOST_HITS = 100;
const USUAL_HITS = 10;
/** Rows whose payloads tell what keys there are. */
const SAMPLED_ROWS = 200;
const LONGEST_EXAMPLE = 60;

type McpOptions = Pick<TextSearchOptions, 'model' | 'head' | 'tuned'>;

/**
 * Serves until standard input ends or the command is stopped; calls that are under way are answered or end with ABORTED.
 *
 * @throws FunnelError MISSING_PACKAGE, and what opening the store throws
 */
export async function serveMcp(place: Place, options: McpOptions, io: Io, load: LoadEmbedder): Promise<void> {
  const [{ Server }, { StdioServerTransport }, types] = await Promise.all([
    loadPart<ServerModule>(PACKAGE, 'server/index.js'),
    loadPart<StdioModule>(PACKAGE, 'server/stdio.js'),
    loadPart<TypesModule>(PACKAGE, 'types.js'),
  ]);
  const withTexts = options.model !== undefined || readState(place.stateFile)?.embedder !== undefined;
  const opened = await openForSearch(place, options, load, withTexts);
  const tools = new StoreTools(opened, options);
  // Its high-level twin takes schemas of zod alone; ours are plain JSON Schema, and our own checks say what is wrong.
  const server = new Server(
    { name: 'funnelvec', version: VERSION },
    {
      capabilities: { tools: {} },
      instructions: `Semantic search over ${place.label}. Call describe_store first: it tells what payloads hold and can be filtered by.`,
    },
  );
  const running = new Set<Promise<unknown>>();
  server.setRequestHandler(types.ListToolsRequestSchema, () => ({ tools: tools.list }));
  server.setRequestHandler(types.CallToolRequestSchema, async ({ params }, { signal }) => {
    const { name, arguments: given = {} } = params;
    if (!tools.has(name)) {
      throw new types.McpError(
        types.ErrorCode.InvalidParams,
        `Expected one of ${tools.names} but received tool ${name}`,
      );
    }
    const call = tools.call(name, given, AbortSignal.any([signal, io.stop]));
    running.add(call);
    try {
      const answer = await call;
      const text = jsonText(answer, 1);
      return { content: [{ type: 'text', text }], structuredContent: JSON.parse(text) };
    } catch (error) {
      // A tool's error is an answer: the model reads it and can ask otherwise.
      return { isError: true, content: [{ type: 'text', text: jsonText(errorAsJson(error)) }] };
    } finally {
      running.delete(call);
    }
  });
  try {
    await new Promise<void>((resolve, reject) => {
      server.onclose = resolve;
      io.stdin.once('end', resolve);
      io.stdin.once('close', resolve);
      io.stop.addEventListener('abort', () => resolve(), { once: true });
      server.connect(new StdioServerTransport(io.stdin, io.stdout)).catch(reject);
    });
    await Promise.allSettled(running);
  } finally {
    await server.close();
    await close(opened);
  }
}

type Schema = Readonly<Record<string, unknown>>;

interface Tool {
  [key: string]: unknown;
  name: string;
  title: string;
  description: string;
  inputSchema: { type: 'object'; properties: Record<string, object>; required?: string[]; additionalProperties: false };
  annotations: { readOnlyHint: true; openWorldHint: false };
}

/** The tools, by what the store is: texts are searched where there is a model, vectors elsewhere. */
class StoreTools {
  readonly list: Tool[];

  constructor(
    private readonly opened: Opened,
    private readonly options: McpOptions,
  ) {
    const { place, searcher, embedder } = opened;
    const annotations = { readOnlyHint: true, openWorldHint: false } as const;
    const properties: Record<string, Schema> = {
      ...(embedder
        ? { query: { type: 'string', minLength: 1, description: 'What to look for, in words.' } }
        : {
            vector: {
              type: 'array',
              items: { type: 'number' },
              minItems: searcher.dim,
              maxItems: searcher.dim,
              description: `The query vector: ${searcher.dim} numbers, by the model that made the store's vectors.`,
            },
          }),
      limit: {
        type: 'integer',
        minimum: 1,
        maximum: MOST_HITS,
        description: `Hits to return (default: ${USUAL_HITS}).`,
      },
      filter: {
        type: 'object',
        description:
          'Only rows whose payload passes, in the form of Qdrant: ' +
          '{"must":[{"key":"year","range":{"gte":1990}},{"key":"genre","match":{"value":"drama"}}]}; also should, must_not.',
      },
      payload: {
        type: 'array',
        items: { type: 'string' },
        description: 'Keys of the payload to return (default: all of it).',
      },
      mode: {
        type: 'string',
        enum: ['funnel', 'exact'],
        description: 'funnel (default) is quick and may miss a hit now and then; exact misses none.',
      },
      explain: { type: 'boolean', description: 'Also tell how many rows each stage of the search read and kept.' },
    };
    this.list = [
      {
        name: 'search',
        title: `Search ${place.label}`,
        description: `Finds the rows of ${place.label} that are nearest in meaning, best first, with scores and payloads.`,
        inputSchema: {
          type: 'object',
          properties,
          required: [embedder ? 'query' : 'vector'],
          additionalProperties: false,
        },
        annotations,
      },
      {
        name: 'describe_store',
        title: `Describe ${place.label}`,
        description:
          'Tells how many rows there are, what their payloads hold (keys, types, examples), and how vectors are made and compared.',
        inputSchema: { type: 'object', properties: {}, additionalProperties: false },
        annotations,
      },
    ];
  }

  get names(): string {
    return this.list.map(({ name }) => name).join(', ');
  }

  has(name: string): boolean {
    return this.list.some((tool) => tool.name === name);
  }

  async call(name: string, given: Record<string, unknown>, signal: AbortSignal): Promise<object> {
    const { properties } = this.list.find((tool) => tool.name === name)!.inputSchema;
    checkKeys(given, Object.keys(properties), `the arguments of ${name}`);
    return name === 'search' ? this.#search(given, signal) : this.#describe(signal);
  }

  async #search(given: Record<string, unknown>, signal: AbortSignal): Promise<object> {
    const { searcher, embedder } = this.opened;
    const { limit, mode, filter, explain = false, payload } = checkedArguments(given);
    const vector = embedder
      ? await embedder.embed([textIn(given['query'])], { role: 'query', signal })
      : vectorIn(given['vector'], searcher.dim);
    const asking = askingOf(
      { tuned: this.options.tuned, limit, ...(mode && { mode }), ...(filter && { filter }) },
      this.opened,
    );
    const { hits, stages, ms, exact } = await searcher.query({ ...asking, vector, signal });
    return {
      hits: hits.map(({ id, score, payload: whole }) => ({ id, score, payload: selected(whole, payload) })),
      ...(exact !== undefined && { exact }),
      ...(explain && { ms, stages }),
    };
  }

  async #describe(signal: AbortSignal): Promise<object> {
    const { place, searcher, embedder, state } = this.opened;
    const [rows, { rows: sample }] = await Promise.all([
      searcher.count(),
      searcher.source.scan({ limit: SAMPLED_ROWS, withPayload: true, vectors: false, signal }),
    ]);
    return {
      store: place.label,
      kind: place.kind,
      rows,
      dim: searcher.dim,
      metric: searcher.metric,
      model: embedder ? (state?.embedder?.name ?? this.options.model?.model ?? 'the one that was named') : null,
      payload: keysOf(Array.from(sample.payloads ?? [])),
      payloadFrom: `the first ${sample.ids.length} rows`,
    };
  }
}

function checkedArguments(given: Record<string, unknown>) {
  const { limit = USUAL_HITS, mode, filter, explain, payload } = given;
  if (typeof limit !== 'number' || !Number.isInteger(limit) || limit < 1 || limit > MOST_HITS) {
    throw expected('BAD_ARGUMENT', `an integer in 1..${MOST_HITS}`, 'limit', limit);
  }
  if (mode !== undefined && mode !== 'funnel' && mode !== 'exact') {
    throw expected('BAD_ARGUMENT', "'funnel' or 'exact'", 'mode', mode);
  }
  if (filter !== undefined && (typeof filter !== 'object' || filter === null || Array.isArray(filter))) {
    throw expected('BAD_ARGUMENT', 'an object, as {"must":{"key":"year","match":{"value":1979}}},', 'filter', filter);
  }
  if (explain !== undefined && typeof explain !== 'boolean')
    throw expected('BAD_ARGUMENT', 'a boolean', 'explain', explain);
  if (payload !== undefined && !(Array.isArray(payload) && payload.every((key) => typeof key === 'string'))) {
    throw expected('BAD_ARGUMENT', 'an array of keys', 'payload', payload);
  }
  return {
    limit,
    mode: mode as 'funnel' | 'exact' | undefined,
    filter: filter as Filter | undefined,
    explain: explain as boolean | undefined,
    payload: payload as string[] | undefined,
  };
}

function textIn(given: unknown): string {
  const text = typeof given === 'string' ? given.trim() : '';
  if (text === '') throw expected('BAD_ARGUMENT', 'a text', 'query', given);
  return text;
}

function vectorIn(given: unknown, dim: number): Float32Array {
  if (!Array.isArray(given)) throw expected('BAD_ARGUMENT', `an array of ${dim} numbers`, 'vector', given);
  if (given.length !== dim) throw expected('BAD_DIMS', `${dim} dims`, 'vector', given);
  return Float32Array.from(given, (value: unknown, i) => {
    if (typeof value === 'number' && Number.isFinite(Math.fround(value))) return value;
    throw new FunnelError(
      'NOT_FINITE',
      `Expected a finite float32 for dim ${i} of vector but received ${describe(value)}`,
    );
  });
}

function selected(payload: Record<string, unknown>, keys: readonly string[] | undefined): Record<string, unknown> {
  if (keys === undefined) return payload;
  return Object.fromEntries(keys.filter((key) => Object.hasOwn(payload, key)).map((key) => [key, payload[key]]));
}

/** The keys of payloads: in how many each is, the types of its values, and one of them. */
function keysOf(payloads: readonly unknown[]): object[] {
  const keys = new Map<string, { key: string; rows: number; types: Set<string>; example: unknown }>();
  for (const payload of payloads) {
    if (typeof payload !== 'object' || payload === null) continue;
    for (const [key, value] of Object.entries(payload)) {
      const one = keys.get(key) ?? { key, rows: 0, types: new Set(), example: value };
      one.rows++;
      one.types.add(typeOf(value));
      keys.set(key, one);
    }
  }
  return [...keys.values()].map(({ key, rows, types, example }) => {
    const text = jsonText(example) ?? 'null';
    return {
      key,
      rows,
      types: [...types],
      example: text.length > LONGEST_EXAMPLE ? `${text.slice(0, LONGEST_EXAMPLE)}…` : example,
    };
  });
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return `array of ${value.length === 0 ? 'nothing' : typeOf(value[0])}`;
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value === 'bigint' ? 'integer' : typeof value;
}

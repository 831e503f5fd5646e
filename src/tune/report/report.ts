/** report(): one HTML file that holds everything it shows, and asks for nothing. */
import { writeFileSync } from 'node:fs';
import { expected, FunnelError } from '../../core/errors.js';
import { loadOptional } from '../../core/optional.js';
import { checkKeys } from '../../core/validate.js';
import type { PrefixResult } from '../prefix.js';
import type { NeighbourStanding, QueryTrace, TuneResult } from '../types.js';
import { CLIENT, STYLE } from './client.js';
import { candidatesOf, cheapest, fateOf, plotsOf } from './data.js';
import { countText, type Html, html, htmlTable, inline, ms, scriptData, shareText } from './html.js';

/** Options of report(). */
export interface ReportOptions {
  /** @default 'Choosing the plan' */
  title?: string;
  /** The result of prefixAgainstSuffix(): one more plot. */
  prefix?: PrefixResult;
  /** Texts of the queries, in the order in which tune() had them. */
  queries?: readonly string[];
  /** Names to show for rows, by their id as text. */
  rows?: Readonly<Record<string, string>> | ((id: string) => string | undefined);
  /** Also write it there. */
  path?: string;
}

const KEYS = ['title', 'prefix', 'queries', 'rows', 'path'];
/** Plans in the table of the curve. */
const LISTED = 24;

/**
 * A page with the plan and its promise, recall against latency, ranks of true neighbours, losses of each stage, and traces of
 * single queries; plots and the numbers behind them. It needs the package `uplot` to be made, and nothing to be read.
 *
 * @param result of tune(), or the same from JSON
 * @returns HTML
 * @throws FunnelError BAD_ARGUMENT, MISSING_PACKAGE (uplot), DISK
 */
export function report(result: TuneResult, options: ReportOptions = {}): string {
  checkKeys(options, KEYS, 'the options of report()');
  if (!Array.isArray(result?.curve) || !Array.isArray(result.traces) || result.curve[result.chosen] === undefined) {
    throw expected('BAD_ARGUMENT', 'what tune() returned', 'result', result);
  }
  const { title = 'Choosing the plan', prefix, path } = options;
  if (typeof title !== 'string') throw expected('BAD_ARGUMENT', 'a string', 'title', title);
  if (path !== undefined && typeof path !== 'string') throw expected('BAD_ARGUMENT', 'a path', 'path', path);
  const { script, style } = loadOptional('uplot', 'reports draw with');
  const names = namesOf(options);
  const plots = plotsOf(
    result,
    prefix,
    result.traces.map(({ query }) => names.query(query)),
  );
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'">
<title>${title}</title>
<style>${inline(style)}${inline(STYLE)}</style>
</head>
<body>
<main>
<h1>${title}</h1>
${summary(result)}
${curveSection(result)}
${ranksSection(result)}
${stagesSection(result)}
${tracesSection(result, names)}
${prefix && prefixSection(prefix)}
${costSection(result)}
</main>
<script type="application/json" id="data">${scriptData(plots)}</script>
<script>${inline(script)}</script>
<script>${inline(CLIENT)}</script>
</body>
</html>
`.markup;
  if (path !== undefined) write(path, page);
  return page;
}

function write(path: string, page: string): void {
  try {
    writeFileSync(path, page);
  } catch (cause) {
    throw new FunnelError(
      'DISK',
      `Expected to write the report to ${JSON.stringify(path)}: ${(cause as Error).message}`,
      {
        cause,
      },
    );
  }
}

interface Names {
  query(query: number): string;
  row(id: string): string | undefined;
}

function namesOf({ queries, rows }: ReportOptions): Names {
  const named =
    typeof rows === 'function' ? rows : (id: string) => (rows && Object.hasOwn(rows, id) ? rows[id] : undefined);
  return {
    query: (query) => `${queries?.[query] ?? `query ${query}`}`,
    row: (id) => named(id),
  };
}

function promiseOf({ target, bound, request }: TuneResult): string {
  const k = `recall@${target.k}`;
  if (request.mode === 'exact') return 'The exact search is no slower than any plan: it misses nothing.';
  const sure = bound.confidence === undefined ? '' : `, with ${100 * bound.confidence} % confidence`;
  const n = `on ${countText(bound.n)} queries that nothing was chosen by`;
  if (target.promise === 'complete') {
    return `At least ${shareText(bound.recall)} of new queries like these get all of their true top ${target.k}${sure}, ${n}.`;
  }
  const what =
    target.promise === 'mean'
      ? `mean ${k} of new queries like these is`
      : `expected ${k} of the next query like these is`;
  return `The ${what} at least ${shareText(bound.recall)}${sure}, ${n}.`;
}

function fact(value: string, name: string): Html {
  return html`<div class="fact"><b>${value}</b><span>${name}</span></div>`;
}

function summary(result: TuneResult): Html {
  const { bound, latency, recall, refused, request, fingerprint } = result;
  const { rows, queries, dim, metric, hash } = fingerprint;
  const facts = [
    fact(shareText(bound.recall), refused ? 'the most that can be promised' : 'recall promised'),
    fact(shareText(recall.certifying), 'mean recall, certifying half'),
    fact(ms(latency.plan.p50), `median (p95 ${ms(latency.plan.p95)})`),
    fact(ms(latency.exact.p50), `median of the exact search (p95 ${ms(latency.exact.p95)})`),
  ];
  return html`${refused && html`<p class="refused">${refused.reason}.</p>`}
<p>${promiseOf(result)}</p>
<div class="facts">${facts}</div>
<pre>${JSON.stringify(request)}</pre>
<p class="soft">${countText(queries)} queries over ${rows === undefined ? 'a collection' : `${countText(rows)} rows`} of ${dim} dims (${metric}).
The promise is about queries like these and this collection: tune again when either changes. Fingerprint ${hash.slice(0, 16)}.</p>`;
}

function curveSection(result: TuneResult): Html {
  const { curve, target } = result;
  const one = cheapest(result);
  const frontier = curve.filter((point) => point.frontier).sort((a, b) => a.cost - b.cost);
  const apart = Math.max(1, frontier.length / LISTED);
  const listed = frontier.filter((point, i) => point === one || Math.floor(i / apart) !== Math.floor((i - 1) / apart));
  return html`<h2>Recall against latency</h2>
<p class="soft">${countText(curve.length)} plans. Recall is that of the half that chose; what falls below ${shareText(1 - 12 * (1 - target.recall))} is cut off.</p>
<div class="plot" id="curve"></div>
${htmlTable(
  [
    { name: 'plan', of: ({ label }) => label },
    { name: 'recall', number: true, of: ({ recall }) => shareText(recall) },
    { name: 'predicted', number: true, of: ({ cost }) => ms(cost) },
  ],
  listed,
  (point) => point === one,
)}`;
}

function ranksSection(result: TuneResult): Html {
  const { ranks, request } = result;
  const total = ranks.length;
  const within = (places: number) => ranks.filter((rank) => rank !== -1 && rank < places).length / Math.max(1, total);
  const beyond = ranks.filter((rank) => rank === -1).length;
  const most = ranks.reduce((a, b) => Math.max(a, b), 0) + 1;
  const sizes = new Set<number>();
  for (let places = 1; places < most; places *= 2) sizes.add(places);
  for (const places of [candidatesOf(result), most]) if (places !== undefined) sizes.add(places);
  const where = request.params ? 'the fewest candidates that find them' : 'their place in the head list';
  return html`<h2>Where true neighbours stand</h2>
<p class="soft">${countText(total)} true neighbours by ${where}${beyond > 0 && `; ${countText(beyond)} of them are beyond what was looked at`}. What is not among the candidates no later stage brings back.</p>
<div class="plot" id="ranks"></div>
${htmlTable(
  [
    { name: 'candidates', number: true, of: (places: number) => countText(places) },
    { name: 'true neighbours among them', number: true, of: (places) => shareText(within(places)) },
  ],
  [...sizes].filter((places) => within(places) > 0).sort((a, b) => a - b),
  (places) => places === candidatesOf(result),
)}`;
}

function stagesSection(result: TuneResult): Html {
  return html`<h2>What each stage loses</h2>
<p class="soft">Of the plan ${cheapest(result).label}, over all queries.</p>
<div class="plot" id="stages"></div>
${htmlTable(
  [
    { name: 'stage', of: ({ name }) => name },
    { name: 'rows that go on', number: true, of: ({ out }) => countText(out) },
    { name: 'true neighbours lost', number: true, of: ({ lost }) => `${(100 * lost).toFixed(3)} %` },
  ],
  result.stages,
)}`;
}

function tracesSection(result: TuneResult, names: Names): Html {
  return html`<h2>Single queries</h2>
<p class="soft">The queries that lose most, or come nearest to it, and a few others. A dot is a true neighbour at its place among the candidates: what stands right of the line is lost, and how far right says how many candidates would have saved it.</p>
<div class="plot" id="traces"></div>
${result.traces.map((trace) => traceDetails(trace, result, names))}`;
}

function traceDetails({ query, recall, neighbours }: QueryTrace, result: TuneResult, names: Names): Html {
  const { request, label } = cheapest(result);
  const scales = request.plan?.scales ?? [];
  const missed = neighbours.filter(({ lostAt }) => lostAt !== -1).length;
  const fate = (standing: NeighbourStanding): string => {
    if (standing.lostAt > 0) return `lost at scale ${scales[standing.lostAt - 1]}`;
    const what = { found: 'returned', head: 'lost by the head search', beyond: 'beyond what was looked at', scale: '' };
    return what[fateOf(standing)];
  };
  return html`<details><summary>${names.query(query)} <span class="soft">recall ${shareText(recall)}${missed > 0 && `, ${missed} lost`}</span></summary>
${htmlTable(
  [
    { name: 'true neighbour', of: ({ id }) => names.row(id) ?? id },
    { name: 'score', number: true, of: ({ score }) => score.toFixed(4) },
    { name: 'place', number: true, of: ({ headRank }) => (headRank === -1 ? '–' : countText(headRank)) },
    ...scales.map((scale, s) => ({
      name: `at ${scale}`,
      number: true,
      of: ({ ranks }: NeighbourStanding) => (ranks[s] === undefined || ranks[s] === -1 ? '–' : countText(ranks[s])),
    })),
    { name: 'outcome', of: fate },
  ],
  neighbours,
  ({ lostAt }) => lostAt !== -1,
)}
<p class="soft">Places count from 0. Plan: ${label}.</p></details>`;
}

function prefixSection({ rows, queries, k, candidates, heads }: PrefixResult): Html {
  return html`<h2>First dims against last dims</h2>
<p class="soft">Mean recall@${k} of the same funnel (${countText(candidates)} candidates, half kept at each doubling) on the vectors as they are, and on their dims reversed: ${countText(queries)} queries, ${countText(rows)} rows. A Matryoshka model has put what matters first.</p>
<div class="plot" id="prefix"></div>
${htmlTable(
  [
    { name: 'dims of the head', number: true, of: ({ dims }) => dims },
    { name: 'first dims', number: true, of: ({ prefix }) => shareText(prefix) },
    { name: 'last dims', number: true, of: ({ suffix }) => shareText(suffix) },
  ],
  heads,
)}`;
}

function costSection({ cost, by, truth }: TuneResult): Html {
  const replayed =
    by === 'replay'
      ? 'Plans were replayed from one deep list a query.'
      : 'Every size was asked for: shorter lists are no beginnings of longer ones.';
  const exact = {
    certified: 'proven',
    server: 'a full scan of the server',
    index: 'what its index finds, which may lack rows',
  }[truth];
  return html`<h2>Predicted and measured</h2>
<p class="soft">Costs are fitted to searches of this run; these plans were measured again afterwards. The machine took ${cost.drift.toFixed(2)} times as long then; between plans the median error is ${(100 * cost.error).toFixed(0)} %. ${replayed} The exact answers are ${exact}.</p>
${htmlTable(
  [
    { name: 'plan', of: ({ label }) => label },
    { name: 'predicted', number: true, of: ({ predicted }) => ms(predicted) },
    { name: 'measured', number: true, of: ({ measured }) => ms(measured) },
  ],
  cost.fit,
)}`;
}

// The report for people.
import { count, cut, lengthOf, pad, painter, printable, widthOf, wrap } from './terminal.mjs';

const INDENT = 4;
const GAP = 2;
const MIN_COLUMNS_WIDTH = 80;
const MISSES_SHOWN = 3;

export function makeReport(stream, { plan, dim, rows }) {
  const { bold, dim: faint, green, yellow, cyan } = painter(stream);
  const width = widthOf(stream);
  const stacked = width < MIN_COLUMNS_WIDTH;
  const column = stacked ? width - INDENT : Math.floor((width - INDENT - 2 * GAP) / 3);
  const dims = [plan.head, ...plan.scales].join(' → ');
  const write = (...lines) => stream.write(`${lines.join('\n')}\n`);

  return { intro, comparison, summary, gap: () => write('') };

  function intro({ store, kernels }) {
    const fact = (name, text) => `${faint(pad(name, 9))}${wrap(text, width, 9)}`;
    const [first, second] = [plan.scales[0], plan.scales.at(-1)];
    const kept = Math.max(plan.limit, Math.floor(plan.candidates * plan.keep));
    write(
      '',
      bold(`Funnel search over ${count(rows)} WordNet definitions`),
      '',
      fact('Store', `${store.label} (${store.note})`),
      fact('Vectors', `WordLlama, a small Matryoshka model: all ${dim} dims, and their first ${plan.head} as the head`),
      fact(
        'Funnel',
        `${plan.candidates} hits by ${plan.head} dims → ${kept} by ${first} dims → ${plan.limit} by ${second} dims, on ${kernels} kernels`,
      ),
      fact('Marks', `✓ among the full search's ${plan.limit}   · not   × lost by the funnel`),
    );
  }

  function comparison(result) {
    const { kept, times, stages, missed } = result;
    const of = `of ${kept.of}`;
    const lists = [
      {
        title: ['HEAD ONLY', `${plan.head} dims`],
        entries: result.head,
        mark: ({ inFull }) => (inFull ? green('✓') : faint('·')),
        foot: `kept ${kept.head} ${of}  ${ms(times.headOnly)}`,
      },
      {
        title: ['FUNNEL', dims],
        entries: result.funnel,
        mark: ({ inFull }) => (inFull ? green('✓') : faint('·')),
        foot: `kept ${kept.funnel} ${of}  ${ms(times.funnel.total)}`,
      },
      {
        title: ['FULL SEARCH', `${dim} dims`],
        entries: result.full,
        mark: ({ inFunnel }) => (inFunnel ? green('✓') : yellow('×')),
        foot: `the measure  ${ms(times.full)}`,
      },
    ];
    write('', heading(`“${printable(result.text)}”`), '');
    if (stacked) for (const list of lists) write(...block([list]), '');
    else write(...block(lists), '');

    const { head, decode, rerank } = times.funnel;
    const inside = [stages[0].in, ...stages.map((stage) => stage.out)].join(' → ');
    note('funnel', `head search ${ms(head)}, decode ${ms(decode)}, re-rank ${us(rerank)} (${inside})`);
    const rescued = result.funnel.filter(({ inFull, headRank }) => inFull && headRank >= plan.limit);
    if (rescued.length > 0) {
      const furthest = rescued.reduce((a, b) => (b.headRank > a.headRank ? b : a));
      note(
        'rescued',
        `${rescued.length} of the full search's ${kept.of}, “${firstWord(furthest)}” from place ${furthest.headRank + 1} of the head list`,
      );
    }
    for (const miss of missed.slice(0, MISSES_SHOWN)) {
      note('lost', `“${firstWord(miss)}”, number ${miss.fullRank + 1} of the full search: ${fateText(miss.fate)}`);
    }
    const more = missed.length - MISSES_SHOWN;
    if (more > 0) note('', `and ${more} more`);
  }

  function block(lists) {
    const left = ' '.repeat(INDENT);
    const between = ' '.repeat(GAP);
    const row = (cells) => cells.join(between).trimEnd();
    const titles = lists.map(({ title: [name, about] }) => {
      const shown = cut(about, column - 4 - name.length);
      return `  ${bold(name)}  ${faint(pad(shown, column - 4 - name.length))}`;
    });
    const lines = [left + row(titles)];
    const longest = Math.max(...lists.map(({ entries }) => entries.length));
    for (let i = 0; i < longest; i++) {
      const cells = lists.map(({ entries, mark }) =>
        entries[i] ? cell(mark(entries[i]), entries[i]) : ' '.repeat(column),
      );
      lines.push(faint(String(i + 1).padStart(INDENT - 2)) + '  ' + row(cells));
    }
    lines.push(left + row(lists.map(({ foot }) => `  ${cyan(pad(cut(foot, column - 2), column - 2))}`)));
    return lines;
  }

  /** `✓ word  gloss`, exactly as wide as a column. */
  function cell(mark, entry) {
    const room = column - 2;
    const word = cut(firstWord(entry), room);
    const left = room - lengthOf(word) - 2;
    const gloss = left < 4 ? '' : cut(printable(entry.gloss), left);
    const used = lengthOf(word) + (gloss === '' ? 0 : 2 + lengthOf(gloss));
    return `${mark} ${bold(word)}${gloss === '' ? '' : `  ${faint(gloss)}`}${' '.repeat(room - used)}`;
  }

  function note(name, text) {
    write(`${' '.repeat(INDENT + 2)}${faint(pad(name, 9))}${wrap(text, width, INDENT + 11)}`);
  }

  function heading(text) {
    const shown = cut(text, width - 8);
    return `${faint('──')} ${bold(shown)} ${faint('─'.repeat(Math.max(2, width - 4 - lengthOf(shown))))}`;
  }

  function fateText(fate) {
    if (fate.outcome === 'dropped') return `dropped at ${fate.scale} dims, place ${fate.rank + 1} there`;
    return `never in the pool of ${plan.candidates}`;
  }

  function summary({ queries, recall, medianMs, pools, advice }) {
    write('', heading(`Over ${count(queries)} example sentences`), '');
    const line = (name, share, time, about = '') =>
      `    ${pad(name, 14)}${share.toFixed(3).padStart(9)}${ms(time).padStart(14)}${about && `   ${faint(about)}`}`;
    const { head, decode, rerank, total } = medianMs.funnel;
    const parts = `head ${ms(head)}, decode ${ms(decode)}, re-rank ${us(rerank)}`;
    write(
      faint(`    ${pad('', 14)}${`recall@${plan.limit}`.padStart(9)}${'median time'.padStart(14)}`),
      line('head only', recall.head, medianMs.headOnly),
      line('funnel', recall.funnel, total, lengthOf(parts) + 44 <= width ? parts : ''),
      line('full search', recall.full, medianMs.full),
      '',
      faint(`    ${pad('pool', 14)}${pools.map(({ candidates }) => String(candidates).padStart(9)).join('')}`),
      `    ${pad('funnel recall', 14)}${pools.map((pool) => pool.recall.toFixed(3).padStart(9)).join('')}`,
      '',
    );
    for (const text of advice) write(`    ${wrap(text, width, 4)}`);
  }
}

/** Advice that the numbers support, and no more. */
export function advice({ plan, recall, medianMs, lost, wanted, pools, rows, dim }) {
  const said = [];
  if (lost.total === 0) {
    said.push(`The funnel lost none of ${count(wanted)} hits.`);
  } else {
    const wider = pools.find((pool) => pool.candidates > plan.candidates && pool.recall > recall.funnel);
    said.push(
      `The funnel lost ${count(lost.total)} of ${count(wanted)} hits: ${count(lost.notInPool)} never in the pool of ` +
        `${plan.candidates}, ${count(lost.dropped)} pruned. ` +
        (lost.notInPool < lost.dropped
          ? 'Here the pruning loses most: keep more at each scale.'
          : 'No later stage can bring back what the pool never held: ask for more candidates' +
            (wider ? ` (${wider.candidates} give ${wider.recall.toFixed(3)})` : '') +
            ', or store a longer head.'),
    );
  }
  const ratio = medianMs.full / medianMs.funnel.total;
  const size = `${count(rows)} rows of ${dim} dims`;
  if (ratio > 1.1) {
    said.push(
      `At ${size} the funnel took ${Math.round(100 / ratio)} % of the full search's time: the database scans ` +
        `${plan.head} numbers a row instead of ${dim}.`,
    );
  } else {
    said.push(
      `At ${size} the funnel saves little time here, or none: fetching ${plan.candidates} vectors costs about as much as scanning all rows, ` +
        'or more. It pays where the scan is the slow part: with more rows, more dims.',
    );
  }
  return said;
}

export function firstWord({ word }) {
  return printable(word.split(', ')[0]);
}

export function ms(value) {
  return value < 1 ? us(value) : `${value.toFixed(1)} ms`;
}

function us(value) {
  return value >= 1 ? ms(value) : `${Math.round(value * 1000)} µs`;
}

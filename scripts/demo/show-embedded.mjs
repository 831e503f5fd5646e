// The report about an embedded index, for people.
import { firstWord, ms } from './show.mjs';
import { count, cut, lengthOf, pad, painter, printable, widthOf, wrap } from './terminal.mjs';

const NAMES = { lists: 'lists', head: 'head codes', fine: 'whole head codes', level: 'more dims', full: 'all dims' };
const LOST_SHOWN = 3;

export function makeIndexReport(stream, about) {
  const { bold, dim: faint, green, yellow, cyan } = painter(stream);
  const width = widthOf(stream);
  const write = (...lines) => stream.write(`${lines.join('\n')}\n`);
  const fact = (name, text) => write(`${faint(pad(name, 9))}${wrap(text, width, 9)}`);
  const note = (name, text) => write(`      ${faint(pad(name, 9))}${wrap(text, width, 15)}`);

  return { intro, query, summary, reopened, gap: () => write('') };

  function intro() {
    const { rows, dim, head, limit, kernels, threads } = about;
    write('', bold(`An embedded index of ${count(rows)} WordNet definitions`), '');
    fact('Vectors', `WordLlama, a small Matryoshka model, ${dim} dims; cosine`);
    fact('Codes', `4 bits for each of ${head} principal dims are read of every row, finer codes of those that remain`);
    fact('Searches', `the best ${limit}, on one thread of ${threads}, by ${kernels} kernels; times are medians`);
    fact('Marks', `✓ in the exact answer   · not   × lost by the funnel`);
  }

  function query({ text, funnel, lost, certified, sameAsScan, stages, rowsRead, times }) {
    const shown = cut(printable(text), width - 8);
    write(
      '',
      `${faint('──')} ${bold(`“${shown}”`)} ${faint('─'.repeat(Math.max(2, width - 6 - lengthOf(shown))))}`,
      '',
    );
    funnel.forEach((hit, i) => {
      write(entry(hit.inExact ? green('✓') : faint('·'), String(i + 1), hit));
    });
    for (const hit of lost.slice(0, LOST_SHOWN)) write(entry(yellow('×'), String(hit.place + 1), hit));
    if (lost.length > LOST_SHOWN) note('', `and ${lost.length - LOST_SHOWN} more lost`);
    write('');
    note('funnel', `${cyan(ms(times.funnel))}: ${path(stages.funnel)}; ${read(rowsRead.funnel)}`);
    const proof = certified ? 'certified' : 'not certified';
    note('exact', `${cyan(ms(times.exact))}: ${path(stages.exact)}; ${read(rowsRead.exact)}; ${proof}`);
    const verdict = sameAsScan ? 'the same ids and score bits as exact' : 'NOT what exact answered';
    note('scan', `${cyan(ms(times.scan))}: every dim of every row; ${verdict}`);
  }

  function entry(mark, place, hit) {
    const word = cut(firstWord(hit), 28);
    const room = width - 22 - lengthOf(word);
    const gloss = room < 4 ? '' : cut(printable(hit.gloss), room);
    return `  ${faint(place.padStart(3))} ${mark} ${faint(hit.score.toFixed(4))}  ${bold(word)}  ${faint(gloss)}`;
  }

  /** `30,000 rows by head codes → 812 by whole head codes → 64`. */
  function path(stages) {
    const steps = stages.filter(({ name }) => name !== 'rows');
    return steps
      .map(({ name, in: rows }, i) => `${count(rows)}${i === 0 ? ' rows' : ''} by ${NAMES[name]}`)
      .concat(count(steps.at(-1)?.out ?? 0))
      .join(' → ');
  }

  function read(rows) {
    return `${count(rows)} rows read whole`;
  }

  function summary({ queries, wanted, kept, recall, certified, sameAsScan, rowsRead, medianMs, dial }) {
    const title = `Over ${count(queries)} example sentences`;
    write('', `${faint('──')} ${bold(title)} ${faint('─'.repeat(Math.max(2, width - 4 - lengthOf(title))))}`, '');
    const line = (name, cells, room) => `    ${pad(name, 10)}${cells.map((cell) => cell.padStart(room)).join('')}`;
    const share = (time) => `${((100 * time) / medianMs.scan).toFixed(0)} %`;
    const row = (name, found, time, rows) =>
      line(name, [found, ms(time), name === 'scan' ? '' : share(time), rows], 17);
    write(
      faint(line('', [`recall@${about.limit}`, 'median time', 'of the scan', 'rows read whole'], 17)),
      row('funnel', recall.toFixed(4), medianMs.funnel, rowsRead.funnel.toFixed(0)),
      ...dial.map((setting) =>
        row(`  eps ${setting.eps}`, setting.recall.toFixed(4), setting.medianMs, setting.rowsRead.toFixed(0)),
      ),
      row('exact', '1', medianMs.exact, rowsRead.exact.toFixed(0)),
      row('scan', '1', medianMs.scan, count(about.rows)),
      '',
    );
    const say = (text) => write(`    ${wrap(text, width, 4)}`);
    say(
      `${count(certified)} of ${count(queries)} exact answers are certified; ${count(sameAsScan)} have the scan's ids, ` +
        'order and score bits.',
    );
    say(
      `The funnel has ${count(kept)} of their ${count(wanted)} hits. With \`eps\`, bounds decide instead of a number of candidates.`,
    );
  }

  function reopened({ ms: time, count: rows, coded, sameAnswer, size }) {
    const { floats, resident, files } = size;
    const each = (bytes) => `${mib(bytes)} (${Math.round(bytes / rows)} bytes a row)`;
    const verdict = sameAnswer ? 'the same answer' : 'ANOTHER ANSWER';
    write('');
    fact('Reopened', `in ${ms(time)}: ${count(rows)} rows, ${count(coded)} with codes, ${verdict} to the first query`);
    fact('Memory', `codes ${each(resident.codes)}; rows ${each(resident.rows)}, which \`memory\` can leave on disk`);
    fact('Disk', `rows ${mib(files.rows)}, codes ${mib(files.segments)}, ids and payloads ${mib(files.store)}`);
    fact('Floats', `${each(floats)}: the vectors as they came`);
    write('');
  }
}

function mib(bytes) {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

// Widths, colours and progress of a terminal; plain text where there is none.

/** Colours only where a person looks: on a terminal, and not against their wish. */
export function painter(stream) {
  const on = stream.isTTY && !process.env.NO_COLOR && process.env.TERM !== 'dumb';
  const paint = (open, close) => (text) => (on && text !== '' ? `\x1b[${open}m${text}\x1b[${close}m` : text);
  return { bold: paint(1, 22), dim: paint(2, 22), green: paint(32, 39), yellow: paint(33, 39), cyan: paint(36, 39) };
}

/** Columns to write in: those of the terminal, else 100. */
export function widthOf(stream) {
  return Math.min(stream.columns || 100, 240);
}

/** Characters as people count them, so that an accent or an emoji is never cut in two. */
const characters = new Intl.Segmenter('en', { granularity: 'grapheme' });

function split(text) {
  return Array.from(characters.segment(text), ({ segment }) => segment);
}

export function lengthOf(text) {
  return split(text).length;
}

export function cut(text, width) {
  const all = split(text);
  if (all.length <= width) return text;
  return width < 1
    ? ''
    : `${all
        .slice(0, width - 1)
        .join('')
        .trimEnd()}…`;
}

export function pad(text, width) {
  return text + ' '.repeat(Math.max(0, width - lengthOf(text)));
}

/** Broken at spaces into lines that end before `width`. The first one starts at column `indent`, the others are indented. */
export function wrap(text, width, indent) {
  const lines = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && indent + lengthOf(line) + 1 + lengthOf(word) > width) {
      lines.push(line);
      line = word;
    } else {
      line += line === '' ? word : ` ${word}`;
    }
  }
  return [...lines, line].join(`\n${' '.repeat(indent)}`);
}

/** Text from outside must not steer the terminal. */
export function printable(text) {
  return text.replaceAll(/\p{C}+/gu, ' ');
}

export function count(n) {
  return n.toLocaleString('en-US');
}

const BAR = 24;

/**
 * A line on stderr: drawn in place on a terminal, elsewhere written once, at the end. `update` says how far the work is,
 * `done` ends the line.
 */
export function progress(name, unit, stream = process.stderr) {
  let start = performance.now();
  let drawn = 0;
  let calls = 0;
  const write = (text) => stream.write(stream.isTTY ? `\r\x1b[2K${cut(text, widthOf(stream) - 1)}` : `${text}\n`);
  const label = pad(name, 24);
  const update = (done, total) => {
    calls++;
    const now = performance.now();
    if (done === 0) start = now; // what came before was not this work
    if (!stream.isTTY || (done < total && now - drawn < 80)) return;
    drawn = now;
    const filled = Math.round((BAR * done) / total);
    const rate = Math.round((done / (now - start)) * 1000);
    const bar = '━'.repeat(filled) + '╌'.repeat(BAR - filled);
    write(`${label} ${bar}  ${count(done)} of ${count(total)}  ${count(rate)} ${unit}/s`);
  };
  const end = (text) => {
    write(`${label} ${text}`);
    if (stream.isTTY) stream.write('\n');
  };
  return {
    update,
    /** Done; `found` says that there was nothing to do. */
    done(total, found) {
      const seconds = (performance.now() - start) / 1000;
      if (found ?? calls < 2) end(`${count(total)} ${unit}, as the last run left them`);
      else end(`${count(total)} ${unit} in ${seconds.toFixed(1)} s (${count(Math.round(total / seconds))} ${unit}/s)`);
    },
    end,
  };
}

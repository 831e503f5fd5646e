// A simulated day as SVG: latency, memory and bytes over its hours.

const WIDTH = 960;
const PANEL = { left: 70, right: 210, height: 210, gap: 46, top: 44 };
const HOURS = 24;
const COLOURS = ['#4e79a7', '#f28e2c', '#e15759', '#76b7b2', '#59a14f', '#af7aa1', '#9c755f', '#8a8a8a'];
const MB = 2 ** 20;

export function plotOf({ samples: taken, events, seed, minutes }) {
  // While all is looked at, the clock goes on and is put back.
  const samples = taken.filter(({ hour }) => hour <= HOURS).sort((a, b) => a.hour - b.hour);
  const of = (label, value) => ({ label, points: samples.map((s) => [s.hour, value(s)]).filter(([, y]) => y > 0) });
  const panels = [
    {
      title: 'milliseconds',
      log: true,
      lines: [
        of('query p50', ({ writer }) => writer?.query?.p50),
        of('query p99', ({ writer }) => writer?.query?.p99),
        of('reader, query p99', ({ readers }) => readers[0]?.query?.p99),
        of('1,000 or more hits p99', ({ writer }) => writer?.deep?.p99),
        of('filtered p99', ({ writer }) => writer?.filtered?.p99),
        of('groups p99', ({ writer }) => writer?.groups?.p99),
        of('write p50', ({ writer }) => writer?.write?.p50),
        of('event loop, longest', ({ writer }) => writer?.blocked),
      ],
    },
    {
      title: 'memory, MB',
      lines: [
        of('writer, RSS', ({ writer }) => writer?.usage.rss / MB),
        of('reader, RSS', ({ readers }) => readers[0]?.usage.rss / MB),
        of('rows and codes', ({ writer }) => (writer?.resident.rows + writer?.resident.codes) / MB),
      ],
    },
    {
      title: 'bytes, MB',
      lines: [
        of('on disk', ({ disk }) => disk / MB),
        of('store (LMDB)', ({ writer }) => writer?.files.store / MB),
        of('living rows', ({ living }) => living / MB),
      ],
    },
    {
      title: 'rows',
      lines: [
        of('living', ({ writer }) => writer?.rows),
        of('dead', ({ writer }) => writer?.dead),
        of('without codes', ({ writer }) => writer?.uncoded),
      ],
    },
  ];
  const height = PANEL.top + panels.length * (PANEL.height + PANEL.gap);
  const kills = events.filter(({ what }) => what === 'kill -9');
  const body = panels.map((panel, i) => drawn(panel, PANEL.top + i * (PANEL.height + PANEL.gap), kills)).join('');
  const title = `${HOURS} simulated hours in ${minutes} minutes, seed ${seed}; kill -9 of the writer: dashed`;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" ` +
    `font-family="sans-serif" font-size="12"><rect width="${WIDTH}" height="${height}" fill="white"/>` +
    `<text x="${PANEL.left}" y="16">${title}</text>${body}</svg>\n`
  );
}

function drawn({ title, lines, log }, top, kills) {
  const values = lines.flatMap(({ points }) => points.map(([, y]) => y));
  const most = Math.max(1, ...values);
  const least = log ? Math.min(most / 10, ...values) : 0;
  const scale = log ? (y) => Math.log(y / least) / Math.log(most / least) : (y) => y / most;
  const right = WIDTH - PANEL.right;
  const x = (hour) => PANEL.left + ((right - PANEL.left) * hour) / HOURS;
  const y = (value) => top + PANEL.height * (1 - scale(value));
  const parts = [];
  for (let hour = 0; hour <= HOURS; hour += 3) {
    parts.push(`<text x="${x(hour)}" y="${top + PANEL.height + 16}" text-anchor="middle">${hour}</text>`);
  }
  for (const tick of log ? decades(least, most) : Array.from({ length: 5 }, (_, i) => (most * i) / 4)) {
    parts.push(
      `<line x1="${PANEL.left}" x2="${right}" y1="${y(tick)}" y2="${y(tick)}" stroke="#ddd"/>`,
      `<text x="${PANEL.left - 6}" y="${y(tick) + 4}" text-anchor="end">${Number(tick.toPrecision(3))}</text>`,
    );
  }
  for (const { hour } of kills) {
    const at = x(hour).toFixed(1);
    const line = `y1="${top}" y2="${top + PANEL.height}" stroke="#bbb" stroke-dasharray="3 3"`;
    parts.push(`<line x1="${at}" x2="${at}" ${line}/>`);
  }
  lines.forEach(({ label, points }, i) => {
    const colour = COLOURS[i % COLOURS.length];
    const path = points.map(([hour, value]) => `${x(hour).toFixed(1)},${y(value).toFixed(1)}`).join(' ');
    const middle = top + 12 + 18 * i;
    parts.push(
      `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="1.2"/>`,
      `<text x="${right + 12}" y="${middle}" fill="${colour}">${label}</text>`,
    );
  });
  parts.push(`<text x="${PANEL.left}" y="${top - 6}" font-weight="bold">${title}</text>`);
  return parts.join('');
}

function decades(least, most) {
  const ticks = [];
  for (let tick = 10 ** Math.ceil(Math.log10(least)); tick <= most; tick *= 10) ticks.push(tick);
  return ticks;
}

// The page: asks the worker, draws what it answers.
const SVG = 'http://www.w3.org/2000/svg';
const STEP = 64;
const DOT = 7;

const by = (id) => document.getElementById(id);
const worker = new Worker('worker.js', { type: 'module' });
const waiting = new Map();
let nextId = 0;

worker.addEventListener('message', ({ data: { id, answer, error } }) => {
  const { resolve, reject } = waiting.get(id);
  waiting.delete(id);
  if (error === undefined) resolve(answer);
  else reject(new Error(error));
});
worker.addEventListener('error', ({ message }) => say(`The worker failed: ${message}`));

function ask(call, request) {
  return new Promise((resolve, reject) => {
    const id = nextId++;
    waiting.set(id, { resolve, reject });
    worker.postMessage({ id, call, request });
  });
}

function say(text) {
  by('status').textContent = text;
}

const settings = () => ({
  head: 2 ** Number(by('head').value),
  candidates: 20 * Number(by('candidates').value),
  keep: Number(by('keep').value) / 100,
});

let glosses;
let count = 0;
let shown;
let picked = -1;

function showSettings() {
  const { head, candidates, keep } = settings();
  by('head-value').textContent = `${head} dims`;
  by('candidates-value').textContent = `${candidates}`;
  by('keep-value').textContent = `${Math.round(100 * keep)} %`;
}

// Searching: one at a time, and the newest text next.

let running = false;
let again = false;

async function search() {
  showSettings();
  if (glosses === undefined) return;
  if (running) {
    again = true;
    return;
  }
  running = true;
  try {
    do {
      again = false;
      await searchOnce(by('text').value.trim());
    } while (again);
  } catch (error) {
    say(String(error.message));
  } finally {
    running = false;
  }
}

async function searchOnce(text) {
  if (text === '') {
    shown = undefined;
    draw();
    return;
  }
  const answer = await fetch(`embed?text=${encodeURIComponent(text)}`);
  const query = new Float32Array(await answer.arrayBuffer());
  if (query.every((value) => value === 0)) {
    by('verdict').textContent = 'The model knows none of these words.';
    return;
  }
  const { head, candidates, keep } = settings();
  const result = await ask('search', { query, head, candidates, keep });
  shown = { ...result, head, candidates, text };
  picked = -1;
  draw();
}

// Drawing

function draw() {
  drawFunnel();
  drawHits();
  document.body.dataset.shown = shown?.text ?? '';
}

/** The part of an answer that a fate belongs to: 0 is the pool, then the stages; behind them: a hit. */
function placeOf(fate) {
  if (fate.outcome === 'not a candidate') return 0;
  return fate.outcome === 'dropped' ? fate.stage + 1 : Number.POSITIVE_INFINITY;
}

function drawFunnel() {
  const drawing = by('drawing');
  drawing.replaceChildren();
  if (shown === undefined) {
    drawing.removeAttribute('viewBox');
    by('verdict').textContent = 'Type, and see which rows each stage keeps.';
    by('times').textContent = '';
    return;
  }
  const { head, stages, exact } = shown;
  const width = Math.max(260, Math.min(480, drawing.clientWidth)); // so that letters are as large as elsewhere
  const middle = width / 2 - 28;
  const levels = [
    { label: `rows by ${head} dims`, rows: count },
    ...stages.map(({ scale, in: entered }) => ({ label: `by ${scale} dims`, rows: entered })),
    { label: 'hits', rows: stages.at(-1).out },
  ];
  drawing.setAttribute('viewBox', `0 0 ${width} ${levels.length * STEP + 8}`);
  const least = widthOfDots(exact.length);
  const widthOf = (rows) => least + (width - 70 - least) * (Math.log(rows + 1) / Math.log(count + 1));
  for (const [i, { label, rows }] of levels.entries()) {
    const top = i * STEP + 4;
    const upper = widthOf(rows);
    const lower = widthOf(levels[i + 1]?.rows ?? rows);
    const corners = [
      [middle - upper / 2, top],
      [middle + upper / 2, top],
      [middle + lower / 2, top + STEP - 4],
      [middle - lower / 2, top + STEP - 4],
    ];
    add(drawing, 'polygon', { class: 'shape', points: corners.map((corner) => corner.join(',')).join(' ') });
    add(drawing, 'text', {
      class: 'name',
      x: middle,
      y: top + 22,
    }).textContent = `${rows.toLocaleString('en')} ${label}`;
    drawDots(drawing, exact, i, width, middle, top + 42);
  }
  const lost = exact.filter(({ fate }) => fate.outcome !== 'hit');
  const outOfPool = lost.filter(({ fate }) => fate.outcome === 'not a candidate').length;
  by('verdict').textContent =
    lost.length === 0
      ? `Nothing is lost: the funnel has the ${exact.length} that an exact search finds.`
      : `${lost.length} of the exact ${exact.length} are lost: ${outOfPool} by the head, ${lost.length - outOfPool} by the stages.`;
  const { ms } = shown;
  by('times').textContent =
    `Head search ${time(ms.head)}, funnel ${time(ms.funnel)}; exact by the index ${time(ms.exact)}.`;
}

/** The step from one dot to the next in a row of so many, and what a band needs for it. */
const stepOfDots = (dots) => Math.min(2 * DOT + 4, 130 / Math.max(1, dots));
const widthOfDots = (dots) => stepOfDots(dots) * Math.max(0, dots - 1) + 2 * DOT + 8;

/** The rows of the exact answer that come to a level: filled while they go on, a ring at the side where they are lost. */
function drawDots(drawing, exact, level, width, middle, y) {
  const here = exact.filter(({ fate }) => placeOf(fate) > level);
  const gone = exact.filter(({ fate }) => placeOf(fate) === level);
  const gap = 2 * DOT + 4;
  here.forEach((one, i) => {
    const x = middle + (i - (here.length - 1) / 2) * stepOfDots(here.length);
    dot(drawing, one, x, y, 'dot');
  });
  gone.forEach((one, i) => {
    dot(drawing, one, width - 10 - (i % 3) * gap, y - 16 + Math.floor(i / 3) * gap, 'dot gone');
  });
  if (gone.length > 0) {
    const text = add(drawing, 'text', { class: 'gone-label', x: width - 2, y: y - 28, 'text-anchor': 'end' });
    text.textContent = `loses ${gone.length}`;
  }
}

function dot(drawing, { id }, x, y, kind) {
  const isPicked = picked >= 0 && shown.hits[picked]?.id === id;
  const circle = add(drawing, 'circle', { class: isPicked ? `${kind} picked` : kind, cx: x, cy: y, r: DOT - 1 });
  add(circle, 'title', {}).textContent = glosses.words[id];
}

function add(parent, name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent.append(element);
  return element;
}

function time(ms) {
  if (ms < 0.1) return 'less than 0.1 ms'; // as finely as a page may measure
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

function drawHits() {
  by('hits').replaceChildren(
    ...(shown?.hits ?? []).map(({ id, score }, i) => {
      const item = line(id, score.toFixed(3));
      item.classList.toggle('picked', i === picked);
      if (i === picked) item.setAttribute('aria-current', 'true');
      return item;
    }),
  );
  const lost = (shown?.exact ?? []).filter(({ fate }) => fate.outcome !== 'hit');
  by('lost-part').hidden = lost.length === 0;
  by('lost').replaceChildren(
    ...lost.map(({ id, score, fate }) => {
      const why =
        fate.outcome === 'dropped' ? `dropped by ${fate.scale} dims, as number ${fate.rank + 1}` : 'not in the pool';
      return line(id, score.toFixed(3), why);
    }),
  );
}

function line(id, score, why) {
  const item = document.createElement('li');
  const number = document.createElement('span');
  number.className = 'score';
  number.textContent = score;
  const word = document.createElement('strong');
  word.textContent = glosses.words[id];
  item.append(number, word, glosses.texts[id]);
  if (why !== undefined) {
    const small = document.createElement('small');
    small.textContent = ` (${why})`;
    item.append(small);
  }
  return item;
}

// Keys

document.addEventListener('keydown', (event) => {
  const typing = document.activeElement === by('text');
  if (event.key === '/' && !typing) {
    event.preventDefault();
    by('text').focus();
  } else if (event.key === 'Escape') {
    by('text').value = '';
    search();
  } else if (typing && (event.key === 'ArrowDown' || event.key === 'ArrowUp') && shown !== undefined) {
    event.preventDefault();
    const { length } = shown.hits;
    picked = (picked + (event.key === 'ArrowDown' ? 1 : picked < 0 ? 0 : -1) + length) % length;
    draw();
    by('hits').children[picked]?.scrollIntoView({ block: 'nearest' });
  }
});

for (const id of ['text', 'head', 'candidates', 'keep']) by(id).addEventListener('input', search);

addEventListener('resize', draw);

showSettings();
draw();
try {
  const [loaded, texts] = await Promise.all([ask('load'), fetch('glosses.json').then((file) => file.json())]);
  glosses = texts;
  count = loaded.count;
  const { kernels, megabytes, dim } = loaded;
  say(
    `${count.toLocaleString('en')} glosses of ${dim} dims, ${megabytes.toFixed(1)} MB, searched in a worker on ${kernels}.`,
  );
  by('text').focus();
  document.body.dataset.ready = 'true';
  await search();
} catch (error) {
  say(`The index cannot be loaded: ${error.message}`);
}

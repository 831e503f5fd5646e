/**
 * The script of the page: five plots over the data that stands in it. It is plain JavaScript of browsers, as text,
 * since this package's compiler knows no DOM. Names of users' things are only ever drawn on a canvas or set as text.
 */
export const CLIENT = `
'use strict';
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim();
  const plots = [];
  // A label that a narrow axis leaves out is null.
  const short = (value) => value === null ? '' : value >= 10000 ? Math.round(value / 1000) + 'k' : String(value);
  const twice = (low, high) => {
    const all = [];
    for (let x = 1; x <= high; x *= 2) if (x >= low) all.push(x);
    return all;
  };

  /** A plot in the element of that id, drawn again when the scheme or the width changes. */
  const plot = (id, height, options, values) => {
    const box = document.getElementById(id);
    if (!box) return;
    let drawn;
    const width = () => Math.max(240, box.clientWidth);
    const draw = () => {
      if (drawn) drawn.destroy();
      const ink = colour('ink');
      const axis = (given) => ({
        stroke: ink,
        font: '12px system-ui, sans-serif',
        labelFont: '12px system-ui, sans-serif',
        labelSize: 20,
        grid: { stroke: colour('grid'), width: 1 },
        ticks: { stroke: colour('grid'), width: 1 },
        ...given,
      });
      const own = options();
      drawn = new uPlot({
        width: width(),
        height,
        legend: { live: false },
        cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
        ...own,
        axes: own.axes.map(axis),
      }, values(), box);
      box.dataset.drawn = 'yes';
    };
    draw();
    plots.push({ box, draw, resize: () => drawn.setSize({ width: width(), height }) });
  };

  const x = {};
  const points = (label, name, size) => ({
    label,
    stroke: colour(name),
    fill: colour(name),
    paths: () => null,
    points: { show: true, size, stroke: colour(name), fill: colour(name), width: 0 },
  });

  /** Lines across: of a value on x, of one on y. */
  const lines = (vertical, horizontal) => ({
    draw: [(u) => {
      const { ctx, bbox } = u;
      const ratio = devicePixelRatio || 1;
      ctx.save();
      ctx.beginPath();
      ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
      ctx.clip();
      ctx.textAlign = 'left';
      ctx.textBaseline = 'alphabetic';
      ctx.setLineDash([5 * ratio, 4 * ratio]);
      ctx.lineWidth = ratio;
      ctx.font = 12 * ratio + 'px system-ui, sans-serif';
      const right = bbox.left + bbox.width;
      for (const [value, text, name] of vertical) {
        const at = u.valToPos(value, 'x', true);
        ctx.strokeStyle = ctx.fillStyle = colour(name);
        ctx.beginPath();
        ctx.moveTo(at, bbox.top);
        ctx.lineTo(at, bbox.top + bbox.height);
        ctx.stroke();
        const wide = ctx.measureText(text).width;
        const left = at + 4 * ratio + wide > right ? at - 4 * ratio - wide : at + 4 * ratio;
        ctx.fillText(text, left, bbox.top + bbox.height - 6 * ratio);
      }
      for (const [value, text, name] of horizontal) {
        const at = u.valToPos(value, 'y', true);
        ctx.strokeStyle = ctx.fillStyle = colour(name);
        ctx.beginPath();
        ctx.moveTo(bbox.left, at);
        ctx.lineTo(right, at);
        ctx.stroke();
        ctx.fillText(text, bbox.left + 4 * ratio, at + 14 * ratio);
      }
      ctx.restore();
    }],
  });

  const { curve } = data;
  const least = Math.max(Math.min(...curve.plans.map((plan) => plan[1])), 1 - 12 * (1 - curve.target));
  const sorted = curve.plans.slice().sort((a, b) => a[0] - b[0]);
  const times = sorted.map((plan) => plan[0]).concat([curve.chosen[0], curve.exact]).sort((a, b) => a - b);
  const widest = times[times.length - 1];
  const at = (list) => {
    // One value for each time; several plans of one time stand at times of their own.
    const left = list.slice();
    return times.map((time) => {
      const found = left.findIndex((plan) => plan[0] === time);
      return found === -1 ? null : left.splice(found, 1)[0][1];
    });
  };
  plot('curve', 320, () => ({
    scales: {
      x: { time: false, range: [Math.max(0, times[0] - 0.06 * (widest - times[0])), widest + 0.06 * (widest - times[0])] },
      y: { range: [least - 0.05 * (1 - least), 1 + 0.04 * (1 - least)] },
    },
    axes: [
      { label: 'milliseconds a search' },
      { label: 'recall', size: 64, values: (u, all) => all.map((value) => value === null || value > 1.0000001 ? '' : +value.toFixed(4) + '') },
    ],
    series: [
      x,
      points('plans', 'faint', 5),
      { ...points('worth their cost', 'line', 6), paths: undefined, width: 1.5, fill: undefined, spanGaps: true },
      points('mode exact', 'exact', 11),
      points('the plan', 'chosen', 13),
    ],
    hooks: lines([], [[curve.target, 'target ' + curve.target, 'bad']]),
  }), () => [
    times,
    at(sorted.filter((plan) => !plan[2])),
    at(sorted.filter((plan) => plan[2])),
    at([[curve.exact, 1]]),
    at([curve.chosen]),
  ]);

  const { ranks } = data;
  const mostRanks = ranks.points[ranks.points.length - 1][0];
  const firstRank = (ranks.points.find((point) => point[1] > 0) || [1])[0];
  plot('ranks', 300, () => ({
    scales: { x: { time: false, distr: 3, log: 2, range: [firstRank, Math.max(2 * firstRank, mostRanks)] }, y: { range: [Math.min(ranks.points[0][1], 0.9), 1.005] } },
    axes: [
      { label: 'candidates', splits: () => twice(firstRank, mostRanks), values: (u, all) => all.map(short), space: 30 },
      { label: 'share of true neighbours', size: 64, values: (u, all) => all.map((value) => value === null || value > 1 ? '' : +value.toFixed(3) + '') },
    ],
    series: [x, { label: 'among so many candidates', stroke: colour('line'), width: 2, points: { show: false } }],
    hooks: lines(ranks.chosen ? [[ranks.chosen, 'plan: ' + ranks.chosen, 'chosen']] : [], [[ranks.target, 'target ' + ranks.target, 'bad']]),
  }), () => [ranks.points.map((point) => point[0]), ranks.points.map((point) => point[1])]);

  const { stages } = data;
  plot('stages', 240, () => ({
    scales: {
      x: { time: false, range: [-0.6, stages.names.length - 0.4] },
      y: { range: [0, Math.max(1e-4, ...stages.lost) * 1.25] },
    },
    axes: [
      { splits: () => stages.names.map((_, i) => i), values: () => stages.names, grid: { show: false } },
      { label: '% of true neighbours lost', size: 64, values: (u, all) => all.map((value) => +(100 * value).toFixed(3) + '') },
    ],
    series: [x, {
      label: 'lost at this stage',
      stroke: colour('bad'),
      fill: colour('bad'),
      paths: uPlot.paths.bars({ size: [0.5, 80] }),
      points: { show: false },
    }],
    hooks: {
      draw: [(u) => {
        const ratio = devicePixelRatio || 1;
        u.ctx.save();
        u.ctx.fillStyle = colour('ink');
        u.ctx.textAlign = 'center';
        u.ctx.textBaseline = 'alphabetic';
        u.ctx.font = 12 * ratio + 'px system-ui, sans-serif';
        stages.lost.forEach((lost, i) => {
          const text = (100 * lost).toFixed(2) + ' %';
          u.ctx.fillText(text, u.valToPos(i, 'x', true), u.valToPos(lost, 'y', true) - 5 * ratio);
        });
        u.ctx.restore();
      }],
    },
  }), () => [stages.names.map((_, i) => i), stages.lost]);

  const { traces } = data;
  const dots = traces.dots.slice().sort((a, b) => a[0] - b[0]);
  const fates = [['found', 'returned', 'line'], ['head', 'lost by the head search', 'bad'], ['scale', 'lost by a scale', 'warn'], ['beyond', 'beyond what was looked at', 'ink']];
  const there = fates.filter(([fate]) => dots.some((dot) => dot[2] === fate));
  const rows = traces.labels.length;
  // The first query stands on top.
  const line = (trace) => rows - 1 - trace;
  const room = () => Math.min(260, Math.max(80, document.getElementById('traces').clientWidth * 0.28));
  plot('traces', 90 + 17 * Math.max(rows, 4), () => ({
    scales: { x: { time: false, distr: 3, log: 2, range: [0.9, 2 * traces.most] }, y: { range: [-0.6, rows - 0.4] } },
    axes: [
      { label: 'place among the candidates', splits: () => twice(1, traces.most), values: (u, all) => all.map(short), space: 30 },
      {
        size: room(),
        space: 1,
        splits: () => traces.labels.map((_, i) => i),
        values: (u, all) => all.map((at) => {
          const text = traces.labels[line(at)];
          const letters = Math.floor((room() - 16) / 7.4);
          return text.length > letters ? text.slice(0, letters - 1) + '…' : text;
        }),
      },
    ],
    series: [x, ...there.map(([, label, name]) => points(label, name, 7))],
    hooks: lines(traces.chosen ? [[traces.chosen + 0.5, 'plan: ' + traces.chosen, 'chosen']] : [], []),
  }), () => [dots.map((dot) => dot[0]), ...there.map(([fate]) => dots.map((dot) => dot[2] === fate ? line(dot[1]) : null))]);

  const { prefix } = data;
  if (prefix) plot('prefix', 280, () => ({
    scales: {
      x: { time: false, distr: 3, log: 2, range: [prefix.heads[0].dims * 0.9, prefix.heads[prefix.heads.length - 1].dims * 1.1] },
      y: { range: [Math.min(...prefix.heads.map((head) => Math.min(head.prefix, head.suffix))) * 0.95, 1.02] },
    },
    axes: [
      { label: 'dims of the head', splits: () => prefix.heads.map((head) => head.dims), values: (u, all) => all.map(short) },
      { label: 'recall', size: 64, values: (u, all) => all.map((value) => value === null || value > 1 ? '' : +value.toFixed(3) + '') },
    ],
    series: [
      x,
      { label: 'first dims', stroke: colour('line'), width: 2, points: { show: true, size: 8, fill: colour('line') } },
      { label: 'last dims', stroke: colour('bad'), width: 2, points: { show: true, size: 8, fill: colour('bad') } },
    ],
  }), () => [prefix.heads.map((head) => head.dims), prefix.heads.map((head) => head.prefix), prefix.heads.map((head) => head.suffix)]);

  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => plots.forEach(({ draw }) => draw()));
  let waiting;
  addEventListener('resize', () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(() => plots.forEach(({ resize }) => resize()));
  });
  document.documentElement.dataset.ready = String(plots.length);
})();
`;

export const STYLE = `
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #1f2430; --soft: #5b6472; --grid: #e3e6ea; --card: #f6f7f9;
  --line: #1f6fb2; --faint: #a9b4c0; --chosen: #b3540a; --exact: #2c7a4b; --bad: #b3261e; --warn: #a06a00;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171c; --ink: #e4e7ec; --soft: #a3adba; --grid: #2c323b; --card: #1d2229;
    --line: #6db3f2; --faint: #5d6875; --chosen: #f0a860; --exact: #6cc28e; --bad: #f28b82; --warn: #e3bf62;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .25rem; }
p { margin: .4rem 0; }
.soft { color: var(--soft); font-size: .9rem; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); gap: .75rem; margin: 1rem 0; }
.fact { background: var(--card); border-radius: .5rem; padding: .6rem .8rem; }
.fact b { display: block; font-size: 1.3rem; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.fact span { color: var(--soft); font-size: .85rem; }
.refused { border-left: 4px solid var(--bad); padding: .5rem .8rem; background: var(--card); overflow-wrap: anywhere; }
pre { background: var(--card); padding: .75rem; border-radius: .5rem; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
.plot { margin: .75rem 0; width: 100%; min-height: 200px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid var(--grid); vertical-align: top; }
td { overflow-wrap: anywhere; }
td:first-child:not(.number) { min-width: 9rem; }
th { color: var(--soft); font-weight: 600; }
.number { text-align: right; white-space: nowrap; }
.marked { background: var(--card); font-weight: 600; }
details { border-bottom: 1px solid var(--grid); padding: .3rem 0; }
summary { cursor: pointer; overflow-wrap: anywhere; }
.uplot, .u-legend { color: var(--ink); font-family: inherit; }
.u-legend { font-size: .85rem; }
@media print { details > * { display: block; } }
`;

// Recall against latency as SVG, a panel per number of threads.

import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { CONTENDERS } from '../contenders/contenders.mjs';

const LEAST_RECALL = 0.85;
const RIGHT = 250;
const OURS = 'black';
/** Peers have the same colour in every plot. */
const PEERS = CONTENDERS.filter(({ ours }) => !ours).map(({ label }) => label);
const COLOURS = [
  '#4e79a7',
  '#f28e2c',
  '#e15759',
  '#76b7b2',
  '#59a14f',
  '#d4ad1f',
  '#af7aa1',
  '#ff6f91',
  '#9c755f',
  '#8a8a8a',
  '#17557a',
  '#b5cf6b',
  '#7b1fa2',
  '#c49c94',
];

export function plotOf({ set, runs }) {
  const points = runs.flatMap(({ threads, lines }) =>
    lines
      .filter(({ missing }) => !missing)
      .flatMap(({ label, ours, settings }) =>
        settings.map((one) => ({ ...one, label: labelOf(label, ours, one), ours, threads })),
      ),
  );
  const shown = points.filter(({ recall }) => recall >= LEAST_RECALL);
  const curved = shown.filter(({ name }) => name !== 'exact');
  const labels = [...new Set(shown.map(({ label }) => label))];
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const common = { x: 'recall', y: 'p50', stroke: 'label', fx: 'threads' };
  const figure = Plot.plot({
    document,
    width: 60 + 420 * runs.length + RIGHT,
    height: 460,
    marginLeft: 60,
    marginRight: RIGHT,
    style: { background: 'white', color: 'black', fontFamily: 'sans-serif', fontSize: '12px' },
    fx: { label: null, tickFormat: (threads) => `${set.key}, ${threads} ${threads === 1 ? 'thread' : 'threads'}` },
    x: { domain: [LEAST_RECALL, 1.002], label: 'recall@10 →', grid: true, ticks: 6 },
    y: { type: 'log', label: '↑ p50 ms a query', grid: true, tickFormat: '~g' },
    color: { domain: labels, range: labels.map(colourOf) },
    marks: [
      Plot.frame({ stroke: '#ccc' }),
      Plot.line(curved, { ...common, z: 'label', sort: 'recall', strokeWidth: (d) => (d.ours ? 3 : 1.5) }),
      Plot.dot(shown, {
        ...common,
        fill: 'label',
        r: (d) => (d.ours ? 4 : 2.5),
        symbol: (d) => (d.name === 'exact' ? 'diamond' : 'circle'),
      }),
      legend(labels, runs.at(-1).threads, shown),
    ],
  });
  const svg = figure.tagName.toLowerCase() === 'svg' ? figure : figure.querySelector('svg');
  svg.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  return `${svg.outerHTML}\n`;
}

const colourOf = (label) => COLOURS[PEERS.indexOf(label)] ?? OURS;
const labelOf = (label, ours, { name }) => (ours ? `${label} ${name === 'exact' ? 'exact' : 'funnel'}` : label);

/** Names in the right margin, each in its colour, at the height of the last panel. */
function legend(labels, threads, points) {
  const times = points.map(({ p50 }) => p50);
  const [low, high] = [Math.log(Math.min(...times)), Math.log(Math.max(...times))];
  const entries = labels.map((label, i) => ({
    label,
    threads,
    recall: 1.002,
    p50: Math.exp(high - ((high - low) * i) / Math.max(12, labels.length)),
  }));
  return Plot.text(entries, {
    x: 'recall',
    y: 'p50',
    fx: 'threads',
    text: 'label',
    fill: 'label',
    textAnchor: 'start',
    dx: 10,
  });
}

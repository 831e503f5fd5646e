/** How far a long piece of work is: a bar on a terminal, lines elsewhere. */

import { load } from '../files/packages.js';
import type { Io } from './io.js';
import { count, duration } from './text.js';

type CliProgress = typeof import('cli-progress');
type Bar = import('cli-progress').SingleBar;

export interface ProgressDisplay {
  /** @param share of the work, 0 to 1; `rows` counts what was done, in all */
  update(rows: number, share: number): void;
  /** In place of rows: what happens. */
  step(name: string, share: number): void;
  /** A line that stays. */
  say(text: string): void;
  stop(): void;
}

const STEPS = 1000;
/** Between lines. */
const LINE_MS = 5000;

/** On stderr. Nothing is written for `--json`, unless somebody watches. */
export async function startProgress(io: Io, label: string, unit: string): Promise<ProgressDisplay> {
  const { stderr, json } = io;
  if (stderr.isTTY) {
    const bar = await newBar(io);
    if (bar !== undefined) return new Drawn(bar, io, label, unit);
  }
  return json ? SILENT : new Lines(io, label, unit);
}

const SILENT: ProgressDisplay = { update() {}, step() {}, say() {}, stop() {} };

async function newBar({ stderr }: Io): Promise<Bar | undefined> {
  let cli: CliProgress & { default?: CliProgress };
  try {
    cli = await load<CliProgress>('cli-progress');
  } catch {
    return undefined; // lines do as well
  }
  const { SingleBar, Presets } = cli.default ?? cli;
  return new SingleBar(
    {
      format: '{label} {bar} {percentage}%{news}',
      stream: stderr as never,
      hideCursor: true,
      barsize: 24,
      clearOnComplete: true,
      linewrap: false,
    },
    Presets.shades_classic,
  );
}

/** Rows a second since the first call, and what is left at that pace. */
class Pace {
  #start: { at: number; rows: number; share: number } | undefined;

  text(rows: number, share: number, unit: string): string {
    const now = performance.now();
    this.#start ??= { at: now, rows, share };
    const seconds = (now - this.#start.at) / 1000;
    const rate = seconds > 0.1 ? `, ${count(Math.round((rows - this.#start.rows) / seconds))} ${unit}/s` : '';
    const done = share - this.#start.share;
    const left = done > 0 && seconds > 0.5 ? `, ${duration((seconds / done) * (1 - share))} left` : '';
    return `${count(rows)} ${unit}${rate}${left}`;
  }
}

class Drawn implements ProgressDisplay {
  readonly #pace = new Pace();

  constructor(
    private readonly bar: Bar,
    private readonly io: Io,
    label: string,
    private readonly unit: string,
  ) {
    bar.start(STEPS, 0, { label, news: '' });
  }

  update(rows: number, share: number): void {
    this.bar.update(Math.round(share * STEPS), { news: ` ${this.#pace.text(rows, share, this.unit)}` });
  }

  step(name: string, share: number): void {
    this.bar.update(Math.round(share * STEPS), { news: ` ${name}` });
  }

  say(text: string): void {
    this.io.stderr.write(`\r\x1b[2K${text}\n`);
  }

  stop(): void {
    this.bar.stop();
  }
}

class Lines implements ProgressDisplay {
  readonly #pace = new Pace();
  #said = performance.now();
  #step = '';

  constructor(
    private readonly io: Io,
    private readonly label: string,
    private readonly unit: string,
  ) {}

  update(rows: number, share: number): void {
    const text = this.#pace.text(rows, share, this.unit);
    if (performance.now() - this.#said < LINE_MS) return;
    this.#said = performance.now();
    this.say(`${this.label}: ${Math.floor(share * 100)} %, ${text}`);
  }

  step(name: string, share: number): void {
    const isNew = name !== this.#step;
    this.#step = name;
    if (isNew ? performance.now() - this.#said < LINE_MS / 5 : performance.now() - this.#said < LINE_MS) return;
    this.#said = performance.now();
    this.say(`${this.label}: ${name}, ${Math.floor(share * 100)} %`);
  }

  say(text: string): void {
    this.io.stderr.write(`${text}\n`);
  }

  stop(): void {}
}

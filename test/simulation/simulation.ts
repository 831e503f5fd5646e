/**
 * A day of an application: a writer with an index and a mirror of it, which is killed and started again, readers in
 * processes of their own, and a model of what was acknowledged, which all answers are held against.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Filter, FunnelIndex } from 'funnelvec/store';
import { nativeFiles } from '#dist/store/files/native.js';
import { Random } from '../random.js';
import { type Asked, pause, type Recall } from './asking.js';
import { Child, Gone } from './child.js';
import { Truth, type WriteOrder } from './truth.js';
import { cosine, DIM, NEVER, type Payload, vectorOf } from './world.js';
import type { Looked } from './writer.js';

export const HOURS = 24;

export interface SimulationOptions {
  /** That the day takes, about: what is looked at whole comes on top. */
  minutes: number;
  seed: number;
  /** Ids that there are. */
  rows: number;
  readers: number;
  onHour?: (line: string) => void;
}

export interface Sample {
  hour: number;
  writer: Looked | undefined;
  readers: Asked[];
  /** Bytes of all files of the index, of whatever kind. */
  disk: number;
  /** Bytes that the living rows take at least: values, and payloads as JSON. */
  living: number;
}

export interface Report {
  seed: number;
  minutes: number;
  rows: number;
  faults: string[];
  counts: Record<string, number>;
  events: { hour: number; what: string; ms?: number }[];
  samples: Sample[];
}

/** Bytes that an index may take beside two times the living rows. */
const FLOOR = 4 << 20;
/** Whether what the store no longer needs goes back to the file system. */
const GIVES_BACK = nativeFiles().punchHole !== undefined;
/** An hour of a writer's life lasts at least so long. */
const LEAST_LIFE_MS = 3000;
/** Hours in which no writer is killed, so that what grows is seen. */
const QUIET = [11, 18] as const;
/** The least share of the hits of mode 'exact' that mode 'funnel' finds. */
const RECALL = 0.95;

export async function simulate(options: SimulationOptions): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), 'funnelvec-simulation-'));
  const day = new Day(options, folder);
  try {
    await day.run();
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
  return day.report;
}

class Day {
  readonly report: Report;
  readonly #truth = new Truth();
  readonly #random: Random;
  readonly #path: string;
  readonly #mirrorPath: string;
  readonly #began = performance.now();
  readonly #hourMs: number;
  #writer: Child | undefined;
  #killAt: NodeJS.Timeout | undefined;
  /** While all is looked at, nobody is killed, and no simulated time goes by. */
  #isChecking = false;
  #checkedMs = 0;
  #killDue: (() => void) | undefined;
  readonly #readers: Child[] = [];
  readonly #writes: Promise<void>[] = [];
  #version = 1;
  #over = false;
  #bytesOfRow = DIM * 4 + 200;
  #mostPayloads = 0;

  constructor(
    readonly options: SimulationOptions,
    folder: string,
  ) {
    const { seed, minutes, rows } = options;
    this.#path = join(folder, 'index');
    this.#mirrorPath = join(folder, 'mirror');
    this.#random = new Random(seed);
    this.#hourMs = (60_000 * minutes) / HOURS;
    this.report = { seed, minutes, rows, faults: [], counts: {}, events: [], samples: [] };
  }

  get #hour(): number {
    return (performance.now() - this.#began - this.#checkedMs) / this.#hourMs;
  }

  #count(what: string, more = 1): void {
    this.report.counts[what] = (this.report.counts[what] ?? 0) + more;
  }

  #event(what: string, ms?: number): void {
    this.#count(what);
    this.report.events.push({ hour: this.#hour, what, ...(ms !== undefined && { ms }) });
  }

  #fault = (fault: string): void => {
    if (this.report.faults.length < 20) this.report.faults.push(`hour ${this.#hour.toFixed(2)}: ${fault}`);
    this.#over = true;
  };

  async run(): Promise<void> {
    let beside: Promise<unknown> = Promise.resolve();
    try {
      for (const path of [this.#path, this.#mirrorPath]) {
        await (await FunnelIndex.create(path, { dim: DIM })).close(); // who reads needs one, whatever is killed
      }
      for (let i = 0; i < this.options.readers; i++) this.#readers.push(this.#newReader());
      beside = Promise.all([this.#sampleAll(), this.#probeAll(), this.#killReaders()].map((one) => this.#noted(one)));
      await this.#write(0, HOURS);
      this.#over = true;
      await beside;
      this.#checkGrowth();
    } catch (error) {
      this.#fault((error as Error).stack!);
    } finally {
      this.#over = true;
      clearTimeout(this.#killAt);
      await beside;
      await Promise.all([this.#writer, ...this.#readers].map((child) => this.#noted(child?.close())));
    }
  }

  /** A failure beside the writes ends the day. */
  async #noted(work: Promise<unknown> | undefined): Promise<void> {
    try {
      await work;
    } catch (error) {
      if (!(error instanceof Gone)) this.#fault((error as Error).stack!);
    }
  }

  // The writer

  async #open(): Promise<void> {
    const began = performance.now();
    const args = [this.#path, this.#mirrorPath, this.#random.int(1, 1e6), this.#msBetween];
    const writer = new Child('writer', args, this.#fault);
    this.#writer = writer;
    // Some are killed before they are open.
    const hours = this.#random.chance(0.15) ? this.#random.next() * 0.01 : 0.2 + 2.2 * this.#random.next();
    const isKilled = this.#random.chance(0.7);
    const kill = () => {
      if (this.#over || this.#writer !== writer) return;
      if (this.#hour > QUIET[0] && this.#hour < QUIET[1]) {
        this.#killAt = setTimeout(kill, (QUIET[1] - this.#hour) * this.#hourMs);
        return;
      }
      if (this.#isChecking) {
        this.#killDue = kill;
        return;
      }
      this.#event(isKilled ? 'kill -9' : 'shutdown');
      if (isKilled) writer.kill();
      else void this.#noted(writer.close());
    };
    // A start takes half a second, however short an hour is.
    this.#killAt = setTimeout(kill, hours * Math.max(this.#hourMs, LEAST_LIFE_MS));
    const ms = await writer.ready;
    await this.#truth.settle((ids) => writer.ask({ do: 'versions', ids }));
    this.#event('open', ms);
    this.#count('openMs', Math.round(performance.now() - began));
  }

  get #msBetween(): number {
    return this.options.minutes >= 5 ? 60 : 15;
  }

  /** Orders, hour by hour; after a kill a new writer goes on. */
  async #write(from: number, to: number): Promise<void> {
    let next = Math.ceil(from);
    while (this.#hour < to && !this.#over) {
      try {
        if (this.#writer === undefined) await this.#open();
        if (this.#hour >= next) {
          await this.#everyHour(next);
          next = Math.max(next + 1, Math.floor(this.#hour));
        } else {
          await this.#send(this.#anyWrite());
          // A day has busy hours.
          const rush = 1 + 0.8 * Math.sin(((this.#hour - 8) / HOURS) * 2 * Math.PI);
          await pause((this.#random.next() * 2 * this.#msBetween) / rush);
        }
      } catch (error) {
        if (!(error instanceof Gone)) throw error;
        clearTimeout(this.#killAt);
        await this.#writer!.ended;
        await Promise.all(this.#writes.splice(0));
        this.#writer = undefined;
      }
    }
    for (;;) {
      try {
        if (this.#over) return;
        if (this.#writer === undefined) await this.#open();
        clearTimeout(this.#killAt);
        await this.#drained();
        await this.#checkAll(true);
        return;
      } catch (error) {
        if (!(error instanceof Gone)) throw error;
        await this.#writer!.ended;
        this.#writer = undefined;
      }
    }
  }

  async #everyHour(hour: number): Promise<void> {
    const { rows } = this.options;
    this.options.onHour?.(this.#line(hour));
    if (hour === 2) await this.#rewrite(0, Math.min(3000, rows / 4)); // the job of the night
    if (hour === 9) await this.#rewrite(rows / 2, rows); // an import
    if (hour % 5 === 3) await this.#ask('optimize');
    await this.#drained();
    await this.#send({ do: 'expire', hour });
    await this.#drained();
    if (hour % (this.options.minutes >= 5 ? 1 : 4) === 0) await this.#checkAll(hour % 6 === 0);
    // In the other hours beside the writes.
    else if (hour % 2 === 0) void this.#noted(this.#ask('sync'));
  }

  async #ask<T>(what: 'optimize' | 'quiet' | 'sync'): Promise<T> {
    const began = performance.now();
    const result = await this.#writer!.ask<T>({ do: what });
    if (what !== 'quiet') this.#event(what, performance.now() - began);
    return result;
  }

  async #rewrite(from: number, to: number): Promise<void> {
    for (let at = from; at < to; at += 500) {
      const ids = Array.from({ length: Math.min(500, to - at) }, (_, i) => at + i);
      await this.#send(this.#upsertOf(ids));
    }
  }

  #upsertOf(ids: number[]): WriteOrder {
    const { rows } = this.options;
    const hour = Math.floor(this.#hour);
    const untils = ids.map((id) => (id % 5 < 3 ? hour + 1 + this.#random.int(0, 8) : NEVER));
    return { do: 'upsert', ids: ids.map((id) => id % rows), versions: ids.map(() => this.#version++), untils };
  }

  #anyWrite(): WriteOrder {
    const { rows } = this.options;
    const some = (most: number) => [
      ...new Set(Array.from({ length: this.#random.int(1, most) }, () => this.#random.int(0, rows - 1))),
    ];
    if (this.#random.chance(0.15)) return { do: 'delete', ids: some(60) };
    return this.#upsertOf(some(this.#random.chance(0.05) ? Math.min(2000, rows / 3) : 200));
  }

  /** Up to three writes are under way at once. */
  async #send(order: WriteOrder): Promise<void> {
    while (this.#writes.length >= 3) await this.#writes.shift();
    if (this.#writer!.isGone) throw new Gone('the writer has gone');
    const pending = this.#truth.begin(order);
    this.#count(order.do);
    const done = this.#writer!.ask(order).then(
      () => this.#truth.acknowledge(pending),
      (error) => {
        if (!(error instanceof Gone)) this.#fault((error as Error).stack!);
      },
    );
    this.#writes.push(done);
  }

  async #drained(): Promise<void> {
    await Promise.all(this.#writes.splice(0));
    if (this.#truth.pending > 0) throw new Gone('the writer has gone');
  }

  // Checks

  /** Nothing is written meanwhile. */
  async #checkAll(isWhole: boolean): Promise<void> {
    const began = performance.now();
    this.#isChecking = true;
    try {
      await this.#check(isWhole);
    } finally {
      this.#isChecking = false;
      this.#checkedMs += performance.now() - began;
    }
    const kill = this.#killDue;
    this.#killDue = undefined;
    kill?.();
  }

  async #check(isWhole: boolean): Promise<void> {
    await this.#ask('sync');
    for (const path of [this.#path, this.#mirrorPath]) {
      const index = await FunnelIndex.open<Payload>(path, { readOnly: true });
      try {
        await this.#checkRows(index);
        await this.#checkAnswers(index);
      } finally {
        await index.close();
      }
    }
    this.#count('checks');
    if (!isWhole) return;
    const { resident, files } = await this.#ask<Pick<Looked, 'resident' | 'files'>>('quiet');
    const bound = 2 * this.#living + FLOOR;
    const filed = files.rows + files.segments + (GIVES_BACK ? files.store : 0);
    if (filed > bound) throw new Error(`${filed} bytes in files, not ${bound}: ${JSON.stringify(files)}`);
    // Where LMDB's free pages are not given back it only uses them again. See #checkGrowth().
    this.#mostPayloads = Math.max(this.#mostPayloads, this.#truth.rows.size * (this.#bytesOfRow - 4 * DIM));
    const most = 8 * this.#mostPayloads + 2 * FLOOR;
    if (files.store > most) throw new Error(`${files.store} bytes in the store, not ${most}`);
    const held = resident.rows + resident.codes;
    if (held > bound) throw new Error(`${held} bytes in memory, not ${bound}: ${JSON.stringify(resident)}`);
  }

  get #living(): number {
    return this.#truth.rows.size * this.#bytesOfRow;
  }

  async #checkRows(index: FunnelIndex<Payload>): Promise<void> {
    const { rows } = this.#truth;
    if (index.count !== rows.size) throw new Error(`${index.count} rows, not ${rows.size} (${index.path})`);
    let payloads = 0;
    let after: number | undefined;
    let found = 0;
    do {
      const { points, next } = await index.scroll({ limit: 2000, after });
      for (const { id, payload } of points) {
        const row = rows.get(id as number);
        if (row === undefined || payload?.version !== row.version || payload.until !== row.until) {
          throw new Error(`id ${id} is ${JSON.stringify(payload)}, not ${JSON.stringify(row)} (${index.path})`);
        }
        payloads += JSON.stringify(payload).length;
      }
      found += points.length;
      after = next;
    } while (after !== undefined);
    if (found !== rows.size) throw new Error(`${found} rows are listed, not ${rows.size}`);
    if (found > 0) this.#bytesOfRow = DIM * 4 + payloads / found;
    this.#count('rowsChecked', found);
  }

  async #checkAnswers(index: FunnelIndex<Payload>): Promise<void> {
    const { rows } = this.#truth;
    const vector = vectorOf(this.#random.int(0, 2 ** 30));
    const all = [...rows].map(([id, { version }]) => ({ id, version, score: cosine(vector, vectorOf(version)) }));
    all.sort((a, b) => b.score - a.score);
    const n = this.#random.int(0, 49);
    const filter: Filter<Payload> = { must: [{ key: 'n', match: { value: n } }] };
    const passing = all.filter(({ version }) => version % 50 === n);
    const count = await index.countMatching({ filter });
    if (count !== passing.length) throw new Error(`${count} rows pass n = ${n}, not ${passing.length}`);
    for (const [wanted, request] of [
      [all, { vector, limit: 20, mode: 'exact' }],
      [passing, { vector, limit: 20, mode: 'exact', filter }],
    ] as const) {
      const { hits } = await index.query(request);
      const same = hits.every(({ score }, i) => Math.abs(score - wanted[i]!.score) < 1e-9);
      if (!same || hits.length !== Math.min(20, wanted.length)) {
        throw new Error(
          `the exact answer differs: ${JSON.stringify(hits)}, not ${JSON.stringify(wanted.slice(0, 20))}`,
        );
      }
    }
  }

  /** Parts of the day are alike. */
  #checkGrowth(): void {
    const { samples, faults } = this.report;
    const within = (from: number, to: number) => samples.filter(({ hour }) => hour >= from && hour < to);
    const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] ?? 0;
    const compare = (
      what: string,
      of: (sample: Sample) => number | undefined,
      share: number,
      more: number,
      parts = [within(6, 12), within(18, 24)],
    ) => {
      const [before, now] = parts.map((part) =>
        median(part.map(of).filter((value): value is number => value !== undefined)),
      ) as [number, number];
      if (now > share * before + more) faults.push(`${what} grew from ${before} to ${now} over the day`);
    };
    const MB = 1 << 20;
    // A process that starts anew each few seconds tells nothing.
    if (this.options.minutes >= 5) {
      compare('memory of the writer', ({ writer }) => writer?.usage.rss, 1.3, 32 * MB);
      const oneLife = [within(QUIET[0] + 2, QUIET[0] + 4), within(QUIET[1] - 2, QUIET[1])];
      compare('memory of one writer', ({ writer }) => writer?.usage.rss, 1.2, 32 * MB, oneLife);
      compare('memory of readers', ({ readers }) => readers[0]?.usage.rss, 1.3, 32 * MB);
      compare('threads of the writer', ({ writer }) => writer?.usage.threads, 1, 2);
      compare('files of the writer', ({ writer }) => writer?.usage.files, 1, 8);
      compare('files of readers', ({ readers }) => readers[0]?.usage.files, 1, 8);
    }
    compare('the store', ({ writer }) => writer?.files.store, 1.25, FLOOR);
    compare('bytes on disk', ({ disk }) => disk, 1.5, 2 * FLOOR);
    for (let from = 0; from < HOURS; from += 6) {
      const recall = within(from, from + 6).reduce<Recall>(
        (sum, { writer, readers }) => {
          for (const one of [writer, ...readers]) {
            sum.wanted += one?.recall.wanted ?? 0;
            sum.found += one?.recall.found ?? 0;
          }
          return sum;
        },
        { wanted: 0, found: 0 },
      );
      if (recall.found < RECALL * recall.wanted) {
        faults.push(`hours ${from} to ${from + 6}: ${recall.found} of ${recall.wanted} hits were found`);
      }
    }
  }

  // Beside the writes

  async #sampleAll(): Promise<void> {
    const every = Math.max(200, (HOURS * this.#hourMs) / 480);
    while (!this.#over) {
      await pause(every);
      const look = <T>(child: Child | undefined) =>
        child?.ask<T>({ do: 'look' }).catch((error) => {
          if (!(error instanceof Gone)) throw error;
          return undefined;
        });
      const [writer, ...readers] = await Promise.all([
        look<Looked>(this.#writer),
        ...this.#readers.map((one) => look<Asked>(one)),
      ]);
      this.report.samples.push({
        hour: this.#hour,
        writer,
        readers: readers.filter((one): one is Asked => one !== undefined),
        disk: bytesIn(this.#path),
        living: this.#living,
      });
    }
  }

  /** Any reader sees an acknowledged row from then on. */
  async #probeAll(): Promise<void> {
    const random = new Random(this.options.seed + 1);
    while (!this.#over) {
      await pause(100);
      const reader = random.pick(this.#readers);
      const ids = [...new Set(Array.from({ length: 50 }, () => random.int(0, this.options.rows - 1)))];
      await reader.ready.catch(() => {});
      const probe = this.#truth.probe(ids);
      try {
        const versions = await reader.ask<number[]>({ do: 'versions', ids });
        for (const [i, id] of ids.entries()) {
          const allowed = probe.allowed.get(id)!;
          if (!allowed.has(versions[i]!)) {
            throw new Error(`a reader sees version ${versions[i]} of id ${id}, not one of ${[...allowed]}`);
          }
        }
        this.#count('probes', ids.length);
      } catch (error) {
        if (!(error instanceof Gone)) throw error;
      } finally {
        this.#truth.end(probe);
      }
    }
  }

  #newReader(): Child {
    return new Child('reader', [this.#path, this.#random.int(1, 1e6), this.#msBetween], this.#fault);
  }

  async #killReaders(): Promise<void> {
    const random = new Random(this.options.seed + 2);
    // The first one stays, so that what grows is seen.
    while (this.#readers.length > 1 && !this.#over) {
      const until = this.#hour + 1 + 5 * random.next();
      while (this.#hour < until && !this.#over) await pause(50);
      if (this.#over) return;
      const i = random.int(1, this.#readers.length - 1);
      this.#readers[i]!.kill();
      await this.#readers[i]!.ended;
      this.#event('reader killed');
      this.#readers[i] = this.#newReader();
    }
  }

  #line(hour: number): string {
    const { samples, counts } = this.report;
    const last = samples.at(-1);
    const mb = (bytes = 0) => `${(bytes / 2 ** 20).toFixed(0)} MB`;
    const { query, usage } = last?.writer ?? {};
    return (
      `hour ${hour}: ${this.#truth.rows.size} rows, ${mb(last?.disk)} on disk, writer ${mb(usage?.rss)}, ` +
      `p50 ${query?.p50.toFixed(2)} ms, p99 ${query?.p99.toFixed(1)} ms, kills ${counts['kill -9'] ?? 0}`
    );
  }
}

function bytesIn(folder: string): number {
  let bytes = 0;
  for (const name of readdirSync(folder)) {
    try {
      bytes += statSync(join(folder, name)).size;
    } catch {} // it is gone by now
  }
  return bytes;
}

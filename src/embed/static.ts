/**
 * Static models: a vector per token, a text is the mean of its tokens' (WordLlama, model2vec). The table is shared memory,
 * so that every thread reads the same.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type EmbedResult, type EmbedTask, type Engine, notFiniteOutput, type TaskControl } from './engine.js';
import { finishVector } from './finish.js';
import { TextTokenizer, type TokenizerSetup } from './tokenizer.js';

export interface StaticSetup {
  kind: 'static';
  tokenizer: TokenizerSetup;
  /** tokens × width. */
  table: Float32Array;
  width: number;
  /** model2vec: a factor per token. */
  weights?: Float32Array;
  /** model2vec with a quantised vocabulary: a token's row. */
  mapping?: Int32Array;
  /** A token that is left out: the unknown one, for model2vec. */
  skipped?: string;
}

/** Texts between looks at the clock. */
const STEP = 16;
/** Milliseconds before others get their turn. */
const SLICE = 10;

export function openStatic(setup: StaticSetup): Engine {
  return new StaticEngine(setup);
}

class StaticEngine implements Engine {
  readonly width: number;
  readonly decisions: readonly string[] = [];
  readonly #setup: StaticSetup;
  readonly #tokenizer: TextTokenizer;
  readonly #sum: Float64Array;
  readonly #skipped: number;

  constructor(setup: StaticSetup) {
    this.#setup = setup;
    this.width = setup.width;
    this.#tokenizer = new TextTokenizer(setup.tokenizer);
    this.#sum = new Float64Array(setup.width);
    this.#skipped = (setup.skipped === undefined ? undefined : this.#tokenizer.idOf(setup.skipped)) ?? -1;
  }

  async embed({ texts, places, prefix, finish: rule }: EmbedTask, control: TaskControl): Promise<EmbedResult> {
    const vectors = new Float32Array(texts.length * rule.dim);
    let truncated = 0;
    let since = performance.now();
    for (let i = 0; i < texts.length; i++) {
      if (i % STEP === 0) {
        if (control.cancelled()) break;
        if (performance.now() - since > SLICE) {
          await nextTurn();
          since = performance.now();
        }
      }
      const encoded = this.#tokenizer.encode(prefix + texts[i]!, places[i]!);
      if (encoded.truncated) truncated++;
      this.#add(encoded.ids);
      if (!finishVector(this.#sum, rule, vectors, i * rule.dim)) throw notFiniteOutput(places[i]!);
    }
    return { vectors, truncated };
  }

  async countTokens(texts: readonly string[], prefix: string): Promise<Uint32Array> {
    return Uint32Array.from(texts, (text) => this.#tokenizer.count(prefix + text));
  }

  async close(): Promise<void> {}

  /** The mean of the tokens' rows, in #sum; zeros for none. */
  #add(ids: ArrayLike<number>): void {
    const { table, width, weights, mapping } = this.#setup;
    const sum = this.#sum;
    const last = (mapping ?? weights)?.length ?? table.length / width;
    sum.fill(0);
    let count = 0;
    for (let t = 0; t < ids.length; t++) {
      if (ids[t] === this.#skipped) continue;
      count++;
      const id = Math.min(ids[t]!, last - 1); // as WordLlama does with tokens beyond its table
      const base = (mapping ? mapping[id]! : id) * width;
      const weight = weights ? weights[id]! : 1;
      if (weight === 1) for (let d = 0; d < width; d++) sum[d]! += table[base + d]!;
      else for (let d = 0; d < width; d++) sum[d]! += weight * table[base + d]!;
    }
    if (count > 1) for (let d = 0; d < width; d++) sum[d]! /= count;
  }
}

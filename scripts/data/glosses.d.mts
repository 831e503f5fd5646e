export const DIM: 256;

export interface Glosses {
  dim: number;
  /** count × dim, as the model gives them: not normalised. */
  rows: Float32Array;
  /** Definitions, without example sentences. */
  texts: string[];
  /** Words to show to people, e.g. "archaeologist, archeologist". */
  words: string[];
  pos: ('noun' | 'verb' | 'adjective' | 'adverb')[];
  /** Example sentences; answerIndex is the row whose gloss they illustrate. */
  queries: { text: string; answerIndex: number }[];
  queryRows: Float32Array;
}

export interface EmbedOptions {
  log?: (line: string) => void;
  onProgress?: (done: number, total: number) => void;
}

export function loadGlosses(options?: EmbedOptions & { count?: number; dictDir?: string }): Promise<Glosses>;
export function glossTexts(options?: {
  count?: number;
  maxQueries?: number;
  dictDir?: string;
}): Pick<Glosses, 'texts' | 'queries'>;
export function embedTexts(texts: string[], options?: EmbedOptions): Promise<Float32Array>;
export function loadSentences(options?: {
  count?: number;
  log?: (line: string) => void;
}): Promise<{ texts: string[]; rows: Float32Array }>;

/** `funnelvec search` without a query, on a terminal: searches as one types. */
import { emitKeypressEvents, type Key } from 'node:readline';
import { type Io, painter, widthOf } from './io.js';
import type { StoreAnswer } from './stores/store.js';
import { cut, printable, widthIn } from './text.js';

/** After the last key, before a search. */
const PAUSE_MS = 60;
const PROMPT = '› ';

export interface PromptAnswer {
  /** Lines to show. */
  lines: string[];
  found: StoreAnswer;
  /** Milliseconds that the model took. */
  embedMs: number;
}

/** Ends when the person leaves: Ctrl-C, Ctrl-D or Escape. */
export function prompt(
  io: Io,
  label: string,
  ask: (text: string, signal: AbortSignal) => Promise<PromptAnswer>,
): Promise<void> {
  return new Prompt(io, label, ask).run();
}

class Prompt {
  #text: string[] = [];
  #cursor = 0;
  #lines: string[] = [];
  #status: string;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Stops the search under way. */
  #search: AbortController | undefined;
  #left = false;

  constructor(
    private readonly io: Io,
    label: string,
    private readonly ask: (text: string, signal: AbortSignal) => Promise<PromptAnswer>,
  ) {
    this.#status = `${label}: type to search, Ctrl-C leaves`;
  }

  async run(): Promise<void> {
    const { stdin, stdout, stop } = this.io;
    emitKeypressEvents(stdin);
    await new Promise<void>((resolve) => {
      const onKey = (text: string | undefined, key: Key) => {
        if (this.#key(text, key)) leave();
        else this.#draw();
      };
      const onResize = () => this.#draw();
      const leave = () => {
        this.#left = true;
        clearTimeout(this.#timer);
        this.#search?.abort();
        stdin.off('keypress', onKey);
        stdin.off('end', leave);
        stdout.off('resize', onResize);
        stop.removeEventListener('abort', leave);
        stdin.setRawMode?.(false);
        stdin.pause();
        // Below what was found last, which stays.
        stdout.write(`${'\n'.repeat(this.#drawnLines)}\x1b[?25h`);
        resolve();
      };
      stdin.setRawMode?.(true);
      stdin.resume();
      stdin.on('keypress', onKey);
      stdin.once('end', leave);
      stdout.on('resize', onResize);
      stop.addEventListener('abort', leave, { once: true });
      if (stop.aborted) leave();
      else this.#draw();
    });
  }

  /** True where the person leaves. */
  #key(text: string | undefined, { name, ctrl, meta }: Key): boolean {
    if (ctrl && (name === 'c' || name === 'd')) return true;
    if (name === 'escape') return true;
    const before = this.#text.join('');
    if (name === 'backspace' || (ctrl && name === 'h')) {
      if (this.#cursor > 0) this.#text.splice(--this.#cursor, 1);
    } else if (name === 'delete') this.#text.splice(this.#cursor, 1);
    else if (ctrl && name === 'u') this.#text.splice(0, this.#cursor, ...this.#to(0));
    else if (ctrl && name === 'w') this.#eraseWord();
    else if (name === 'left') this.#cursor = Math.max(0, this.#cursor - 1);
    else if (name === 'right') this.#cursor = Math.min(this.#text.length, this.#cursor + 1);
    else if (name === 'home' || (ctrl && name === 'a')) this.#cursor = 0;
    else if (name === 'end' || (ctrl && name === 'e')) this.#cursor = this.#text.length;
    else if (name === 'return' || name === 'enter') this.#find(0);
    else if (text !== undefined && !ctrl && !meta && !/\p{C}/u.test(text)) {
      const some = Array.from(text);
      this.#text.splice(this.#cursor, 0, ...some);
      this.#cursor += some.length;
    }
    if (this.#text.join('') !== before) this.#find(PAUSE_MS);
    return false;
  }

  #to(cursor: number): [] {
    this.#cursor = cursor;
    return [];
  }

  #eraseWord(): void {
    let from = this.#cursor;
    while (from > 0 && this.#text[from - 1] === ' ') from--;
    while (from > 0 && this.#text[from - 1] !== ' ') from--;
    this.#text.splice(from, this.#cursor - from);
    this.#cursor = from;
  }

  /** Later; what is under way is of no interest any more. */
  #find(pause: number): void {
    clearTimeout(this.#timer);
    this.#search?.abort();
    this.#search = undefined;
    const text = this.#text.join('').trim();
    if (text === '') {
      this.#lines = [];
      this.#status = '';
      return;
    }
    this.#timer = setTimeout(() => void this.#run(text), pause);
  }

  async #run(text: string): Promise<void> {
    const search = new AbortController();
    this.#search = search;
    try {
      const { lines, found, embedMs } = await this.ask(text, search.signal);
      if (this.#search !== search || this.#left) return;
      this.#lines = lines;
      this.#status = `${found.hits.length} hits in ${found.ms.toFixed(1)} ms, model ${embedMs.toFixed(1)} ms`;
    } catch (error) {
      if (this.#search !== search || this.#left) return;
      this.#lines = [];
      this.#status = (error as Error).message;
    }
    this.#search = undefined;
    this.#draw();
  }

  #drawnLines = 0;

  /** Prompt, status, table, from the line of the cursor on; then the cursor goes back into the text. */
  #draw(): void {
    const { stdout, env } = this.io;
    const paint = painter(stdout, env);
    const width = widthOf(stdout, env) - 1;
    const room = Math.max(1, (stdout.rows ?? 24) - 3);
    // A text longer than the line shows only the part before the cursor.
    let from = 0;
    const typed = () => this.#text.slice(from, this.#cursor).join('');
    while (widthIn(PROMPT + typed()) > width - 1) from++;
    const line = PROMPT + cut(this.#text.slice(from).join(''), width - widthIn(PROMPT));
    const below = [paint.dim(cut(printable(this.#status), width)), ...this.#lines.slice(0, room)];
    const column = widthIn(PROMPT + typed());
    this.#drawnLines = below.length;
    stdout.write(
      `\x1b[?25l\r\x1b[J${line}\n${below.join('\n')}\x1b[${below.length}A\r${column > 0 ? `\x1b[${column}C` : ''}\x1b[?25h`,
    );
  }
}

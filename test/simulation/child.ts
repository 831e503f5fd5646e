/** A process of a simulation, which is asked by messages and may be killed. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Request } from './reader.js';
import type { Message, Order } from './writer.js';

/** Thrown for an order to a process that we killed. */
export class Gone extends Error {}

/** An answer that takes longer does not come. */
const PATIENCE_MS = 120_000;

export class Child {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  #orders = 0;
  #complaints = '';
  #isEndMeant = false;
  /** Milliseconds from the start of the code to its first answer. */
  readonly ready: Promise<number>;
  readonly ended: Promise<void>;

  /** @param onFault hears of an end that nobody meant */
  constructor(file: 'writer' | 'reader', args: readonly (string | number)[], onFault: (fault: string) => void) {
    const path = fileURLToPath(new URL(`./${file}.js`, import.meta.url));
    this.#process = fork(path, args.map(String), { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    this.#process.stderr!.on('data', (part) => {
      this.#complaints += part;
    });
    this.ready = new Promise((resolve, reject) => {
      this.#waiting.set(-1, { resolve: resolve as (value: unknown) => void, reject });
    });
    this.ready.catch(() => {});
    this.#process.on('message', (message: Message) => {
      const order = 'ready' in message ? -1 : message.order;
      const waiting = this.#waiting.get(order);
      this.#waiting.delete(order);
      if ('error' in message) waiting?.reject(new Error(message.error));
      else waiting?.resolve('ready' in message ? message.ready : message.result);
    });
    this.ended = new Promise((resolve) => {
      this.#process.on('close', (code, signal) => {
        if (!this.#isEndMeant || (code !== 0 && signal !== 'SIGKILL')) {
          onFault(`the ${file} ended by itself (${code ?? signal}): ${this.#complaints}`);
        }
        for (const { reject } of this.#waiting.values()) reject(new Gone(`the ${file} has gone`));
        this.#waiting.clear();
        resolve();
      });
    });
  }

  /** Or told to close. */
  get isGone(): boolean {
    return this.#isEndMeant || !this.#process.connected;
  }

  /** @throws Gone when it is killed meanwhile */
  ask<T>(what: Order | Request): Promise<T> {
    const order = this.#orders++;
    return new Promise<T>((resolve, reject) => {
      if (!this.#process.connected) return reject(new Gone('it has gone'));
      const late = setTimeout(() => reject(new Error(`no answer to ${what.do} in ${PATIENCE_MS} ms`)), PATIENCE_MS);
      this.#waiting.set(order, {
        resolve: (value) => {
          clearTimeout(late);
          resolve(value as T);
        },
        reject: (error) => {
          clearTimeout(late);
          reject(error);
        },
      });
      // A process that is killed while it is sent something answers by its end.
      this.#process.send({ order, what }, () => {});
    });
  }

  kill(): void {
    this.#isEndMeant = true;
    this.#process.kill('SIGKILL');
  }

  async close(): Promise<void> {
    this.#isEndMeant = true;
    await this.ask({ do: 'close' }).catch((error) => {
      if (!(error instanceof Gone)) throw error;
    });
    await this.ended;
  }
}

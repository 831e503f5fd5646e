/**
 * The addresses of one database. A call goes to the first that is well, on to the next where that one is gone, and is tried again
 * for as long as time and budget allow. Calls are reads, which may be repeated; each is answered by one node, whole.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, setDeadline, timeLeft } from '../core/call.js';
import { expected, FunnelError, type FunnelErrorCode } from '../core/errors.js';
import { checkInteger, isListOf, isString } from '../core/validate.js';

/** Makes the client of a node; called once, when the node is first needed, and again if it failed. */
export type MakeNode<Node> = () => Node;

/** Options of {@link Nodes}. */
export interface NodesOptions {
  /** The source's name, for errors. */
  name: string;
  /** How often all nodes are tried again after none of them answered. */
  retries: number;
  /** The error of ours for one that a client threw after so many milliseconds. */
  classify(error: unknown, ms: number): FunnelError;
  /** Whether a refusal tells of the node and not of the request, so that the next one may answer. @default none does */
  isOfNode?(error: FunnelError): boolean;
}

/** After these the next node may answer. */
const GOES_ON: ReadonlySet<FunnelErrorCode> = new Set(['UNREACHABLE', 'UNAVAILABLE', 'RATE_LIMITED', 'TIMEOUT']);
/** After these the same node may answer, a little later. */
const COMES_BACK: ReadonlySet<FunnelErrorCode> = new Set(['UNREACHABLE', 'UNAVAILABLE', 'RATE_LIMITED']);
/** Where nodes fail in several ways, the first of these is told. */
const TELLING: readonly FunnelErrorCode[] = ['RATE_LIMITED', 'UNAVAILABLE', 'TIMEOUT', 'UNREACHABLE', 'REFUSED'];

/** Milliseconds before the first try again; twice as many before each further one, and any part of the second half of that. */
const PAUSE = 60;
/** Milliseconds that a call waits at most until a rate limit ends; and one that has no deadline. */
const PATIENCE = { most: 10_000, without: 2_000 };
/** Milliseconds after which a call without a deadline asks the next node, too. */
const LATE = 5_000;
/** A node that failed is asked after the others for so many milliseconds, twice as many after each further failure. */
const DOWN = { first: 1_000, most: 30_000 };
/** Tries again that may follow one another, and answers that earn one: a database in trouble gets little more work. */
const BUDGET = { most: 10, earned: 0.1 };

interface State<Node> {
  make: MakeNode<Node>;
  made?: Node;
  failures: number;
  /** By performance.now(); until then the others are asked before it. */
  downUntil: number;
}

type Outcome<T> = { attempt: number } & ({ value: T } | { error: FunnelError });

export class Nodes<Node> {
  readonly #nodes: State<Node>[];
  readonly #options: NodesOptions;
  #budget = BUDGET.most;

  constructor(nodes: readonly MakeNode<Node>[], options: NodesOptions) {
    this.#nodes = nodes.map((make) => ({ make, failures: 0, downUntil: 0 }));
    this.#options = options;
  }

  /**
   * @param work one request, by the signal that it is given
   * @throws FunnelError of the nodes; the reason of `signal`
   */
  async run<T>(signal: AbortSignal, work: (node: Node, signal: AbortSignal) => Promise<T>): Promise<T> {
    for (let tries = 0; ; tries++) {
      try {
        const value = await (this.#nodes.length === 1
          ? this.#attempt(this.#nodes[0]!, signal, work)
          : this.#first(signal, work));
        this.#budget = Math.min(BUDGET.most, this.#budget + BUDGET.earned);
        return value;
      } catch (error) {
        const pause = error instanceof FunnelError ? this.#pause(error, tries, signal) : undefined;
        if (pause === undefined) throw error;
        this.#budget--;
        await sleep(pause, undefined, { signal }).catch(() => signal.throwIfAborted());
      }
    }
  }

  /** Milliseconds until all is tried again; undefined: it is not. */
  #pause({ code, retryAfter }: FunnelError, tries: number, signal: AbortSignal): number | undefined {
    if (!COMES_BACK.has(code) || signal.aborted) return undefined;
    if (tries >= this.#options.retries || this.#budget < 1) return undefined;
    if (code === 'RATE_LIMITED' && retryAfter === undefined) return undefined;
    const jitter = PAUSE * 2 ** tries * (0.5 + Math.random() / 2);
    const pause = (retryAfter ?? 0) + jitter;
    const left = timeLeft(signal);
    return pause < Math.min(left, Number.isFinite(left) ? PATIENCE.most : PATIENCE.without) ? pause : undefined;
  }

  /** The answer of the first node that gives one. One that takes long is not given up when the next is asked. */
  async #first<T>(signal: AbortSignal, work: (node: Node, signal: AbortSignal) => Promise<T>): Promise<T> {
    const order = this.#order();
    const running = new Map<
      number,
      { outcome: Promise<Outcome<T>>; controller: AbortController; state: State<Node> }
    >();
    const errors: FunnelError[] = [];
    const abort = () => running.forEach(({ controller }) => void controller.abort(signal.reason));
    signal.addEventListener('abort', abort, { once: true });
    let next = 0;
    const start = () => {
      const attempt = next++;
      const state = order[attempt % order.length]!;
      const controller = new AbortController();
      setDeadline(controller.signal, signal);
      const outcome = this.#attempt(state, controller.signal, work).then(
        (value) => ({ attempt, value }),
        (error: FunnelError) => ({ attempt, error }),
      );
      running.set(attempt, { outcome, controller, state });
    };
    try {
      while (true) {
        signal.throwIfAborted();
        if (running.size === 0) {
          if (next >= order.length) throw told(errors, order.length);
          start();
        }
        // Those that let their share of the time pass may never answer: a client may lose a call. Then each is asked once more.
        const share = Math.min(LATE, timeLeft(signal) / (Math.max(1, order.length - next) + 1));
        const ended = await this.#ended([...running.values()], next < 2 * order.length ? share : undefined);
        signal.throwIfAborted();
        if (ended === undefined) {
          start();
          continue;
        }
        const { state } = running.get(ended.attempt)!;
        running.delete(ended.attempt);
        if ('value' in ended) {
          // Those that were asked before it, and have not answered yet.
          for (const [attempt, other] of running) if (attempt < ended.attempt) this.#fails(other.state);
          return ended.value;
        }
        if (!GOES_ON.has(ended.error.code) && !this.#options.isOfNode?.(ended.error)) throw ended.error;
        this.#fails(state, ended.error.retryAfter);
        errors.push(ended.error);
        if (next < order.length) start();
      }
    } catch (error) {
      // A node that let all the time pass is not the one to begin with next time.
      if (signal.aborted && (signal.reason as FunnelError | undefined)?.code === 'TIMEOUT') {
        for (const { state } of running.values()) this.#fails(state);
      }
      throw error;
    } finally {
      signal.removeEventListener('abort', abort);
      for (const { controller, outcome } of running.values()) {
        controller.abort(
          signal.reason ?? new FunnelError('ABORTED', `Another address of ${this.#options.name} answered`),
        );
        outcome.catch(() => {});
      }
    }
  }

  /** Returns the attempt that ended first; undefined where the time is up before. */
  async #ended<T>(
    running: readonly { outcome: Promise<Outcome<T>> }[],
    ms: number | undefined,
  ): Promise<Outcome<T> | undefined> {
    const outcomes = running.map(({ outcome }) => outcome);
    if (ms === undefined) return Promise.race(outcomes);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<undefined>((done) => {
      timer = setTimeout(() => done(undefined), Math.max(1, ms));
    });
    return Promise.race([...outcomes, late]).finally(() => clearTimeout(timer));
  }

  /** @throws FunnelError; the reason of the signal */
  async #attempt<T>(
    state: State<Node>,
    signal: AbortSignal,
    work: (node: Node, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const began = performance.now();
    const node = this.#nodeOf(state);
    try {
      const value = await work(node, signal);
      state.failures = 0;
      state.downUntil = 0;
      return value;
    } catch (error) {
      signal.throwIfAborted();
      throw error instanceof FunnelError ? error : this.#options.classify(error, performance.now() - began);
    }
  }

  #nodeOf(state: State<Node>): Node {
    if (state.made === undefined) {
      try {
        state.made = state.make();
      } catch (cause) {
        if (cause instanceof FunnelError) throw cause;
        const { name } = this.#options;
        throw new FunnelError('UNREACHABLE', `Cannot make a client of ${name} (${messageOf(cause)})`, { cause });
      }
    }
    return state.made;
  }

  #fails(state: State<Node>, retryAfter?: number): void {
    const pause = Math.min(DOWN.most, DOWN.first * 2 ** state.failures);
    state.failures = Math.min(state.failures + 1, 16);
    state.downUntil = performance.now() + (retryAfter ?? pause * (0.5 + Math.random() / 2));
  }

  /** As given; those that failed lately behind the others, the one whose time is up first before the rest. */
  #order(): State<Node>[] {
    const now = performance.now();
    const down = this.#nodes.filter(({ downUntil }) => downUntil > now);
    if (down.length === 0) return this.#nodes;
    const well = this.#nodes.filter(({ downUntil }) => downUntil <= now);
    return [...well, ...down.sort((a, b) => a.downUntil - b.downUntil)];
  }
}

/** One error for those of all nodes, some of which were asked twice. */
function told(errors: readonly FunnelError[], nodes: number): FunnelError {
  const code = TELLING.find((one) => errors.some((error) => error.code === one));
  const same = errors.filter((error) => error.code === code);
  const delays = same.flatMap(({ retryAfter = Number.POSITIVE_INFINITY }) => retryAfter);
  const first = same[0]!;
  if (errors.length === 1) return first;
  const soonest = Math.min(...delays);
  const retryAfter = Number.isFinite(soonest) ? soonest : undefined;
  const message = `${first.message}; none of its ${nodes} addresses answered`;
  return new FunnelError(first.code, message, { cause: first.cause, retryAfter });
}

/**
 * Returns the function that makes the client of each address.
 *
 * @param client one, several, or a function of an address
 * @param addresses with a function alone
 * @throws FunnelError BAD_ARGUMENT
 */
export function makersOf<Client extends object>(
  client: Client | readonly Client[] | ((address: string) => Client),
  addresses: unknown,
): MakeNode<Client>[] {
  if (typeof client === 'function') {
    if (!isListOf(addresses, isString) || addresses.length === 0) {
      throw expected(
        'BAD_ARGUMENT',
        'an array of one or more addresses, for the function that makes clients',
        'addresses',
        addresses,
      );
    }
    return addresses.map((address) => {
      let made: Client | undefined;
      // Several sources of one call, as those of layouts, share it.
      return () => {
        made ??= client(address);
        return made;
      };
    });
  }
  if (addresses !== undefined) {
    throw expected('BAD_ARGUMENT', 'no addresses beside clients that are made already', 'addresses', addresses);
  }
  if (!Array.isArray(client)) return [() => client as Client];
  if (client.length === 0) throw expected('BAD_ARGUMENT', 'one or more clients', 'client', client);
  return client.map((one: Client) => () => one);
}

/** How often all addresses are tried again. @throws FunnelError BAD_ARGUMENT */
export function checkRetries(retries: unknown, usual: number): number {
  return retries === undefined ? usual : checkInteger(retries, 0, 10, 'retries');
}

/** Processes and threads that want to write to one index, and how each of them dies. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { Order, Outcome } from './contender.js';

const FILE = new URL('./contender.js', import.meta.url);
export const IMPORTED = import.meta.resolve('#dist/store/files/index-files.js');

/**
 * The command that makes a new pid namespace here, as a container has one. Undefined where the system does not permit
 * it.
 */
export const UNSHARE: string[] | undefined = [
  ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'],
  ['unshare', '--user', '--map-root-user', '--pid', '--fork', '--kill-child', '--mount-proc'],
].find(([file, ...args]) => spawnSync(file!, [...args, 'true']).status === 0);

const children = new Set<ChildProcess>();
const workers = new Set<Worker>();

/** Those that a test left behind when it failed. */
export async function endAll(): Promise<void> {
  const gone = [...children].map((child) => once(child, 'exit'));
  for (const child of children) child.kill('SIGKILL');
  await Promise.all([...gone, ...[...workers].map((worker) => worker.terminate())]);
}

export interface Contender {
  name: string;
  ask(order: Order): Promise<Outcome>;
  /** Resolves when it is gone. */
  die(): Promise<void>;
}

/** @param from the module of IndexFiles */
export async function processContender(from = IMPORTED, wrapper: string[] = []): Promise<Contender> {
  const [file, ...args] = [...wrapper, process.execPath, fileURLToPath(FILE), from];
  const child = spawn(file!, args, {
    stdio: ['ignore', 'inherit', wrapper.length === 0 ? 'inherit' : 'ignore', 'ipc'],
  });
  children.add(child);
  const gone = once(child, 'exit').finally(() => children.delete(child));
  await answerOf(child, gone);
  return {
    name: wrapper.length === 0 ? `process ${child.pid}` : `process in a namespace of its own under ${child.pid}`,
    ask: (order) => {
      child.send(order);
      return answerOf(child, gone);
    },
    async die() {
      // A wrapper has one child, and ends when that is gone: we kill the child.
      const pid = wrapper.length === 0 ? child.pid! : childOf(child.pid!);
      process.kill(pid, 'SIGKILL');
      await gone;
    },
  };
}

function childOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]);
}

async function answerOf(child: ChildProcess, gone: Promise<unknown>): Promise<Outcome> {
  const answer = once(child, 'message').then(([outcome]) => outcome as Outcome);
  return Promise.race([answer, gone.then((how) => Promise.reject(new Error(`it ended: ${how}`)))]);
}

export type ThreadDeath = 'terminate' | 'throw' | 'return';

export async function threadContender(death: ThreadDeath, from = IMPORTED): Promise<Contender> {
  const worker = new Worker(FILE, { workerData: from });
  workers.add(worker);
  worker.on('error', () => {});
  const gone = new Promise<unknown>((resolve) => worker.once('exit', resolve)).then(() => workers.delete(worker));
  const answer = async () => (await once(worker, 'message'))[0] as Outcome;
  await answer();
  return {
    name: `thread ${worker.threadId}, to ${death}`,
    ask(order) {
      worker.postMessage(order);
      return answer();
    },
    async die() {
      if (death === 'terminate') await worker.terminate();
      else worker.postMessage(death);
      await gone;
    },
  };
}

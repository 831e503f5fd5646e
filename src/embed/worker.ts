/** An embedding thread: has an engine of its own and answers jobs, several of them in turns. */
import { parentPort, workerData } from 'node:worker_threads';
import { endThread } from '../core/threads.js';
import { hear } from '../kernels/post.js';
import { type Engine, errorParts } from './engine.js';
import { Gate } from './gate.js';
import { openEngine } from './open.js';
import type { EngineReply, EngineRequest, EngineThreadSetup } from './threads.js';

const setup = workerData as EngineThreadSetup;
const engine = openEngine(setup.engine, new Gate(setup.gate));
engine.then(
  ({ width, decisions }) => send({ width, decisions }),
  (error) => send({ id: undefined, error: errorParts(error) }),
);

const atWork = new Set<Promise<void>>();

hear(parentPort, async (request: EngineRequest) => {
  if (request === 'close') {
    await Promise.allSettled(atWork);
    await engine.then(
      (model) => model.close(),
      () => {},
    );
    endThread(parentPort!);
    return;
  }
  const job = answer(request);
  atWork.add(job);
  await job;
  atWork.delete(job);
});

async function answer({ id, job, cancel }: Exclude<EngineRequest, string>): Promise<void> {
  try {
    const model: Engine = await engine;
    if (job.kind === 'count') {
      send({ id, result: await model.countTokens(job.texts, job.prefix) });
      return;
    }
    const result = await model.embed(job.task, {
      cancelled: () => Atomics.load(cancel, 0) !== 0,
      progress: (done, truncated) => send({ id, progress: { done, truncated } }),
    });
    send({ id, result }, [result.vectors.buffer as ArrayBuffer]);
  } catch (error) {
    send({ id, error: errorParts(error) });
  }
}

function send(reply: EngineReply, transfers: ArrayBuffer[] = []): void {
  parentPort!.postMessage(reply, transfers);
}

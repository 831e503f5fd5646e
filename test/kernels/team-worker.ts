/** Calls kernels in a team, in a thread of its own. */
import { parentPort, workerData } from 'node:worker_threads';
import { getCodeKernels } from '#dist/kernels/codes-load.js';
import { answers } from './team-tasks.js';

const { name, threads, rounds } = workerData as { name: string; threads: number; rounds: number };
const kernels = getCodeKernels(name);
kernels.team!(threads);
let found: string[] = [];
for (let round = 0; round < rounds; round++) found = answers(kernels);
parentPort!.postMessage(found);

/**
 * Random calls of every code kernel, on ordinary memory: the suite places them where a backend wants them. They cross
 * query values on each side of any narrower path (7, 8, 13 bits), block counts around register tiles, blocks in any
 * order and more than once, masks, ties, thresholds that a bound meets exactly, and codes that have to be clamped.
 */
import { CODE_KERNEL_NAMES, CODE_SIGNATURES, type CodeKernelName } from '#dist/kernels/codes.js';
import type { Random } from '../random.js';
import { choices } from './codes/choices.js';
import type { KernelTests, TaskOf } from './codes/common.js';
import { dots } from './codes/dots.js';
import { encoding } from './codes/encode.js';
import { scores } from './codes/scores.js';
import { walks } from './codes/walk.js';

const TESTS: Required<KernelTests> = { ...dots, ...choices, ...encoding, ...scores, ...walks };

export type CodeCase = { [K in CodeKernelName]: { kernel: K; task: TaskOf<K> } }[CodeKernelName];

export function randomCodeCase(random: Random, kernel = random.pick(CODE_KERNEL_NAMES)): CodeCase {
  return { kernel, task: TESTS[kernel].random(random) } as CodeCase;
}

/** Runs the oracle. Returns what the kernel returns. */
export function runCodeOracle({ kernel, task }: CodeCase): number | undefined {
  const { oracle } = TESTS[kernel] as { oracle(task: unknown): unknown };
  return oracle(task) as number | undefined;
}

/** The names of the arrays that a kernel writes. */
export function outputsOf(kernel: CodeKernelName): string[] {
  return CODE_SIGNATURES[kernel].arguments.filter((one) => one.startsWith('out ')).map((one) => one.split(' ')[2]!);
}

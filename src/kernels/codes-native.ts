/** The C++ code kernels (cpp/addon) behind the contract of codes.ts: one object per instruction set. */
import { keptBuffer, letGo } from '../core/shared.js';
import { loadAddon } from './addon.js';
import { CODE_KERNEL_NAMES, CODE_SIGNATURES, type CodeKernels } from './codes.js';
import { checkSignatures, type Raw, type Signature } from './signatures.js';

const LINE_BYTES = 64;

/** Arrays from this size on are worth pages of 2 MB: reads from anywhere in them then seldom miss the processor's table of pages. */
const LARGE_BYTES = 4 << 20;

/**
 * The malloc of Linux asks the system for so much, whatever it has free (its largest M_MMAP_THRESHOLD): pages of zeros, which cost
 * nothing until somebody writes to them. In less it writes the zeros itself, here and now: 20 to 50 ms in a table of 20 MB.
 */
const MAPPED_BYTES = (32 << 20) + (64 << 10);

/** Functions of the addon beside the kernels. */
interface Common {
  team(threads: number): void;
  behindLine(memory: Uint8Array): number;
  /** Linux only. */
  askLargePages?(memory: Uint8Array): void;
}

/** Every level that runs here, best first. Throws when the binary cannot be loaded. */
export function loadNativeCodeKernels(): CodeKernels[] {
  const { path, levels, common, signatures } = loadAddon();
  checkSignatures(`The binary ${path}`, CODE_SIGNATURES, signatures());
  const { team, behindLine, askLargePages } = common as unknown as Common;
  return Object.entries(levels).map(([name, level]) => {
    const raw = { ...common, ...level };
    const kernels = CODE_KERNEL_NAMES.map((kernel) => [
      kernel,
      bind(CODE_SIGNATURES[kernel] as Signature<unknown>, raw[kernel]!),
    ]);
    return {
      name,
      // A malloc begins 16 bytes behind a page, and then each line of codes would lie in two of the cache.
      allocate: (bytes) => {
        const needed = bytes + LINE_BYTES - 1;
        const isLarge = bytes >= LARGE_BYTES && askLargePages !== undefined;
        const buffer = keptBuffer(isLarge ? Math.max(needed, MAPPED_BYTES) : needed);
        const all = new Uint8Array(buffer, 0, needed);
        if (isLarge) askLargePages(all);
        const behind = behindLine(all);
        return new Uint8Array(buffer, (LINE_BYTES - behind) % LINE_BYTES, bytes);
      },
      release: letGo,
      team: (threads) => team(threads),
      ...Object.fromEntries(kernels),
    } as CodeKernels;
  });
}

function bind({ pass }: Signature<unknown>, raw: Raw): (task: unknown) => unknown {
  return (task) => pass(raw, task);
}

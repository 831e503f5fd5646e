/** `funnelvec doctor`: what runs here, and why the rest does not. */
import { availableParallelism, cpus } from 'node:os';
import { activeKernels, kernelsReport, listKernels } from '../kernels/load.js';

export function doctor({ json = false } = {}): { text: string; healthy: boolean } {
  const forced = process.env['FUNNELVEC_KERNELS'];
  const { platform, nativePath, searched, failures } = kernelsReport();
  const kernels = listKernels();
  let error: string | undefined;
  try {
    activeKernels();
  } catch (cause) {
    error = (cause as Error).message; // FUNNELVEC_KERNELS names something that cannot run
  }
  const report = {
    node: process.version,
    platform,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    threads: availableParallelism(),
    FUNNELVEC_KERNELS: forced,
    nativeBinary: nativePath,
    kernels,
    failures: [...failures].map(([name, { message }]) => ({ name, message })),
    error,
  };
  const healthy = error === undefined;
  if (json) return { text: `${JSON.stringify(report, null, 2)}\n`, healthy };

  const lines = [
    `node      ${report.node} on ${platform}`,
    `cpu       ${report.cpu}, ${report.threads} threads usable`,
    `binary    ${nativePath ?? `none; looked for\n          ${searched.join('\n          ')}`}`,
    '',
    'kernels   (fastest first)',
    ...kernels.map(({ name, supported, active, reason }) => {
      const state = active ? 'in use' : supported ? 'ready' : `no: ${reason}`;
      return `  ${name.padEnd(8)}${state}`;
    }),
  ];
  if (forced !== undefined) lines.push('', `FUNNELVEC_KERNELS=${forced}`);
  if (error !== undefined) lines.push('', `error     ${error}`);
  return { text: `${lines.join('\n')}\n`, healthy };
}

/** `funnelvec doctor`: what runs here, and why the rest does not. */
import { availableParallelism, cpus } from 'node:os';
import { kernelsReport, listKernels } from '../kernels/load.js';

export function doctor({ json = false } = {}): string {
  const forced = process.env['FUNNELVEC_KERNELS'];
  const { platform, nativePath, searched, failures } = kernelsReport();
  let kernels: ReturnType<typeof listKernels> = [];
  let error: string | undefined;
  try {
    kernels = listKernels();
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
  if (json) return `${JSON.stringify(report, null, 2)}\n`;

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
  return `${lines.join('\n')}\n`;
}

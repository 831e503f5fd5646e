#!/usr/bin/env node
/** The `funnelvec` command. */
import { doctor } from './doctor.js';

const USAGE = `Usage: funnelvec <command>

Commands:
  doctor    which kernels run on this machine, and why any does not (--json for machines)
`;

const [command = 'help', ...args] = process.argv.slice(2);
const unknown = args.filter((argument) => !(command === 'doctor' && argument === '--json'));
if (command === 'doctor' && unknown.length === 0) {
  const { text, healthy } = doctor({ json: args.includes('--json') });
  process.stdout.write(text);
  process.exitCode = healthy ? 0 : 1;
} else if (['help', '--help', '-h'].includes(command)) {
  process.stdout.write(USAGE);
} else {
  const what = command === 'doctor' ? `no option ${unknown[0]}` : `no command ${command}`;
  process.stderr.write(`funnelvec: ${what}\n\n${USAGE}`);
  process.exitCode = 2;
}

#!/usr/bin/env node
/** The `funnelvec` command. */
import { doctor } from './doctor.js';

const USAGE = `Usage: funnelvec <command>

Commands:
  doctor    which kernels run on this machine, and why any does not (--json for machines)
`;

const [command, ...args] = process.argv.slice(2);
if (command === 'doctor') {
  process.stdout.write(doctor({ json: args.includes('--json') }));
} else {
  const help = command === undefined || command === 'help' || command === '--help' || command === '-h';
  (help ? process.stdout : process.stderr).write(help ? USAGE : `funnelvec: no command ${command}\n\n${USAGE}`);
  process.exitCode = help ? 0 : 2;
}

/** A child that is killed while it works, and what it had said by then. */
import { spawn } from 'node:child_process';

/**
 * The lines of a program that is killed with -9, as JSON; the last one was cut, or is empty.
 *
 * @param args of Node.js: the program and what it is told
 * @param dueIn asked whenever it has said more, until it answers: in how many milliseconds the program dies
 * @param fromStart where given, it dies so many milliseconds after its start, whatever it says
 * @throws Error when it ends by itself
 */
export function killed<Line>(
  args: string[],
  dueIn: (said: string) => number | undefined,
  fromStart?: number,
): Promise<Line[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    let complaints = '';
    let isDue = false;
    const killIn = (ms: number | undefined) => {
      if (ms === undefined) return;
      isDue = true;
      setTimeout(() => child.kill('SIGKILL'), ms);
    };
    killIn(fromStart);
    child.stdout.on('data', (part) => {
      said += part;
      if (!isDue) killIn(dueIn(said));
    });
    child.stderr.on('data', (part) => {
      complaints += part;
    });
    child.on('close', (code, signal) => {
      if (signal !== 'SIGKILL') return reject(new Error(`the child ended by itself (${code}): ${complaints}`));
      resolve(
        said
          .split('\n')
          .slice(0, -1)
          .map((line) => JSON.parse(line)),
      );
    });
  });
}

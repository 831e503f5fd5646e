/** How a command ends: exit codes, and errors as people and as programs read them. */
export const EXIT = {
  ok: 0,
  /** The command could not do what was asked. */
  failed: 1,
  /** It was asked in a way that makes no sense: an unknown option, say. Nothing was done. */
  usage: 2,
  /** Ctrl-C: what was done until then is kept. */
  interrupted: 130,
} as const;

/** The command line makes no sense; nothing was done. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Ctrl-C, after everything was put in order; the message says what is kept. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT.usage;
  return error instanceof Interrupted ? EXIT.interrupted : EXIT.failed;
}

/** Remedies of the library that are options of the command. */
const OPTIONS: readonly [RegExp, string][] = [
  [/\bopen with breakLock: true/, 'pass --break-lock'],
  [/\bopen with readOnly: true/, 'this command writes, search does not'],
  [/\(FunnelIndex\.create\(\) makes one\)/, '(funnelvec ingest <files> --to <path> makes one)'],
  [/\bwith missingVectors: 'skip'/, 'with --missing-vectors skip'],
  [/\b([Ww])rite head: ("[^"]*"), full: ("[^"]*")/, '$1rite --head $2 --full $3'],
];

/** The message, with remedies as whoever called the command can take them. */
function asCommand(message: string): string {
  return OPTIONS.reduce((text, [remedy, option]) => text.replace(remedy, option), message);
}

/** For `--json`. */
export function errorAsJson(error: unknown): { error: { code: string; message: string } } {
  return { error: { code: codeOf(error), message: messageOf(error) } };
}

/** By its name: the class has a copy in each build of the package, and its file would be most that --version and doctor load. */
function isOfLibrary(error: unknown): error is Error {
  return error instanceof Error && error.name === 'FunnelError';
}

/** For people: what went wrong, without a stack; errors of our own making alone are bugs, and show theirs. */
export function errorAsText(error: unknown): string {
  if (isOfLibrary(error) || error instanceof UsageError || error instanceof Interrupted) return messageOf(error);
  if (error instanceof Error && 'code' in error) return error.message; // the system's
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function codeOf(error: unknown): string {
  if (error instanceof UsageError) return 'USAGE';
  if (error instanceof Interrupted) return 'INTERRUPTED';
  const code = (error as { code?: unknown })?.code;
  return typeof code === 'string' ? code : 'INTERNAL';
}

function messageOf(error: unknown): string {
  if (isOfLibrary(error)) return asCommand(error.message);
  return error instanceof Error ? error.message : String(error);
}

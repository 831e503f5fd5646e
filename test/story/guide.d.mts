export interface Block {
  section: string;
  code: string;
  /** Undefined where it prints nothing. */
  output: string | undefined;
}

export interface Project {
  folder: string;
  remove(): void;
}

export function blocksOf(text: string): Block[];
export function upTo(blocks: Block[], section: string | undefined): Block[];
export function makeProject(): Promise<Project>;
export function compile(project: Project, programs: Record<string, Block[]>, replace?: (code: string) => string): void;
export function runBlocks(
  project: Project,
  name: string,
  blocks: Block[],
  replace?: (code: string) => string,
): string[];
export function guide(): string;

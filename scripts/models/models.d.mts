export interface ModelOptions {
  log?: (line: string) => void;
}

export function wordllamaFolder(options?: ModelOptions): Promise<string>;
export function minilmFolder(options?: ModelOptions): Promise<string>;

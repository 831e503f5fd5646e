/** In place of hints.ts in browsers and on the edge, where every byte is loaded: messages end without a hint. */

export function nameHint(_key: string, _allowed: readonly string[]): string {
  return '';
}

export function vectorHint(_row: object): string {
  return '';
}

export function valueHint(_what: string, _where: string, _got: unknown): string {
  return '';
}

export function conditionHint(_key: string, _fields: object, _allowed: readonly string[]): string {
  return '';
}

export function shapeHint(_where: string, _got: unknown): string {
  return '';
}

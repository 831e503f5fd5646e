/** In place of scope.ts in browsers and on the edge: nothing is synced there, and no mirror searched, so that nobody compares scopes. */

export function scopeOf(_options: object): string | undefined {
  return undefined;
}

export function scopeOfIndex(_uuid: string, options: object): string | undefined {
  return scopeOf(options);
}

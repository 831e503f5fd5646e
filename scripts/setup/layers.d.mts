/** A rule of dependency-cruiser, as far as those of layers.mjs go. */
interface Rule {
  name: string;
  from: { path?: string; pathNot?: string };
  to: { path?: string; pathNot?: string; circular?: boolean; couldNotResolve?: boolean; reachable?: boolean };
}

declare const config: { forbidden: readonly Rule[] };
export default config;

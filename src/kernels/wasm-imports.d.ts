/** A compiled module, as the bundlers of edge runtimes make it of an import. */
declare module '*.wasm' {
  const module: object;
  export default module;
}

/** Makes a function that lets go of something only once: whoever calls it again does nothing. */
export function once(release: () => void): () => void {
  let has = true;
  return () => {
    if (!has) return;
    has = false;
    release();
  };
}

// node touch.mjs <bytes>: takes so much memory, and gives it back. A virtual machine gets each page from its host when it is
// touched for the first time in a while, which takes longer than most of what a build does with it.
const STEP = 256 * 2 ** 20;
const parts = [];
for (let left = Number(process.argv[2]); left > 0; left -= STEP) {
  const part = Buffer.allocUnsafeSlow(Math.min(STEP, left));
  for (let i = 0; i < part.length; i += 4096) part[i] = 1;
  parts.push(part);
}

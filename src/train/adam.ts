/** Adam (Kingma & Ba, arXiv 1412.6980), with its default decay rates. */
export class Adam {
  readonly #mean: Float64Array;
  readonly #squares: Float64Array;
  // Products, step by step: powers differ between engines.
  #ofMean = 1;
  #ofSquares = 1;

  constructor(count: number) {
    this.#mean = new Float64Array(count);
    this.#squares = new Float64Array(count);
  }

  /** Moves the parameters against the gradient. */
  step(parameters: Float64Array, gradient: Float64Array, rate: number): void {
    this.#ofMean *= 0.9;
    this.#ofSquares *= 0.999;
    const [mean, squares] = [this.#mean, this.#squares];
    const forMean = 1 - this.#ofMean;
    const forSquares = 1 - this.#ofSquares;
    for (let i = 0; i < parameters.length; i++) {
      const g = gradient[i]!;
      mean[i] = 0.9 * mean[i]! + 0.1 * g;
      squares[i] = 0.999 * squares[i]! + 0.001 * g * g;
      parameters[i]! -= (rate * (mean[i]! / forMean)) / (Math.sqrt(squares[i]! / forSquares) + 1e-8);
    }
  }
}

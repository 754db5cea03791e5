/** A failure the person at the terminal can do something about: one sentence, and the remedy in another. */
export class Problem extends Error {
  constructor(sentence, remedy, options) {
    super(`${sentence} ${remedy}`, options);
    this.name = 'Problem';
  }
}

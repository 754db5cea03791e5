export class Problem extends Error {
  constructor(sentence: string, remedy: string, options?: ErrorOptions);
}

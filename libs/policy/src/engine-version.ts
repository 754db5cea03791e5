/**
 * Name and version of the engine that decides. Stored beside what it decided, so it is written down and not asked: a
 * service knows it without loading the engine, and another engine does not come in by an update unseen.
 */
export const engineVersion = 'cedar 4.13.0';

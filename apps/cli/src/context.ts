import type { Output } from './output.js';
import type { Session } from './session.js';

/** What every command runs with. */
export interface Context {
  session: Session;
  output: Output;
}

/** Loaded before the issuer's own program: takes the recording of use out of it. */
import { classOf, switchOnSignal } from '../verify/switch.js';

switchOnSignal([[await classOf('apps/issuer', 'usage/usage.store.js', 'Usage'), 'note', () => undefined]]);

export { Policy1700000100000 } from './policy-1700000100000.js';
export { Simulations1700000200000 } from './simulations-1700000200000.js';
export { Notices1700000300000 } from './notices-1700000300000.js';

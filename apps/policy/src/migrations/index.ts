export { Policy1700000100000 } from './policy-1700000100000.js';

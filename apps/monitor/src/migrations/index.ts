export { Monitor1764000000000 } from './1764000000000-monitor.js';

export { Request1700000100000 } from './1700000100000-request.js';

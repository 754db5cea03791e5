export { Rotation1700000200000 } from './1700000200000-rotation.js';

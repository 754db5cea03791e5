export { Monitor1764000000000 } from './1764000000000-monitor.js';
export { Response1764200000000 } from './1764200000000-response.js';
export { Stops1764300000000 } from './1764300000000-stops.js';
export { BlockedStops1764400000000 } from './1764400000000-blocked-stops.js';
export { DueMinutes1764500000000 } from './1764500000000-due-minutes.js';
export { DetectorLimits1764600000000 } from './1764600000000-detector-limits.js';
export { Notices1764700000000 } from './1764700000000-notices.js';

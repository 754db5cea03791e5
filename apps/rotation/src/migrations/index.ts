export { Rotation1700000200000 } from './1700000200000-rotation.js';
export { Campaigns1700000200001 } from './1700000200001-campaigns.js';
export { Notices1700000200002 } from './1700000200002-notices.js';
export { Owed1700000200003 } from './1700000200003-owed.js';
export { Forecast1700000200004 } from './1700000200004-forecast.js';
export { NoticePlan1700000200005 } from './1700000200005-notice-plan.js';
export { Suspended1700000200006 } from './1700000200006-suspended.js';
export { CampaignTotal1700000200007 } from './1700000200007-campaign-total.js';

export { Request1700000100000 } from './1700000100000-request.js';
export { OpenRequests1700000100001 } from './1700000100001-open-requests.js';
export { RoomToChange1700000100002 } from './1700000100002-room-to-change.js';

export { Http, ProblemError, UnreachableError, type Call } from './http.js';
export { basic, serviceNames, writAs, type ServiceUrls, type Writ } from './writ.js';

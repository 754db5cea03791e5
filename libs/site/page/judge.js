// What the entries of a log must say together. The tree proves that nothing was changed; these rules show what was left
// out of it. One text for all who judge: the command line imports it, and the verifier page carries it. No imports.

/** Events overtake one another: what is missing counts once entries this much younger are there. */
const lateMs = 60_000;
/** Verifiers may answer from a lease for a moment after a token was stopped, and their clocks differ a little. */
const stopMs = 60_000;
/** Every service is heard each minute, and a quiet log is signed and cosigned each minute: twice that is too long. */
const oldMs = 120_000;
const mostFindings = 100;

/** Numbers from 1 without a gap, in any order. What is kept grows with the gaps. */
class Numbers {
  #next = 1;
  #gaps = [];
  twice = undefined;

  /** @param atMs when this was recorded */
  take(number, atMs) {
    if (number >= this.#next) {
      if (number > this.#next) this.#gaps.push({ from: this.#next, to: number - 1, sinceMs: atMs });
      this.#next = number + 1;
      return;
    }
    const at = this.#gaps.findIndex(({ from, to }) => from <= number && number <= to);
    if (at < 0) {
      this.twice ??= number;
      return;
    }
    const { from, to, sinceMs } = this.#gaps[at];
    this.#gaps.splice(at, 1, ...[{ from, to: number - 1, sinceMs }, { from: number + 1, to, sinceMs }].filter((gap) => gap.from <= gap.to));
  }

  /** The lowest number that is missing since before a time. */
  missing(beforeMs = Infinity) {
    return this.#gaps.find(({ sinceMs }) => sinceMs < beforeMs)?.from;
  }

  get highest() {
    return this.#next - 1;
  }
}

const numberIn = (text) => (typeof text === 'string' && /^[1-9][0-9]{0,14}$/.test(text) ? Number(text) : undefined);

/**
 * Follows the entries of a whole log from the first on and says what was left out: numbers of a producer or a token,
 * links of a token's history, and the request and approval behind each token. Who used which token is not in the
 * public entries; a proof bundle shows that.
 */
export class LogJudge {
  /** How many entries there are of each type. */
  types = new Map();
  /** When the newest entry was recorded, in milliseconds since 1970. */
  recordedMs = undefined;
  #origin;
  #found = [];
  #producers = new Map();
  #tokens = new Map();
  #requests = new Map();

  constructor(origin) {
    this.#origin = origin;
  }

  /** @param text the entry, as it was hashed */
  take(index, text) {
    const leaf = readLeaf(text);
    const type = typeof leaf?.type === 'string' ? leaf.type : 'of another form';
    this.types.set(type, (this.types.get(type) ?? 0) + 1);
    if (!leaf) return this.#say('leaf-malformed', `entry ${index} is not a JSON object in one line`, index);
    if (leaf.seq !== String(index) || leaf.log !== this.#origin) this.#say('leaf-misplaced', `entry ${index} names another place or log`, index);
    const atMs = Date.parse(leaf.rec);
    if (!(atMs < this.recordedMs)) this.recordedMs = Number.isNaN(atMs) ? this.recordedMs : atMs;
    const n = numberIn(leaf.n);
    if (n !== undefined && typeof leaf.src === 'string') made(this.#producers, leaf.src, () => new Numbers()).take(n, this.recordedMs);
    if (typeof leaf.token === 'string') this.#token(leaf, index);
    if (leaf.type === 'request.submitted' || leaf.type === 'request.approved') made(this.#requests, leaf.request, () => new Set()).add(leaf.type);
  }

  #token(leaf, index) {
    const token = made(this.#tokens, leaf.token, () => ({ last: undefined, changes: undefined }));
    const before = token.last === undefined ? undefined : String(token.last);
    if (leaf.prev !== before) this.#say('link-broken', `entry ${index} follows ${leaf.prev ?? 'none'} of ${leaf.token}, but the one before it is ${before ?? 'none'}`, index);
    token.last = index;
    const k = numberIn(leaf.k);
    if (k !== undefined) (token.changes ??= new Numbers()).take(k, this.recordedMs);
    if (leaf.type !== 'token.issued') return;
    token.issued = { index, request: leaf.request, atMs: this.recordedMs };
  }

  /** What is wrong, with a code that never changes its meaning. What is only late is not. */
  findings() {
    const settledMs = (this.recordedMs ?? 0) - lateMs;
    const found = [...this.#found];
    const say = (code, detail, index) => found.length < mostFindings && found.push({ code, detail, ...(index !== undefined && { index }) });
    for (const [src, numbers] of this.#producers) {
      const missing = numbers.missing(settledMs);
      if (missing !== undefined) say('counter-gap', `number ${missing} of ${src} was never recorded, though later ones were`);
      if (numbers.twice !== undefined) say('counter-twice', `number ${numbers.twice} of ${src} was recorded twice: somebody said again what it had said, or it was set back`);
    }
    for (const [id, { last, changes, issued }] of this.#tokens) {
      const missing = changes?.missing(settledMs);
      if (missing !== undefined) say('ordinal-gap', `change ${missing} of ${id} was never recorded, though later ones were`, last);
      if (changes?.twice !== undefined) say('ordinal-twice', `change ${changes.twice} of ${id} was recorded twice`, last);
      if (issued && issued.atMs < settledMs) for (const what of this.#lacks(issued.request)) say('issue-unapproved', `there is no ${what} of ${issued.request ?? 'any request'}, for which ${id} was issued`, issued.index);
    }
    return found;
  }

  #lacks(request) {
    return ['request.submitted', 'request.approved'].filter((type) => !this.#requests.get(request)?.has(type));
  }

  #say(code, detail, index) {
    if (this.#found.length < mostFindings) this.#found.push({ code, detail, index });
  }
}

function made(map, key, make) {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}

function readLeaf(text) {
  try {
    const leaf = JSON.parse(text);
    return typeof leaf === 'object' && leaf !== null && !Array.isArray(leaf) && !text.includes('\n') ? leaf : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Judges what a token's proven entries say together: that none was left out in between, nor its newest as of the last
 * sealed heads, that request and approval are there with every vote that the approval counted, and that no gateway
 * accepted the token after its end. Whoever calls has proven each entry, use and sealed head.
 * @returns what is wrong, in words
 */
export function judgeLife({ tokenId, requestId, leaves, statements, uses, newest }) {
  const own = [...leaves].filter(([, leaf]) => leaf.token === tokenId).sort(([a], [b]) => a - b);
  if (own.length === 0) return [`no proven entry is about ${tokenId}`];
  return [...brokenLinks(own), ...brokenNumbers(own), ...unapproved(own, requestId, leaves, statements), ...usedAfterEnd(own, uses), ...(newest ? notNewest(own, newest) : [])];
}

function brokenLinks(own) {
  return own.flatMap(([index, { prev }], i) => {
    const before = i === 0 ? undefined : String(own[i - 1][0]);
    return prev === before ? [] : [`entry ${index}: entry ${prev ?? 'none'} of the token comes before it, and the bundle shows ${before ?? 'none'}; something was LEFT OUT`];
  });
}

function brokenNumbers(own) {
  const changes = new Numbers();
  for (const [, { k }] of own) if (numberIn(k) !== undefined) changes.take(numberIn(k), 0);
  const missing = changes.missing();
  return [
    ...(missing === undefined ? [] : [`change ${missing} of the token was LEFT OUT, though later ones are shown`]),
    ...(changes.twice === undefined ? [] : [`change ${changes.twice} of the token is there twice`]),
  ];
}

function unapproved(own, requestId, leaves, statements) {
  const [issued, second] = own.filter(([, { type }]) => type === 'token.issued');
  if (!issued) return ['no entry says that the token was issued'];
  if (second) return [`entry ${second[0]}: the token was issued twice`];
  const [, { request }] = issued;
  if (request === undefined || (requestId !== undefined && requestId !== request)) return [`the token was issued for the request ${request ?? 'none'}, and the bundle names ${requestId ?? 'none'}`];
  const ofRequest = (type) => [...leaves].filter(([, leaf]) => leaf.request === request && leaf.type === type);
  const approvals = ofRequest('request.approved');
  return [
    ...(ofRequest('request.submitted').length === 0 ? [`the entry of the request ${request} was LEFT OUT`] : []),
    ...(approvals.length === 0 ? [`no entry shows that the request ${request} was approved`] : []),
    ...approvals.flatMap(([index, { data }]) => [...tooFewVotes(index, data), ...lostVotes(index, data?.votes, ofRequest('review.recorded'), statements)]),
  ];
}

/** One person may count for several groups, so the largest of them is the least that it takes. */
function tooFewVotes(index, data) {
  const needed = Math.max(0, ...(Array.isArray(data?.require) ? data.require : []).map(({ approvers }) => numberIn(approvers) ?? 0));
  const votes = Array.isArray(data?.votes) ? data.votes.length : 0;
  return votes < needed ? [`entry ${index}: it was approved with ${votes} of the ${needed} votes that it takes`] : [];
}

/** A vote whose text was erased can no longer be told from another one; its entry is there all the same. */
function lostVotes(index, votes, reviews, statements) {
  if (!Array.isArray(votes)) return [];
  const shown = new Set(reviews.flatMap(([at]) => statements.get(at) ?? []));
  const lost = [...new Set(votes)].filter((vote) => !shown.has(vote)).length;
  const erased = reviews.filter(([at]) => !statements.has(at)).length;
  return lost > erased ? [`entry ${index}: ${lost - erased} of the votes that approved it ${lost - erased === 1 ? 'was' : 'were'} LEFT OUT`] : [];
}

function usedAfterEnd(own, uses) {
  const end = own.find(([, { type }]) => type === 'token.revoked' || type === 'token.expired');
  if (!end) return [];
  return uses.filter(({ use }) => use.code === 'VALID' && Date.parse(use.lastAt) > Date.parse(end[1].ts) + stopMs)
    .map(({ batch, place, use }) => `use ${place} of batch ${batch}: the token was accepted at ${use.lastAt}, after its end in entry ${end[0]}`);
}

function notNewest(own, { index, k, heads }) {
  const size = Number(heads.data?.size);
  const what = 'the sealed end of the token’s history';
  if (heads.type !== 'log.heads' || !Number.isSafeInteger(size)) return [`${what}: the entry seals no heads`];
  const before = own.filter(([at]) => at < size);
  const last = before.at(-1)?.[0];
  if (last !== index) return [`${what}: entry ${index} was the token’s newest then, and the bundle does not show it`];
  const highest = Math.max(0, ...before.map(([, leaf]) => numberIn(leaf.k) ?? 0));
  return highest === k ? [] : [`${what}: change ${k} was the token’s last then, and the bundle shows ${highest}`];
}

/**
 * Says whether somebody may be shown an old head of a log that goes on. Judged by when the newest entry was recorded and
 * by the youngest cosignature, where there are any.
 * @returns what is old, in words, or undefined
 */
export function staleness({ recordedMs, cosignedMs = [] }, nowMs) {
  const youngest = Math.max(...cosignedMs);
  if (cosignedMs.length > 0 && nowMs - youngest > oldMs) return `the youngest cosignature is of ${new Date(youngest).toISOString()}`;
  if (recordedMs !== undefined && nowMs - recordedMs > oldMs) return `the newest entry is of ${new Date(recordedMs).toISOString()}`;
  return undefined;
}

/** The console's page: who I am, what waits for my vote, what I asked for, what I hold. Everything it shows is text; it makes no markup from answers. */
const at = (id) => document.getElementById(id);
const newest = 200;

function node(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** What went wrong on the way through the identity provider, by the code in our own address. */
const troubles = {
  'sign-in-stale': 'That sign-in took too long, or another one was begun since. Please sign in again.',
  'sign-in-refused': 'The identity provider says that the sign-in was refused.',
  'sign-in-failed': 'The sign-in did not work. Please try again; if it stays, tell whoever runs this console.',
  'other-person': 'You signed in as somebody else. To change who you are, sign out first.',
  'too-many': 'Too many calls come from you or your network just now. Please try again in a moment.',
  'provider-away': 'The identity provider does not answer. Please try again in a moment.',
};

const statusTone = { issued: 'good', delivered: 'good', active: 'good', approved: 'good', denied: 'bad', revoked: 'bad', suspended: 'bad', held: 'doubt', lapsed: 'doubt', expired: 'doubt' };

let me;

function say(tone, ...words) {
  const said = at('said');
  said.className = tone;
  said.replaceChildren(node('p', {}, ...words));
  said.hidden = false;
  said.focus();
}

/** One call of the console's own host. Throws {status, code, detail, challenge} on a no. */
async function call(path, { method = 'GET', body, key } = {}) {
  const headers = { accept: 'application/json', ...(method === 'GET' ? {} : { 'content-type': 'application/json', 'x-writ-csrf': me.csrf }), ...(key ? { 'idempotency-key': key } : {}) };
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) }).catch(() => { throw { status: 0, code: 'no-answer', detail: 'The console does not answer. Please try again.' }; });
  const said = await answer.json().catch(() => ({}));
  if (answer.ok) return said;
  if (answer.status === 401 && said.code === 'not-authenticated') showStart();
  throw { status: answer.status, code: said.code, detail: said.detail ?? 'That did not work.', challenge: answer.headers.get('www-authenticate') ?? '' };
}

const time = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' });
function when(text) {
  const seconds = (new Date(text) - Date.now()) / 1000;
  const [unit, length] = [['day', 86400], ['hour', 3600], ['minute', 60], ['second', 1]].find(([, each]) => Math.abs(seconds) >= each) ?? ['second', 1];
  return node('time', { dateTime: text, title: time.format(new Date(text)) }, relative.format(Math.round(seconds / length), unit));
}
/** `P1DT2H` in words. */
function span(text) {
  const [, weeks, days, hours, minutes, seconds] = /^P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$/.exec(text) ?? [];
  const parts = [[weeks, 'week'], [days, 'day'], [hours, 'hour'], [minutes, 'minute'], [seconds, 'second']].filter(([count]) => count);
  return parts.length === 0 ? text : `for ${parts.map(([count, unit]) => `${count} ${unit}${count === '1' ? '' : 's'}`).join(' ')}`;
}
/** What has ended has no end to come. */
const ends = (item) => (['revoked', 'expired'].includes(item.state) ? '' : when(item.expiresAt));
/** A status, and below it why, where somebody or something stands in the way. */
const standing = ({ status, decision }) => (decision && ['denied', 'held'].includes(status)
  ? node('span', {}, state(status), node('span', { className: 'hint' }, decision.because.map(({ reason }) => reason).join('; ') || decision.code)) : state(status));
const state = (name) => node('span', { className: `state ${statusTone[name] ?? ''}` }, name);
const what = ({ scopes, resource, environment }) => `${scopes.join(', ')} on ${resource} in ${environment}`;

function facts(pairs) {
  return node('dl', {}, ...pairs.filter(([, value]) => value).flatMap(([name, value]) => [node('dt', {}, name), node('dd', {}, value)]));
}

function table(columns, rows) {
  return node('table', {}, node('thead', {}, node('tr', {}, ...columns.map((name) => node('th', { scope: 'col' }, name)))),
    node('tbody', {}, ...rows.map((cells) => node('tr', {}, ...cells.map((cell, i) => { const made = node('td', {}, cell); made.dataset.column = columns[i]; return made; })))));
}

const askedFor = () => /^\/reviews\/([\w]+)$/.exec(location.pathname)?.[1];
const draft = (id) => `writ-reason-${id}`;

function review(item) {
  const reason = node('textarea', { id: `reason-${item.requestId}`, rows: 2, maxLength: 1000, required: true, value: sessionStorage.getItem(draft(item.requestId)) ?? '' });
  reason.addEventListener('input', () => sessionStorage.setItem(draft(item.requestId), reason.value));
  const buttons = [['approve', 'Approve', ''], ['deny', 'Deny', 'deny']].map(([vote, words, className]) => node('button', { type: 'submit', value: vote, className }, words));
  const form = node('form', {}, node('label', { htmlFor: reason.id }, 'Your reason'), reason, node('div', { className: 'actions' }, ...buttons));
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    for (const button of buttons) button.disabled = true;
    await vote(item, event.submitter.value, reason.value).finally(() => { for (const button of buttons) button.disabled = false; });
  });
  const needs = item.require.filter(({ remaining }) => remaining > 0).map(({ group, remaining }) => `${remaining} more of ${group}`).join(', ');
  const title = node('h3', { id: `title-${item.requestId}` }, what(item));
  form.setAttribute('aria-labelledby', title.id);
  return node('article', { className: `card${item.requestId === askedFor() ? ' asked' : ''}` },
    title,
    facts([
      ['Asked by', `${item.requester.id} of team ${item.requester.team}`], ['Why', item.reason], ['Held because', item.message], ['Valid', item.ttl ? span(item.ttl) : node('span', {}, 'until ', when(item.expiresAt))],
      ['Still needs', needs], ['So far', item.votes.map(({ reviewer, vote: cast, reason: why }) => `${reviewer.sub}: ${cast} (${why})`).join('; ')], ['Lapses', when(item.lapsesAt)],
      ['Request', node('span', { className: 'id' }, item.requestId)],
    ]), form);
}

async function vote({ requestId }, kind, reason) {
  try {
    const { status } = await call(`/api/policy/v1/reviews/${requestId}/votes`, { method: 'POST', body: { vote: kind, reason }, key: crypto.randomUUID() });
    sessionStorage.removeItem(draft(requestId));
    say('good', `Your vote counts: ${kind}. The request is now ${status === 'open' ? 'waiting for others' : status}.`);
    await load();
  } catch (problem) {
    if (problem.code !== 'step-up-needed') return say('bad', problem.detail ?? String(problem));
    const asked = new URLSearchParams({ return: `/reviews/${requestId}` });
    for (const [, name, value] of problem.challenge.matchAll(/\b(max_age|acr_values)="([^"]*)"/g)) asked.set(name, value);
    say('doubt', 'A vote needs a fresh sign-in. Your reason is kept. ', node('a', { href: `/auth/step-up?${asked}` }, 'Sign in again'));
  }
}

const isMe = ({ iss, sub }) => iss === me.iss && sub === me.sub;
const hint = (words) => node('p', { className: 'hint' }, words);

/** Fills one part of the page; what it cannot show it says there, and the others go on. */
async function fill(id, path, show) {
  try {
    const { items, next } = await call(path);
    at(id).replaceChildren(...show(items), ...(next ? [hint(`From the newest ${newest}; writ lists them all.`)] : []));
  } catch (problem) {
    at(id).replaceChildren(hint(problem.status === 403 ? 'You are not one of those who decide.' : problem.detail ?? String(problem)));
  }
}

const load = () => Promise.all([
  fill('reviews', `/api/policy/v1/reviews?status=open&limit=${newest}`, (items) => {
    const mine = items.filter((item) => item.mayVote && !item.votes.some(({ reviewer }) => isMe(reviewer))).sort((a, b) => (b.requestId === askedFor()) - (a.requestId === askedFor()));
    return mine.length === 0 ? [hint('Nothing waits for you.')] : mine.map(review);
  }),
  fill('requests', `/api/request/v1/requests?limit=${newest}`, (items) => {
    const mine = items.filter((item) => item.requester.id === me.sub || isMe(item.claimant));
    if (mine.length === 0) return [hint('You have asked for nothing yet.')];
    return [table(['What', 'Why', 'Status', 'Asked'], mine.map((item) => [what(item), item.reason, standing(item), when(item.submittedAt)]))];
  }),
  fill('tokens', `/api/issuer/v1/tokens?limit=${newest}`, (items) => {
    const mine = items.filter((item) => item.owner.id === me.sub || isMe(item.claimant));
    if (mine.length === 0) return [hint('You hold no token.')];
    return [table(['What', 'Token', 'State', 'Ends'], mine.map((item) => [what(item), node('span', { className: 'id' }, item.tokenId), state(item.state), ends(item)]))];
  }),
]);

function showStart() {
  at('inside').hidden = at('sign-out').hidden = true;
  at('start').hidden = false;
  at('who').textContent = '';
  at('sign-in').href = `/auth/login?${new URLSearchParams({ return: location.pathname })}`;
}

at('sign-out').addEventListener('click', async () => {
  try {
    const { endSession } = await call('/auth/logout', { method: 'POST', body: {} });
    sessionStorage.clear();
    location.assign(endSession ?? '/');
  } catch (problem) {
    say('bad', problem.detail ?? String(problem));
  }
});

try {
  me = await call('/auth/me');
  if (me.signedIn) {
    at('who').textContent = [me.name ?? me.sub, me.team && `team ${me.team}`].filter(Boolean).join(' · ');
    at('inside').hidden = at('sign-out').hidden = false;
    await load();
  } else showStart();
} catch (problem) {
  say('bad', problem.detail ?? String(problem));
}
const trouble = troubles[new URLSearchParams(location.search).get('problem')];
if (trouble) {
  history.replaceState(null, '', location.pathname);
  say('bad', trouble);
}

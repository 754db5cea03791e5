import type { Person, PersonKey } from './people.js';

const style = `
  :root { color-scheme: light dark; --ink: light-dark(#1c2024, #e8eaed); --soft: light-dark(#5f6872, #9aa4af); --line: light-dark(#d9dee3, #343a41);
          --paper: light-dark(#ffffff, #1b1f23); --ground: light-dark(#f3f5f7, #121517); --accent: light-dark(#1f5fbf, #7fb2ff); --on-accent: light-dark(#fff, #0c1a2d); }
  * { box-sizing: border-box; }
  body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
  main { width: min(27rem, calc(100vw - 2rem)); margin: 2rem 0; padding: 2rem; background: var(--paper); border: 1px solid var(--line); border-radius: 12px; }
  h1 { margin: 0 0 .25rem; font-size: 1.35rem; } p { margin: 0 0 1.25rem; color: var(--soft); }
  form { margin: 0; } ul { list-style: none; margin: 0; padding: 0; display: grid; gap: .5rem; }
  button { width: 100%; padding: .7rem 1rem; font: inherit; text-align: left; color: inherit; background: none; border: 1px solid var(--line); border-radius: 8px; cursor: pointer; }
  button:hover, button:focus-visible { border-color: var(--accent); outline: 2px solid var(--accent); outline-offset: -1px; }
  button small { display: block; color: var(--soft); font-size: .85rem; }
  button.main { text-align: center; font-weight: 600; background: var(--accent); color: var(--on-accent); border-color: var(--accent); margin-bottom: .5rem; }
  button.other { text-align: center; }
  input[type=text] { width: 100%; padding: .7rem; margin-bottom: 1rem; font: 1.3rem/1.4 ui-monospace, monospace; letter-spacing: .1em; text-align: center; text-transform: uppercase;
          border: 1px solid var(--line); border-radius: 8px; background: var(--ground); color: inherit; }
  code { display: block; margin: 0 0 1.25rem; font: 600 1.6rem/1.4 ui-monospace, monospace; letter-spacing: .1em; text-align: center; }
  .warn { color: light-dark(#a33b12, #ffab85); } footer { margin-top: 1.5rem; font-size: .8rem; color: var(--soft); }`;

export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

const page = (title: string, body: string): string => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escapeHtml(title)} · Writ development identity</title>
<style>${style}</style></head><body><main>${body}<footer>Development identity provider: invented people, no passwords.</footer></main></body></html>`;

const cancelForm = (uid: string): string => `<form method="post" action="/interaction/${encodeURIComponent(uid)}/abort"><button class="other">Cancel</button></form>`;

/** Whom to be: one button each. */
export const signInPage = (uid: string, client: string, people: readonly (readonly [PersonKey, Person])[]): string => page('Sign in', `
<h1>Sign in</h1><p>to continue to ${escapeHtml(client)}</p>
<form method="post" action="/interaction/${encodeURIComponent(uid)}/login"><ul>
${people.map(([key, person]) => `<li><button name="person" value="${key}">${escapeHtml(person.name)}<small>${escapeHtml(person.purpose)}</small></button></li>`).join('\n')}
</ul></form>`);

export const consentPage = (uid: string, client: string, person: string): string => page('Allow access', `
<h1>Allow access?</h1><p><strong>${escapeHtml(client)}</strong> wants to act for you, ${escapeHtml(person)}, at Writ: to see your name, team and groups, and to use what they allow.</p>
<form method="post" action="/interaction/${encodeURIComponent(uid)}/confirm"><button class="main" autofocus>Allow</button></form>${cancelForm(uid)}`);

/** `form` is the provider's own, with its protection against forged posts. */
export const deviceCodePage = (form: string, wrong: boolean): string => page('Connect a device', `
<h1>Connect a device</h1><p${wrong ? ' class="warn" role="alert">That code is not known or has expired. Ask your device for a new one' : '>Enter the code that your terminal shows'}.</p>
${form}<button class="main" type="submit" form="op.deviceInputForm">Continue</button>`);

export const deviceConfirmPage = (form: string, client: string, code: string): string => page('Confirm the device', `
<h1>Is this your device?</h1><p><strong>${escapeHtml(client)}</strong> shows this code. If you did not start this, cancel.</p><code>${escapeHtml(code)}</code>
${form}<button class="main" type="submit" form="op.deviceConfirmForm" autofocus>Yes, continue</button>
<button class="other" type="submit" form="op.deviceConfirmForm" value="yes" name="abort">Cancel</button>`);

export const deviceDonePage = (): string => page('Connected', '<h1>Connected</h1><p>You can close this page and go back to your terminal.</p>');
/** `form` is the provider's own; "yes" ends the session here for every client, anything else only leads back. */
export const signOutPage = (form: string): string => page('Sign out', `
<h1>Sign out here too?</h1><p>Otherwise the next sign-in does not ask who you are.</p>
${form}<button class="main" type="submit" form="op.logoutForm" value="yes" name="logout" autofocus>Yes, sign me out</button>
<button class="other" type="submit" form="op.logoutForm">No, stay signed in</button>`);
export const signedOutPage = (): string => page('Signed out', '<h1>Signed out</h1><p>You can close this page.</p>');

export const errorPage = (code: string, detail = ''): string => page('Not possible', `
<h1>That did not work</h1><p class="warn">${escapeHtml(code)}${detail ? `: ${escapeHtml(detail)}` : ''}</p><p>Go back to where you came from and start again.</p>`);

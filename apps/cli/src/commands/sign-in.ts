import type { Command } from 'commander';
import type { Context } from '../context.js';
import { Ended, exitCodes } from '../exit.js';
import { relative } from '../output.js';
import { saveSignIn, signInByDevice, signOut } from '../sign-in.js';
import { untilInterrupted } from '../wait.js';

interface Claims { sub?: string; iss?: string; name?: string; team?: string; groups?: string[]; acr?: string; exp?: number; client_id?: string }

/** `writ login|logout|whoami`. */
export function addSignInCommands(program: Command, context: () => Context): void {
  program.command('login')
    .description('Sign in with a browser, on this machine or another; the sign-in is kept in a file that only you can read')
    .option('--again', 'sign in anew even where the browser remembers you: votes and activations need a fresh sign-in')
    .action(({ again }: { again?: boolean }) => login(again ?? false, context()));
  program.command('logout')
    .description('Forget the sign-in, here and at the identity provider')
    .action(async () => {
      const { session, output } = context();
      const wasEnded = await signOut(session.env);
      output.answer({ signedIn: false }, () => 'Signed out.');
      if (!wasEnded) output.say('The identity provider did not answer; there the sign-in ends by itself.');
    });
  program.command('whoami')
    .description('Show as whom commands are sent, as the token itself says')
    .action(() => whoami(context()));
}

async function login(again: boolean, { session, output }: Context): Promise<void> {
  const signal = untilInterrupted();
  const signIn = await signInByDevice(session.address('WRIT_OIDC_ISSUER'), again, (address, code, whole) => {
    output.say(`Open ${address}\nand type ${code}`);
    if (whole) output.say(`or open ${whole}`);
    output.progress('waiting for you');
  }, signal).catch((error: unknown) => {
    if (signal.aborted) throw new Ended(exitCodes.timedOut, 'Broken off; you are not signed in.');
    throw error;
  });
  output.progressDone();
  saveSignIn(signIn, session.env);
  const claims = claimsOf(signIn.accessToken);
  output.answer({ sub: claims.sub, expiresAt: new Date(signIn.expiresAt).toISOString() }, () => `Signed in as ${claims.sub ?? 'somebody'}${claims.team ? ` of team ${claims.team}` : ''}.`);
}

async function whoami({ session, output }: Context): Promise<void> {
  await session.renew();
  const { token, from } = session.proof('requester');
  const { sub, iss, name, team, groups, acr, exp, client_id: client } = claimsOf(token);
  const expiresAt = exp === undefined ? undefined : new Date(exp * 1_000).toISOString();
  output.answer({ sub, iss, name, team, groups, acr, client, expiresAt, from }, () => output.facts({
    you: sub, name, team, groups: groups?.join(', '), 'signed in by': acr, issuer: iss, through: client, until: expiresAt && `${expiresAt} (${relative(expiresAt)})`, from,
  }));
  if (exp !== undefined && exp * 1_000 < Date.now()) throw new Ended(exitCodes.notAuthenticated, 'This token has run out.', 'Run writ login, or set a new WRIT_TOKEN.');
}

/** Only read, not believed: the services check it. */
function claimsOf(token: string): Claims {
  try {
    return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Claims;
  } catch (error) {
    if (error instanceof SyntaxError) throw new Ended(exitCodes.notAuthenticated, 'Your token is not one that says who you are.', 'Run writ login, or set another WRIT_TOKEN.');
    throw error;
  }
}

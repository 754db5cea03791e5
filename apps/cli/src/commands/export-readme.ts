import type { Checkpoint } from '@writ/tlog';

/** What a stranger who gets the folder needs to know. */
export function readmeOf(address: string, vkey: string, { origin, size, root }: Checkpoint): string {
  return `# An audit log, to be checked without trusting anybody

This folder holds the log \`${origin}\` as it was published at ${address}:
${size.toLocaleString('en')} entries under one signed checkpoint, with root

    ${Buffer.from(root).toString('base64')}

The files are laid out as https://c2sp.org/tlog-tiles says: \`checkpoint\` is the signed head
(https://c2sp.org/tlog-checkpoint), \`tile/entries/\` holds the entries, 256 to a file, and
\`tile/0/\`, \`tile/1/\`, … the hashes of RFC 6962 over them. Any software that reads the format can check it.

## Were the files damaged on their way?

    sha256sum --check --quiet SHA256SUMS

Whoever can change a file can change this list too: it finds accidents, not forgers.

## Is it the log, whole and unchanged?

    writ audit verify . --vkey '${vkey}'

Recomputes every hash from the entries, offline. **Do not take the key from this file**: ask the
operator for it on another way, and compare. The second time, the command also checks that the log
only grew since the first: an entry that was changed or taken out cannot be hidden from someone who remembers.

Without the command: open \`verify.html\` in a browser and choose this folder. Take the page from
somewhere else too, or read its source; a forger of the folder could have forged it.

## What it does not say

A log proves what it holds, not that everything was put into it. Without witnesses' signatures on
the checkpoint, others could have been shown another log; compare the root above with theirs.
Personal data is not in here: entries hold salted digests of it (RFC 9901).
`;
}

import type { Checkpoint } from '@writ/tlog';

interface Exported {
  address: string;
  vkey: string;
  /** Where in the folder the same key lies. */
  keyFile: string;
  checkpoint: Checkpoint;
}

/** What a stranger who gets the folder needs to know. */
export function readmeOf({ address, vkey, keyFile, checkpoint: { origin, size, root } }: Exported): string {
  return `# An audit log, to be checked without trusting anybody

This folder holds the log \`${origin}\` as it was published at ${address}:
${size.toLocaleString('en')} entries under one signed checkpoint, with root

    ${Buffer.from(root).toString('base64')}

The files are laid out as https://c2sp.org/tlog-tiles says: \`checkpoint\` is the signed head
(https://c2sp.org/tlog-checkpoint), \`tile/entries/\` holds the entries, 256 to a file, and
\`tile/0/\`, \`tile/1/\`, … the hashes of RFC 6962 over them. Any software that reads the format can check it.
Beside them:

- \`entries.jsonl\`: the same entries, one a line; the first line is entry 0
- \`checkpoints/\`: every checkpoint that this folder was exported at, by size
- \`keys/\` and \`policy.tlog\` (https://c2sp.org/tlog-policy): the keys that the export was checked with
- \`disclosures.jsonl\`, where it was asked for: what is personal in the entries (RFC 9901)

## Were the files damaged on their way?

    sha256sum --check --quiet SHA256SUMS

Whoever can change a file can change this list too: it finds accidents, not forgers.

## Is it the log, whole and unchanged?

    writ audit verify . --vkey '${vkey}'

Recomputes every hash from the entries, offline, and looks for what was left out: numbers of services
and tokens that are missing, histories whose links do not fit, tokens without a request or an approval.
**Do not take the key from this folder**: ask the operator for it on another way, and compare. The
second time, the command also checks that the log only grew since the first: an entry that was changed
or taken out cannot be hidden from someone who remembers. With \`--policy\` and a policy file, the
witnesses' signatures are required too.

Without the command: open \`verify.html\` in a browser and choose this folder. Take the page from
somewhere else too, or read its source; a forger of the folder could have forged it.

## With software that is not ours

Tessera's fsck recomputes the whole tree, in Go:

    go run github.com/transparency-dev/tessera/cmd/fsck@latest \\
      --storage_url="file://$PWD/" --public_key=${keyFile}

The packages \`note\` and \`tlog\` of Go's golang.org/x/mod/sumdb, sigstore-js and @transmute/rfc9162 read
the checkpoint and check proofs. The leaf hash of entry 41, with nothing but a shell:

    (printf '\\0'; sed -n 42p entries.jsonl | tr -d '\\n') | openssl dgst -sha256 -binary | base64

and what the log holds in that place (\`tile/0/000\` has entries 0 to 255, or \`tile/0/000.p/…\` has fewer):

    dd if=tile/0/000 bs=32 skip=41 count=1 status=none | base64

## What it does not say

A log proves what it holds, not that everything was put into it. Without witnesses' signatures on
the checkpoint, others could have been shown another log; compare the root above with theirs.
Entries hold salted digests of what is personal, and what each token was used for is in the proof
bundle of that token (\`writ audit prove\`), not here.
`;
}

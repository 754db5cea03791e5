import { Body, Controller, Get, HttpCode, Post } from '@nestjs/common';
import { SealingKeyRegistration, UpstreamRegistration, type SealingKeyAnswer } from '@writ/contracts';
import { Transactions } from '@writ/messaging';
import { Allow, AllowAfterStepUp, bodyOf, CallerOf, conflict, invalid, principalOf, type Caller } from '@writ/service';
import { sealingThumbprint } from './sealing-key.js';

const maxListed = 1_000;

/** Who may speak for whom, and the keys that secrets are sealed to. */
@Controller('v1')
export class RegistryController {
  constructor(private readonly transactions: Transactions<'request'>) {}

  /** Registers an upstream or replaces its registration; requests that were accepted before stay as they are. */
  @Post('upstreams')
  @HttpCode(200)
  @AllowAfterStepUp('admin')
  async register(@Body(bodyOf(UpstreamRegistration)) registration: UpstreamRegistration, @CallerOf() caller: Caller): Promise<UpstreamRegistration> {
    if (registration.name === 'http') throw conflict('name-reserved', 'An upstream cannot be named http.', 'Choose another name.');
    await this.transactions.run(async (tx) => {
      const { name, subject = null } = registration;
      const taken = await tx.db.query('SELECT 1 FROM upstream WHERE subject = $1 AND name <> $2', [subject, name]);
      if (taken.length > 0) throw conflict('subject-taken', 'Another registration speaks for this subject.', 'Remove the subject there first.');
      await tx.db.query(
        `INSERT INTO upstream (name, subject, registration, registered_by) VALUES ($1, $2, $3, $4)
         ON CONFLICT (name) DO UPDATE SET subject = excluded.subject, registration = excluded.registration,
           registered_by = excluded.registered_by, registered_at = now()`,
        [name, subject, JSON.stringify(registration), JSON.stringify(principalOf(caller))],
      );
    });
    return registration;
  }

  @Get('upstreams')
  @Allow('admin', 'auditor')
  async list(): Promise<{ items: UpstreamRegistration[] }> {
    const rows = await this.transactions.read((db) => db.query<{ registration: UpstreamRegistration }>('SELECT registration FROM upstream ORDER BY name LIMIT $1', [maxListed]));
    return { items: rows.map(({ registration }) => registration) };
  }

  /** Registers a key under a name once: requests are bound to it, so another key needs another name. */
  @Post('sealing-keys')
  @HttpCode(201)
  @AllowAfterStepUp('admin')
  async registerKey(@Body(bodyOf(SealingKeyRegistration)) { owner, keyId, jwk }: SealingKeyRegistration, @CallerOf() caller: Caller): Promise<SealingKeyAnswer> {
    const thumbprint = sealingThumbprint(jwk);
    if (typeof thumbprint !== 'string') throw invalid([thumbprint]);
    await this.transactions.run(async (tx) => {
      const [row] = await tx.db.query<{ thumbprint: string }>(
        `INSERT INTO sealing_key (name, owner, key_id, thumbprint, jwk, registered_by) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING thumbprint`,
        [`${owner} ${keyId}`, owner, keyId, thumbprint, JSON.stringify(jwk), JSON.stringify(principalOf(caller))],
      );
      if (row?.thumbprint !== thumbprint) throw conflict('key-id-taken', 'Another key has this name.', 'Choose another keyId.');
    });
    return { owner, keyId, thumbprint };
  }
}

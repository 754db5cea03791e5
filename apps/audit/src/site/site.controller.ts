import { Controller, Get, Param, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { TlogError } from '@writ/tlog';
import { notFound, Public } from '@writ/service';
import { verifierPage } from '@writ/site';
import { CosignJob } from '../witness/cosign.job.js';
import { Site } from './site.store.js';

/** The log as static files (C2SP tlog-tiles), for verifiers that know nothing of this service. Holds nothing personal. */
@Controller()
export class SiteController {
  private readonly page = verifierPage();

  constructor(private readonly site: Site, private readonly cosigning: CosignJob) {}

  @Get('checkpoint')
  @Public()
  async checkpoint(@Res() reply: FastifyReply): Promise<void> {
    const shown = await this.cosigning.shown();
    if (!shown) throw notFound('checkpoint yet');
    void reply.header('content-type', 'text/plain; charset=utf-8').header('cache-control', 'public, max-age=1').send(shown.note);
  }

  /** The page with which anybody checks the log, or a token's proof bundle, in a browser. */
  @Get('verify.html')
  @Public()
  verifier(@Res() reply: FastifyReply): void {
    const { html, contentSecurityPolicy } = this.page;
    void reply.header('content-type', 'text/html; charset=utf-8').header('content-security-policy', contentSecurityPolicy).header('cache-control', 'no-cache').send(html);
  }

  @Get('tile/*')
  @Public()
  async tile(@Param('*') path: string, @Res() reply: FastifyReply): Promise<void> {
    const bytes = await this.find(`tile/${path}`);
    if (!bytes) throw notFound('tile');
    void reply.header('content-type', 'application/octet-stream').header('cache-control', 'public, max-age=31536000, immutable').send(bytes);
  }

  /** Only canonical tile paths reach the folder, so no path leads out of it. */
  private async find(path: string): Promise<Buffer | undefined> {
    try {
      return await this.site.read(path);
    } catch (error) {
      if (error instanceof TlogError && error.code === 'tile-path-malformed') return undefined;
      throw error;
    }
  }
}

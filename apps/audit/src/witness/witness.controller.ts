import { Body, Controller, Get, Ip, Param, Post, Res, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { FailingSources, failureFrom, NoReplay, notFound, Public } from '@writ/service';
import { Witness } from './witness.store.js';

/** Malformed, not signed by the log, or of a log that is not known here. */
const provesNothing = [400, 403, 404];

/** Other logs submit their checkpoints here; the signature of the log is what admits them (C2SP tlog-witness). */
@Controller('witness')
export class WitnessController implements OnModuleInit {
  constructor(private readonly witness: Witness, private readonly host: HttpAdapterHost, private readonly failing: FailingSources) {}

  /** Logs send no media type that JSON routes know; JSON itself is parsed as before. */
  onModuleInit(): void {
    const fastify = this.host.httpAdapter.getInstance<FastifyInstance>();
    if (!fastify.hasContentTypeParser('*')) fastify.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  }

  @Post('add-checkpoint')
  @Public()
  @NoReplay()
  async addCheckpoint(@Body() body: unknown, @Ip() address: string, @Res() reply: FastifyReply): Promise<void> {
    const answer = await this.witness.addCheckpoint(typeof body === 'string' ? body : '');
    if (!answer) throw notFound('witness');
    const tooMany = provesNothing.includes(answer.status) ? failureFrom(address, this.failing) : undefined;
    if (tooMany) throw tooMany;
    void reply.status(answer.status).header('content-type', answer.contentType).send(answer.body);
  }

  /** The last checkpoint of a log that this witness cosigned, for whoever compares what others were shown (C2SP tlog-witness). */
  @Get(':originHash/checkpoint')
  @Public()
  async checkpoint(@Param('originHash') originHash: string, @Res() reply: FastifyReply): Promise<void> {
    const note = await this.witness.cosigned(originHash);
    if (note === undefined) throw notFound('checkpoint of this log');
    void reply.header('content-type', 'text/plain; charset=utf-8').header('cache-control', 'public, max-age=1').send(note);
  }
}

import { Module } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { WebhookDeliveries } from '@writ/service';
import type { FastifyInstance } from 'fastify';
import { Activations } from './activations.store.js';
import { ActiveSets } from './active-set.store.js';
import { PolicyConfig } from './config.js';
import { DecideWaiting } from './decide-waiting.job.js';
import { DecisionsController } from './decisions.controller.js';
import { Decisions } from './decisions.store.js';
import { LapseReviews } from './lapse-reviews.job.js';
import { Notices } from './notice.store.js';
import { OnRequestCancelled } from './on-request-cancelled.js';
import { OnRequestSubmitted } from './on-request-submitted.js';
import { OnTrustChanged } from './on-trust-changed.js';
import { PolicySetsController } from './policy-sets.controller.js';
import { ReviewsController } from './reviews.controller.js';
import { RemindReviewers } from './remind-reviewers.job.js';
import { RunSimulations } from './run-simulations.job.js';
import { SetChecks } from './set-checks.store.js';
import { SimulationsController } from './simulations.controller.js';
import { Voting } from './voting.store.js';
import { WatchActivation } from './watch-activation.job.js';

/** A policy set may have 1 MiB, and JSON escapes some of it; every other body keeps the usual limit. */
const setBodyLimit = 3 * 1024 * 1024;
const setRoutes = ['/v1/policy-sets', '/v1/policy-sets/validate'];

@Module({
  controllers: [OnRequestSubmitted, OnRequestCancelled, OnTrustChanged, PolicySetsController, ReviewsController, DecisionsController, SimulationsController],
  providers: [
    ActiveSets, Decisions, Activations, SetChecks, Voting, Notices,
    WatchActivation, DecideWaiting, LapseReviews, RemindReviewers, RunSimulations, WebhookDeliveries.of(PolicyConfig),
  ],
})
export class PolicyModule {
  constructor({ httpAdapter }: HttpAdapterHost) {
    (httpAdapter.getInstance() as FastifyInstance).addHook('onRoute', (route) => {
      if (setRoutes.includes(route.url)) route.bodyLimit = setBodyLimit;
    });
  }
}

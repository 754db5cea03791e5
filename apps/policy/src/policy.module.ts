import { Module } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { WebhookDeliveries } from '@writ/service';
import type { FastifyInstance } from 'fastify';
import { Activations } from './sets/activations.store.js';
import { ActiveSets } from './sets/active-set.store.js';
import { PolicyConfig } from './config.js';
import { DecideWaiting } from './decisions/decide-waiting.job.js';
import { DecisionsController } from './decisions/decisions.controller.js';
import { Decisions } from './decisions/decisions.store.js';
import { LapseReviews } from './reviews/lapse-reviews.job.js';
import { Notices } from './reviews/notice.store.js';
import { OnRequestCancelled } from './decisions/on-request-cancelled.js';
import { OnRequestSubmitted } from './decisions/on-request-submitted.js';
import { OnTrustChanged } from './decisions/on-trust-changed.js';
import { PolicySetsController } from './sets/policy-sets.controller.js';
import { ReviewsController } from './reviews/reviews.controller.js';
import { RemindReviewers } from './reviews/remind-reviewers.job.js';
import { RunSimulations } from './simulations/run-simulations.job.js';
import { SetChecks } from './sets/set-checks.store.js';
import { SimulationsController } from './simulations/simulations.controller.js';
import { Voting } from './reviews/voting.store.js';
import { WatchActivation } from './sets/watch-activation.job.js';

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

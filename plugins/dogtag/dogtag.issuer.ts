import type { Held } from '../../src/plugin-api/ca-inventory.js';
import { PluginError } from '../../src/plugin-api/errors.js';
import { defineIssuer, type OrderRequest, type Outcome } from '../../src/plugin-api/issuer.js';
import { withKnownIssuers } from '../../src/pki/issued-chain.js';
import { caChain, hold, listCertificates, release, revoke } from './ca-certificates.js';
import { agents, DogtagSession } from './dogtag.client.js';
import { enrol, findOrder, follow } from './enrolment.js';
import { dogtagOptions, signInOf } from './dogtag.options.js';
import { findProfile, listProfiles, switchProfile } from './ca-profiles.js';
import { decide, findRequest, listRequests, reviewRequest } from './ca-requests.js';

/** Issues through a Dogtag or Red Hat Certificate System CA, over its REST interface. */
export const dogtag = defineIssuer({
  id: 'dogtag',
  title: 'Dogtag',
  description:
    'Requests certificates from a Dogtag PKI or Red Hat Certificate System CA of version 10 or 11, as an agent or as ' +
    'a user of the CA.',
  options: dogtagOptions,
  answers: 'later',
  allows: { ownValidity: true },

  admit: (options) => Promise.resolve(options).then((one) => void signInOf(one)),

  check: (options, ctx) =>
    DogtagSession.in(options, ctx, async (session) => {
      const profile = await findProfile(session, options.profile);
      if (!profile) throw new PluginError('misconfigured', `The CA has no profile ${options.profile}.`);
      if (!profile.enabled) throw new PluginError('misconfigured', `The profile ${profile.id} is disabled at the CA.`);
      if (options.autoApprove && !session.isAgent)
        throw new PluginError('misconfigured', `The account is none of the ${agents}, so it can approve nothing.`);
    }),

  describe: (options, ctx) =>
    DogtagSession.in(options, ctx, async (session) => ({ issuers: [await caChain(session)] })),

  order: (request, options, ctx) =>
    DogtagSession.in(options, ctx, async (session) => completed(request, await enrol(session, request))),
  poll: (request, options, ctx) =>
    DogtagSession.in(options, ctx, async (session) => completed(request, await follow(session, request))),
  find: (request, options, ctx) =>
    DogtagSession.in(options, ctx, async (session) => {
      const found = await findOrder(session, request);
      return found && completed(request, found);
    }),

  cancel: ({ orderRef }, options, ctx) =>
    DogtagSession.in(options, ctx, async (session) => {
      const label = await findRequest(session, orderRef);
      if (!label || label.state === 'rejected' || label.state === 'cancelled') return;
      await decide(session, { id: label.id, action: 'cancel' });
    }),

  revoke: (request, options, ctx) => DogtagSession.in(options, ctx, (session) => revoke(session, request)),
  hold: ({ comments, ...certificate }, options, ctx) =>
    DogtagSession.in(options, ctx, (session) => hold(session, certificate, comments)),
  release: (certificate, options, ctx) => DogtagSession.in(options, ctx, (session) => release(session, certificate)),

  async *list(request, options, ctx): AsyncIterable<Held> {
    const session = await DogtagSession.open(options, ctx);
    try {
      yield* listCertificates(session, request);
    } finally {
      await session.close();
    }
  },

  profiles: {
    list: (request, options, ctx) => DogtagSession.in(options, ctx, (session) => listProfiles(session, request)),
    get: ({ id }, options, ctx) => DogtagSession.in(options, ctx, (session) => findProfile(session, id)),
    enable: ({ id }, options, ctx) => DogtagSession.in(options, ctx, (session) => switchProfile(session, id, 'enable')),
    disable: ({ id }, options, ctx) =>
      DogtagSession.in(options, ctx, (session) => switchProfile(session, id, 'disable')),
  },

  requests: {
    list: (request, options, ctx) => DogtagSession.in(options, ctx, (session) => listRequests(session, request)),
    get: ({ id }, options, ctx) => DogtagSession.in(options, ctx, (session) => reviewRequest(session, id)),
    decide: (request, options, ctx) => DogtagSession.in(options, ctx, (session) => decide(session, request)),
  },
});

/** The CA may send a certificate without those above it. */
async function completed({ authority }: OrderRequest, outcome: Outcome): Promise<Outcome> {
  if (outcome.status !== 'issued') return outcome;
  const knownPem = [authority.certificatePem, ...authority.chainPem];
  return { ...outcome, chainPem: await withKnownIssuers(outcome.chainPem, knownPem) };
}

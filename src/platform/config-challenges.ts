import { z } from 'zod';
import { absolutePath, list, listenAddress, nameServer } from './config-value.js';

/** Settings of how answers to challenges of CAs are published. */
export const challengeSchema = {
  HTTP_CHALLENGE_WEBROOT: absolutePath.optional().meta({
    description:
      'Folder of a web server: answers to http-01 challenges are also put below it, at /.well-known/acme-challenge. ' +
      'This program serves them at that path itself.',
  }),
  TLS_ALPN_LISTEN: listenAddress.optional().meta({
    description:
      'Address at which answers to tls-alpn-01 challenges are shown, as host:port, with an IPv6 address in brackets. ' +
      'Lead connections to port 443 of your names that ask for the protocol acme-tls/1 there. Workers do not listen, ' +
      'but must know it too.',
  }),
  DNS_RESOLVERS: list(nameServer)
    .optional()
    .transform((servers) => servers ?? [])
    .meta({
      description:
        'Resolvers for questions about records that prove control of a domain: IP addresses, with a port where it is ' +
        'not 53, with commas between. Without it: those of the machine.',
    }),
  DNS_PROPAGATION_CHECK: z
    .enum(['authoritative', 'resolvers', 'none'])
    .prefault('authoritative')
    .meta({
      description:
        'Who must show a TXT record before a CA is told to look for it: every name server of its zone, or only the ' +
        'resolvers, where this machine cannot ask those. `none`: nobody is asked.',
    }),
};

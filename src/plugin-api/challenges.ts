/** How a CA checks that we control a name: RFC 8555 §8.3 and §8.4, RFC 8737. */
export type ChallengeType = 'http-01' | 'dns-01' | 'tls-alpn-01';

/** What a CA is to find. */
export interface ChallengeAnswer {
  type: ChallengeType;
  /** A domain in A-labels, lower case, without `*.` and without a dot at the end; not for dns-01 also an IP address. */
  domain: string;
  /**
   * http-01: the key authorization, whose token stands before the dot. dns-01: the value of the TXT record at
   * `_acme-challenge.<domain>`. tls-alpn-01: SHA-256 of the key authorization, base64url.
   */
  value: string;
}

/**
 * `visible`: the CA may look. `published`: not yet, ask again later: for dns-01, not every authoritative name server of
 * the zone shows the record; for tls-alpn-01, another answer for the same name is shown until its CA has looked.
 */
export type Presented = 'visible' | 'published';

/**
 * Publishes answers to challenges where this installation is configured to: a TXT record through a DNS provider, a file
 * below a web root, or an answer of the program itself over HTTP or TLS. Each is recorded before it is published, and
 * removed by a job.
 */
export interface Challenges {
  /**
   * False when no DNS provider has a zone for the domain, or no address for tls-alpn-01 is configured. http-01 is
   * always possible for us; the CA may see it otherwise.
   */
  canPresent(type: ChallengeType, domain: string): Promise<boolean>;
  /**
   * Idempotent: called again until it says `visible`, and again after a crash. Throws PluginError: `misconfigured` when
   * `canPresent` is false, else what the DNS plugin throws.
   */
  present(answer: ChallengeAnswer): Promise<Presented>;
  /**
   * The CA has looked, or never will: a job removes the answer. Idempotent. What is not withdrawn is removed an hour
   * after it was last presented.
   */
  withdraw(answer: ChallengeAnswer): Promise<void>;
}

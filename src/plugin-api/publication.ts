/**
 * Where clients learn about the certificates of an authority, as its issuer writes it into them (RFC 5280 §4.2.1.13,
 * §4.2.2.1), and how its CRLs are made. Only for authorities whose key the core holds. In each URL, `{key}` stands for
 * the key that signs (`keyTag` in pki), since each key of an authority signs its own CRL.
 */
export interface Publication {
  /** URLs of the CRL. With shards, `{shard}` in each stands for the number of the shard. */
  crl: readonly string[];
  ocsp: readonly string[];
  /** URLs of the certificate of the authority, DER. */
  caIssuers: readonly string[];
  /** How many CRLs share the certificates among them; 0: one CRL has all. */
  crlShards: number;
  /** How long a CRL is valid. */
  crlHours: number;
  /** Whether there are delta CRLs (RFC 5280 §5.2.4). */
  deltaCrl: boolean;
}

/** The URLs under which the core publishes for one authority, with `{key}` in them; `shardedCrl` has `{shard}` too. */
export interface PublicUrls {
  crl: string;
  shardedCrl: string;
  ocsp: string;
  caIssuers: string;
}

/**
 * A source plugin with its options. Two sources look at the same place when their options of the names in `place` are
 * equal.
 */
export interface CounterpartSource {
  pluginId: string;
  options: Readonly<Record<string, unknown>>;
  place: readonly string[];
}

/**
 * A certificate that lies somewhere. `chainPem` is leaf first, then whatever may be its issuers, in any order; nothing
 * of it has been checked. `location` tells it from everything else of the source and stays the same from scan to scan.
 */
export interface FoundCertificate {
  kind: 'certificate';
  chainPem: readonly string[];
  location: string;
  /** Its id over there. */
  externalId?: string;
  /** E-mail address of whom the place says it belongs to. */
  owner?: string;
  /** PEM, unencrypted. Only where an option says that keys are to be taken too. */
  privateKeyPem?: string;
}

/**
 * A place that serves a certificate to clients. With its port, `externalId` tells it from everything else of the
 * source.
 */
export interface FoundEndpoint {
  kind: 'endpoint';
  externalId: string;
  port: number;
  name: string;
  dnsName: string;
  /** What sort of thing it is, such as `tls` or `elb`. */
  type: string;
  aliases: readonly string[];
  /** What it serves, as in FoundCertificate; empty when that cannot be seen. */
  chainPem: readonly string[];
  /** What it agreed on, as OpenSSL calls them: `TLSv1.3`, `TLS_AES_256_GCM_SHA384`. */
  protocol: string | null;
  cipher: string | null;
  policy: { name: string; ciphers: readonly EndpointCipher[] };
}

/** A protocol version or cipher suite that an endpoint accepts. */
export interface EndpointCipher {
  name: string;
  deprecated: boolean;
}

/**
 * A part of a source that could not be read; the rest goes on. Everything whose location begins with `location` counts
 * as neither there nor gone.
 */
export interface FoundTrouble {
  kind: 'trouble';
  location: string;
  detail: string;
}

export type Found = FoundCertificate | FoundEndpoint | FoundTrouble;

/** A certificate as a source found it earlier. `sha256` is its fingerprint, hex. */
export interface FoundRef {
  location: string;
  sha256: string;
}

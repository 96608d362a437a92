/** The fault of an object given to us. Stable: callers map these codes to problems. */
export type PkiErrorCode =
  | 'malformed-pem'
  | 'malformed-certificate'
  | 'malformed-csr'
  | 'malformed-crl'
  | 'malformed-ocsp'
  | 'malformed-key'
  | 'malformed-ocsp-request'
  | 'bad-csr-signature'
  | 'weak-key'
  | 'unsupported-key'
  | 'unsupported-signature'
  | 'bad-name'
  | 'bad-extension'
  | 'key-mismatch'
  | 'name-mismatch'
  | 'validity-mismatch'
  | 'usage-mismatch'
  | 'chain-order'
  | 'chain-too-long'
  | 'lint';

/** The only error that `pki` throws for foreign input. The message is for users and contains no key and no PEM. */
export class PkiError extends Error {
  constructor(
    readonly code: PkiErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'PkiError';
  }
}

/** Runs `read`; any error becomes a PkiError with this code and message, unless it is a PkiError already. */
export function orPkiError<T>(code: PkiErrorCode, message: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof PkiError) throw error;
    throw new PkiError(code, message, { cause: error });
  }
}

/** As `orPkiError`, but a PkiError about a part (a name, a key) also gets this code; its message follows `message`. */
export function orMalformed<T>(code: PkiErrorCode, message: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new PkiError(code, error instanceof PkiError ? `${message}: ${error.message}` : message, { cause: error });
  }
}

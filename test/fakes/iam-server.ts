import {
  createHash,
  createHmac,
  createPrivateKey,
  randomBytes,
  randomUUID,
  timingSafeEqual,
  X509Certificate,
} from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Absent members have the defaults of `IAM_DEFAULTS`. */
export interface IamOptions {
  accessKeyId: string;
  secretAccessKey: string;
  /** When given, requests must carry it. */
  sessionToken: string | undefined;
  accountNumber: string;
  /** Server certificates that an account may have. */
  quota: number;
  /** Certificates on one page, however many are asked for: IAM may answer with short pages. */
  pageSize: number;
}

export const IAM_DEFAULTS: IamOptions = {
  accessKeyId: 'AKIDEXAMPLE000000000',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
  sessionToken: undefined,
  accountNumber: '123456789012',
  quota: 20,
  pageSize: 1000,
};

/** What the account holds. IAM never gives the key back; the fake keeps it for tests. */
export interface StoredCertificate {
  name: string;
  path: string;
  id: string;
  arn: string;
  uploadDate: Date;
  expiration: Date;
  body: string;
  chain: string | undefined;
  privateKey: string;
  tags: Record<string, string>;
}

/**
 * What goes wrong with the next request of `action` (any, when absent): an error by its code, or the connection:
 * `drop` breaks it before anything is done, `loseAnswer` after everything is done, `hang` never answers.
 */
export interface IamFault {
  action?: string;
  kind:
    | 'Throttling'
    | 'ServiceFailure'
    | 'DeleteConflict'
    | 'ConcurrentModification'
    | 'AccessDenied'
    | 'LimitExceeded'
    | 'drop'
    | 'loseAnswer'
    | 'hang';
}

export interface FakeIam {
  url: string;
  /** In the order of their upload. */
  certificates(): readonly StoredCertificate[];
  /** The actions that arrived, in order, refused ones too. */
  actions(): readonly string[];
  /** Adds to the faults that wait for their request. */
  fail(next: IamFault): void;
  close(): Promise<void>;
}

const VERSION = '2010-05-08';
const NAMESPACE = `https://iam.amazonaws.com/doc/${VERSION}/`;
const NAME = /^[\w+=,.@-]{1,128}$/;
const PATH = /^(?:\/|\/[\u0021-\u007F]+\/)$/;
const PEM = /^-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+\n-----END CERTIFICATE-----\n*/;

class IamError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

const FAULTS: Partial<Record<IamFault['kind'], IamError>> = {
  Throttling: new IamError(400, 'Throttling', 'Rate exceeded'),
  ServiceFailure: new IamError(500, 'ServiceFailure', 'The request processing has failed because of an unknown error.'),
  ConcurrentModification: new IamError(
    409,
    'ConcurrentModification',
    'Multiple requests to change this object were submitted simultaneously.',
  ),
  AccessDenied: new IamError(
    403,
    'AccessDenied',
    'User: arn:aws:iam::123456789012:user/u is not authorized to perform: iam:UploadServerCertificate',
  ),
  LimitExceeded: new IamError(409, 'LimitExceeded', 'Cannot exceed quota for ServerCertificatesPerAccount: 20'),
  DeleteConflict: new IamError(
    409,
    'DeleteConflict',
    'Certificate is currently in use by arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/lb/1.',
  ),
};

/**
 * Amazon IAM's server certificates over its Query API, as strict as the service: signatures (Signature Version 4) are
 * verified, and names, paths, sizes, PEM, key and chain are checked by the rules of the API reference 2010-05-08.
 */
export async function startIam(options: Partial<IamOptions> = {}): Promise<FakeIam> {
  const account = new Account({ ...IAM_DEFAULTS, ...options });
  // A connection that ends just when the next request is sent would be a fault that no test asked for.
  const server = createServer({ keepAliveTimeout: 600_000 }, (request, response) => {
    // A client that leaves in the middle is no fault of the server.
    account.answer(request, response).catch(() => request.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    certificates: () => account.certificates,
    actions: () => account.actions,
    fail: (next) => {
      account.faults.push(next);
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

class Account {
  readonly certificates: StoredCertificate[] = [];
  readonly actions: string[] = [];
  readonly faults: IamFault[] = [];

  constructor(private readonly options: IamOptions) {}

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const requestId = randomUUID();
    const body = await bodyOf(request);
    const form = new URLSearchParams(body);
    const action = form.get('Action') ?? '';
    this.actions.push(action);
    const fault = this.takeFault(action);
    if (fault === 'hang') return;
    if (fault === 'drop') return void request.socket.destroy();
    let status = 200;
    let xml: string;
    try {
      xml = this.perform(request, body, form, fault);
    } catch (error) {
      const { status: code, code: name, message } = asIamError(error);
      status = code;
      xml =
        `<ErrorResponse xmlns="${NAMESPACE}">\n  <Error>\n    <Type>${status < 500 ? 'Sender' : 'Receiver'}</Type>\n ` +
        `   <Code>${name}</Code>\n` +
        `    <Message>${escaped(message)}</Message>\n  </Error>\n` +
        `  <RequestId>${requestId}</RequestId>\n</ErrorResponse>\n`;
    }
    if (fault === 'loseAnswer') return void request.socket.destroy();
    response.writeHead(status, { 'content-type': 'text/xml', 'x-amzn-requestid': requestId });
    response.end(
      xml.replace(
        '<ResponseMetadata/>',
        `<ResponseMetadata>\n    <RequestId>${requestId}</RequestId>\n  </ResponseMetadata>`,
      ),
    );
  }

  private takeFault(action: string): IamFault['kind'] | undefined {
    const index = this.faults.findIndex((fault) => fault.action === undefined || fault.action === action);
    return index < 0 ? undefined : this.faults.splice(index, 1)[0]?.kind;
  }

  private perform(
    request: IncomingMessage,
    body: string,
    form: URLSearchParams,
    fault: IamFault['kind'] | undefined,
  ): string {
    if (request.method !== 'POST' || request.url !== '/')
      throw new IamError(404, 'InvalidAction', 'Only POST / is spoken here.');
    if (!/^application\/x-www-form-urlencoded\b/.test(request.headers['content-type'] ?? '')) {
      throw new IamError(400, 'InvalidInput', 'The request is not a form.');
    }
    verifySignature(request, body, this.options);
    const action = form.get('Action') ?? '';
    if (form.get('Version') !== VERSION || !Object.hasOwn(ACTIONS, action)) {
      throw new IamError(
        400,
        'InvalidAction',
        `Could not find operation ${action} for version ${form.get('Version') ?? 'NO_VERSION_SPECIFIED'}`,
      );
    }
    const injected = fault && FAULTS[fault];
    if (injected) throw injected;
    const result = ACTIONS[action as keyof typeof ACTIONS](this, form);
    const inner = result === null ? '' : `  <${action}Result>\n${result}  </${action}Result>\n`;
    return `<${action}Response xmlns="${NAMESPACE}">\n${inner}  <ResponseMetadata/>\n</${action}Response>\n`;
  }

  upload(form: URLSearchParams): string {
    const name = matching(form, 'ServerCertificateName', NAME);
    const path = pathOf(form, 'Path') ?? '/';
    const body = sized(form, 'CertificateBody', 16_384);
    const privateKey = sized(form, 'PrivateKey', 16_384);
    const chain = form.has('CertificateChain') ? sized(form, 'CertificateChain', 2_097_152) : undefined;
    const tags = tagsOf(form);
    const leaf = checkMaterial(body, privateKey, chain);
    if (this.named(name))
      throw new IamError(409, 'EntityAlreadyExists', `The Server Certificate with name ${name} already exists.`);
    if (this.certificates.length >= this.options.quota) {
      throw new IamError(
        409,
        'LimitExceeded',
        `Cannot exceed quota for ServerCertificatesPerAccount: ${this.options.quota}`,
      );
    }
    const stored: StoredCertificate = {
      name,
      path,
      body,
      chain,
      privateKey,
      tags,
      arn: this.arnOf(path, name),
      expiration: new Date(leaf.validTo),
      uploadDate: new Date(),
      id: `ASCA${randomBytes(17)
        .toString('base64')
        .replace(/[^A-Z0-9]/gi, 'X')
        .toUpperCase()
        .slice(0, 17)}`,
    };
    this.certificates.push(stored);
    return metadataXml('ServerCertificateMetadata', stored);
  }

  get(form: URLSearchParams): string {
    const found = this.required(form);
    return (
      `    <ServerCertificate>\n${metadataXml('ServerCertificateMetadata', found)}    ` +
      `  <CertificateBody>${escaped(found.body)}</CertificateBody>\n` +
      (found.chain === undefined ? '' : `      <CertificateChain>${escaped(found.chain)}</CertificateChain>\n`) +
      `${tagsXml(found.tags)} ` +
      `   </ServerCertificate>\n`
    );
  }

  list(form: URLSearchParams): string {
    const prefix = form.get('PathPrefix') ?? '/';
    const wanted = Number(form.get('MaxItems') ?? '100');
    if (!Number.isInteger(wanted) || wanted < 1 || wanted > 1000)
      throw invalid('maxItems', form.get('MaxItems') ?? '', 'Member must be between 1 and 1000');
    const from = markerOf(form);
    const matches = this.certificates.filter(({ path }) => path.startsWith(prefix));
    const to = from + Math.min(wanted, this.options.pageSize);
    const more = to < matches.length;
    const members = matches
      .slice(from, to)
      .map((one) => metadataXml('member', one))
      .join('');
    return (
      `    <ServerCertificateMetadataList>\n${members}    ` +
      `</ServerCertificateMetadataList>\n    <IsTruncated>${more}</IsTruncated>\n` +
      (more ? `    <Marker>${Buffer.from(String(to)).toString('base64')}</Marker>\n` : '')
    );
  }

  update(form: URLSearchParams): null {
    const found = this.required(form);
    const name = form.has('NewServerCertificateName') ? matching(form, 'NewServerCertificateName', NAME) : found.name;
    const path = pathOf(form, 'NewPath') ?? found.path;
    const holder = this.named(name);
    if (holder && holder !== found)
      throw new IamError(409, 'EntityAlreadyExists', `The Server Certificate with name ${name} already exists.`);
    Object.assign(found, { name, path, arn: this.arnOf(path, name) });
    return null;
  }

  delete(form: URLSearchParams): null {
    this.certificates.splice(this.certificates.indexOf(this.required(form)), 1);
    return null;
  }

  private required(form: URLSearchParams): StoredCertificate {
    const name = matching(form, 'ServerCertificateName', NAME);
    const found = this.named(name);
    if (!found) throw new IamError(404, 'NoSuchEntity', `The Server Certificate with name ${name} cannot be found.`);
    return found;
  }

  private named(name: string): StoredCertificate | undefined {
    return this.certificates.find((one) => one.name.toLowerCase() === name.toLowerCase());
  }

  private arnOf(path: string, name: string): string {
    return `arn:aws:iam::${this.options.accountNumber}:server-certificate${path}${name}`;
  }
}

const ACTIONS = {
  UploadServerCertificate: (account: Account, form: URLSearchParams) => account.upload(form),
  GetServerCertificate: (account: Account, form: URLSearchParams) => account.get(form),
  ListServerCertificates: (account: Account, form: URLSearchParams) => account.list(form),
  UpdateServerCertificate: (account: Account, form: URLSearchParams) => account.update(form),
  DeleteServerCertificate: (account: Account, form: URLSearchParams) => account.delete(form),
};

/** Body, key and chain by the rules for uploads; gives the leaf. */
function checkMaterial(body: string, privateKey: string, chain: string | undefined): X509Certificate {
  const [leaf, ...others] = certificatesOf(
    body,
    'Unable to parse certificate. Please ensure the certificate is in PEM format.',
  );
  if (!leaf || others.length > 0)
    throw new IamError(400, 'MalformedCertificate', 'The certificate body must hold exactly one certificate.');
  if (/ENCRYPTED/.test(privateKey) || !/^-----BEGIN (?:RSA |EC )?PRIVATE KEY-----\n/.test(privateKey)) {
    throw new IamError(400, 'MalformedCertificate', 'Unable to parse key. The private key must be an unencrypted PEM.');
  }
  let fits: boolean;
  try {
    fits = leaf.checkPrivateKey(createPrivateKey(privateKey));
  } catch {
    throw new IamError(400, 'MalformedCertificate', 'Unable to parse key.');
  }
  if (!fits) throw new IamError(400, 'KeyPairMismatch', 'The public key certificate and the private key do not match.');
  let below = leaf;
  for (const issuer of chain === undefined ? [] : certificatesOf(chain, 'Unable to parse certificate chain.')) {
    if (!below.checkIssued(issuer) || !below.verify(issuer.publicKey)) {
      throw new IamError(
        400,
        'MalformedCertificate',
        'Unable to validate certificate chain. The certificate chain must start with the immediate signing ' +
          'certificate, followed by any intermediaries in order. The index within the ' +
          'chain of the invalid certificate is: 0',
      );
    }
    below = issuer;
  }
  return leaf;
}

/** Only armours and line feeds: IAM takes no text before them. */
function certificatesOf(pem: string, complaint: string): X509Certificate[] {
  const found: X509Certificate[] = [];
  let rest = pem;
  try {
    while (rest !== '') {
      const block = PEM.exec(rest)?.[0];
      if (block === undefined) throw new Error('text outside of PEM');
      found.push(new X509Certificate(block));
      rest = rest.slice(block.length);
    }
  } catch {
    throw new IamError(400, 'MalformedCertificate', complaint);
  }
  return found;
}

/** `Tags.member.1.Key` and `Tags.member.1.Value`, and so on. */
function tagsOf(form: URLSearchParams): Record<string, string> {
  const keys = [...form.entries()].filter(([name]) => /^Tags\.member\.\d+\.Key$/.test(name));
  if (keys.length > 50) throw new IamError(400, 'InvalidInput', 'Too many tags.');
  return Object.fromEntries(keys.map(([name, key]) => [key, form.get(name.replace(/Key$/, 'Value')) ?? '']));
}

function tagsXml(tags: Record<string, string>): string {
  const members = Object.entries(tags).map(
    ([key, value]) => `        <member><Key>${escaped(key)}</Key><Value>${escaped(value)}</Value></member>\n`,
  );
  return members.length === 0 ? '' : `      <Tags>\n${members.join('')}      </Tags>\n`;
}

function metadataXml(element: string, one: StoredCertificate): string {
  return (
    `      <${element}>\n        <ServerCertificateName>${one.name}</ServerCertificateName>\n ` +
    `       <Path>${escaped(one.path)}</Path>\n` +
    `        <Arn>${escaped(one.arn)}</Arn>\n        <UploadDate>${wholeSeconds(one.uploadDate)}</UploadDate>\n` +
    `        <ServerCertificateId>${one.id}</ServerCertificateId>\n        ` +
    `<Expiration>${wholeSeconds(one.expiration)}</Expiration>\n ` +
    `     </${element}>\n`
  );
}

function wholeSeconds(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, 'Z');
}

function matching(form: URLSearchParams, member: string, pattern: RegExp): string {
  const value = form.get(member) ?? '';
  if (!pattern.test(value))
    throw invalid(member, value, `Member must satisfy regular expression pattern: ${pattern.source}`);
  return value;
}

function sized(form: URLSearchParams, member: string, most: number): string {
  const value = form.get(member) ?? '';
  if (value.length < 1 || value.length > most)
    throw invalid(member, '', `Member must have length between 1 and ${most}`);
  return value;
}

function pathOf(form: URLSearchParams, member: string): string | undefined {
  if (!form.has(member)) return undefined;
  const path = matching(form, member, PATH);
  if (path.length > 512) throw invalid(member, path, 'Member must have length less than or equal to 512');
  return path;
}

function markerOf(form: URLSearchParams): number {
  const marker = form.get('Marker');
  const from = marker === null ? 0 : Number(Buffer.from(marker, 'base64').toString());
  if (!Number.isInteger(from)) throw invalid('marker', marker ?? '', 'Invalid Marker.');
  return from;
}

function invalid(member: string, value: string, constraint: string): IamError {
  const name = member.charAt(0).toLowerCase() + member.slice(1);
  return new IamError(
    400,
    'ValidationError',
    `1 validation error detected: Value '${value}' at '${name}' failed to satisfy constraint: ${constraint}`,
  );
}

const authorization = new RegExp(
  '^AWS4-HMAC-SHA256 Credential=([^/]+)/(\\d{8})/([^/]+)/([^/]+)/aws4_request, ?' +
    'SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$',
);

/** Signature Version 4 for the service `iam` in `us-east-1`, worked out anew from what arrived. */
function verifySignature(request: IncomingMessage, body: string, options: IamOptions): void {
  const given = authorization.exec(request.headers.authorization ?? '');
  if (!given) throw new IamError(403, 'MissingAuthenticationToken', 'Request is missing Authentication Token');
  const [, accessKeyId, day = '', region = '', service = '', signed = '', signature = ''] = given;
  if (accessKeyId !== options.accessKeyId || request.headers['x-amz-security-token'] !== options.sessionToken) {
    throw new IamError(403, 'InvalidClientTokenId', 'The security token included in the request is invalid.');
  }
  if (region !== 'us-east-1' || service !== 'iam')
    throw new IamError(403, 'SignatureDoesNotMatch', "Credential should be scoped to a valid region, not 'x'. ");
  const headers = signed
    .split(';')
    .map((name) => `${name}:${String(request.headers[name] ?? '').trim()}\n`)
    .join('');
  const canonical = `POST\n/\n\n${headers}\n${signed}\n${sha256(body)}`;
  const time = String(request.headers['x-amz-date']);
  if (!signed.split(';').includes('host') || !time.startsWith(day))
    throw new IamError(403, 'IncompleteSignature', 'The host and the date must be signed.');
  const key = [day, region, service, 'aws4_request'].reduce<Buffer>(
    (from, text) => hmac(from, text),
    Buffer.from(`AWS4${options.secretAccessKey}`),
  );
  const expected = hmac(
    key,
    `AWS4-HMAC-SHA256\n${time}\n${day}/${region}/${service}/aws4_request\n${sha256(canonical)}`,
  );
  if (!timingSafeEqual(expected, Buffer.from(signature, 'hex'))) {
    throw new IamError(
      403,
      'SignatureDoesNotMatch',
      'The request signature we calculated does not match the signature you provided. ' +
        `The Canonical String for this request should have been\n'${canonical}'`,
    );
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function asIamError(error: unknown): IamError {
  return error instanceof IamError ? error : new IamError(500, 'ServiceFailure', String(error));
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

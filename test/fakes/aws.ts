import { createPrivateKey, randomUUID, X509Certificate } from 'node:crypto';
import { bucketAnswer } from './aws-s3.js';
import {
  type AwsServing,
  balancerAnswer,
  distributionAnswer,
  servedBy,
  serverCertificateAnswer,
} from './aws-served.js';
import { signedFor } from './aws-signature.js';
import { type Exchange, type Reply, type StandIn, startStandIn } from './stand-in.js';

export const awsCredentials = { accessKeyId: 'AKIDEXAMPLE000000000', secretAccessKey: 'Marker-aws-secret-4f6e' };
export const awsAccount = '123456789012';
export const awsRegion = 'eu-central-1';
/** A role that the account may assume; the time of a session follows from `x-amz-date` of its request. */
export const awsRole = { arn: `arn:aws:iam::${awsAccount}:role/team/perennial`, externalId: 'Tenant:42' };
const listenerArn = `arn:aws:elasticloadbalancing:${awsRegion}:${awsAccount}:listener/app/web/1a/2b`;

interface Held {
  leaf: string;
  chain: string;
  key: string;
  tags: { Key: string; Value: string }[];
}
interface Secret {
  tags: { Key: string; Value: string }[];
  versions: { id: string; text: string }[];
  current: string;
  isGoing?: boolean;
}

/** ACM, ELB, S3, Secrets Manager and STS in one region, as their references have them. Every signature is checked. */
export interface FakeAws extends StandIn, AwsServing {
  /** What else uses a certificate of ACM, by its ARN. */
  otherUsers: Map<string, string[]>;
  certificates: Map<string, Held>;
  secrets: Map<string, Secret>;
  /** Requests whose action, or body, matches one of these are denied. */
  denied: RegExp[];
  /** Versions of each object, newest first; `null`: the mark of a deletion. */
  objects: Map<string, { id: string; bytes: Buffer | null; headers: Exchange['headers'] }[]>;
  listener: string;
  listenerCertificates: { arn: string; isDefault: boolean }[];
  /** Sessions of the role by access key id. Without one, its credentials are over before their time. */
  sessions: Map<string, AwsSession>;
}

interface AwsSession {
  secretAccessKey: string;
  sessionToken: string;
  name: string;
  expiresAt: number;
}

type State = Omit<FakeAws, keyof StandIn>;

export async function startAws(): Promise<FakeAws> {
  const state: State = {
    certificates: new Map(),
    secrets: new Map(),
    objects: new Map(),
    listener: listenerArn,
    listenerCertificates: [{ arn: 'arn:aws:acm:eu-central-1:123456789012:certificate/other', isDefault: true }],
    sessions: new Map(),
    otherUsers: new Map(),
    denied: [],
    balancers: [],
    classic: [],
    distributions: [],
    serverCertificates: [],
  };
  const standIn = await startStandIn((exchange) => answer(exchange, state));
  return Object.assign(standIn, state);
}

function answer(exchange: Exchange, state: State): Reply {
  const { service = null, region = '' } = signedFor(exchange, (id) => secretOf(id, exchange, state)) ?? {};
  // These are in the home region of the partition; other services here are in one, and ACM in both.
  const isHome = region === 'us-east-1' && ['acm', 'cloudfront', 'iam', 'sts'].includes(service ?? '');
  if (region !== awsRegion && !isHome) return failed('SignatureDoesNotMatch', 403);
  const { headers, text } = exchange;
  const target = String(headers['x-amz-target'] ?? '');
  const [prefix, action = ''] = target.split('.');
  const json = (exchange.json ?? {}) as Record<string, unknown>;
  if (service === null) return failed('SignatureDoesNotMatch', 403);
  if (state.denied.some((one) => one.test(`${target} ${text}`))) return failed('AccessDenied', 403);
  if (service === 's3') return bucketAnswer(exchange, state.objects);
  if (service === 'acm' && prefix === 'CertificateManager') return acm(action, { ...json, region }, state);
  if (service === 'secretsmanager' && prefix === 'secretsmanager') return secretsManager(action, json, state);
  const query = Object.fromEntries(new URLSearchParams(text));
  if (service === 'sts' && query['Action'] === 'GetCallerIdentity')
    return xml('<GetCallerIdentityResponse><GetCallerIdentityResult>', `<Account>${awsAccount}</Account>`);
  if (service === 'sts' && query['Action'] === 'AssumeRole') return assumedRole(exchange, query, state);
  if (service === 'iam') return serverCertificateAnswer(query, state);
  if (service === 'cloudfront') return distributionAnswer(exchange, state);
  if (service === 'elasticloadbalancing') return balancerAnswer(query, state) ?? elb(query, state);
  return failed('UnknownOperationException');
}

/** The secret of an access key, as long as it is good for the request; null: it is not. */
function secretOf(id: string, { headers }: Exchange, { sessions }: State): string | null {
  if (id === awsCredentials.accessKeyId) return awsCredentials.secretAccessKey;
  const session = sessions.get(id);
  const isGood =
    session?.sessionToken === headers['x-amz-security-token'] && timeOf(headers) < (session?.expiresAt ?? 0);
  return session && isGood ? session.secretAccessKey : null;
}

function timeOf(headers: Exchange['headers']): number {
  const [, day = '', hour, minute, second] = /^(\d{8})T(\d\d)(\d\d)(\d\d)Z$/.exec(String(headers['x-amz-date'])) ?? [];
  return Date.parse(`${day.replace(/^(\d{4})(\d\d)(\d\d)$/, '$1-$2-$3')}T${hour}:${minute}:${second}Z`);
}

function assumedRole({ headers }: Exchange, query: Record<string, string>, { sessions }: State): Reply {
  const { RoleArn: arn, ExternalId: externalId, RoleSessionName: name = '', DurationSeconds: lengthS } = query;
  if (arn !== awsRole.arn || externalId !== awsRole.externalId)
    return xmlFailure('AccessDenied', `User is not authorized to perform: sts:AssumeRole on resource: ${arn}`, 403);
  if (!/^[\w+=,.@-]{2,64}$/.test(name) || !(Number(lengthS) >= 900 && Number(lengthS) <= 3600))
    return xmlFailure('ValidationError', '1 validation error detected');
  const id = `ASIAEXAMPLE${String(sessions.size).padStart(9, '0')}`;
  const expiresAt = timeOf(headers) + Number(lengthS) * 1000;
  const session = { secretAccessKey: `Marker-session/${id}`, sessionToken: `Marker+token/${id}==`, name, expiresAt };
  sessions.set(id, session);
  return xml(
    '<AssumeRoleResponse><AssumeRoleResult><Credentials>',
    `<AccessKeyId>${id}</AccessKeyId><SecretAccessKey>${session.secretAccessKey}</SecretAccessKey>` +
      `<SessionToken>${session.sessionToken}</SessionToken>` +
      `<Expiration>${new Date(expiresAt).toISOString()}</Expiration>`,
  );
}

function textIn(input: Record<string, unknown>, name: string): string {
  const value = input[name];
  return typeof value === 'string' ? value : '';
}

function acm(action: string, input: Record<string, unknown>, state: State): Reply {
  const { certificates } = state;
  const arn = textIn(input, 'CertificateArn');
  const held = certificates.get(arn);
  if (action === 'ListCertificates') {
    const { keyTypes } = (input['Includes'] ?? {}) as { keyTypes?: string[] };
    const at = Number(input['NextToken'] ?? 0);
    const all = [...certificates].filter(() => keyTypes?.includes('EC_prime256v1'));
    // Pages of one: whoever reads the first alone finds nothing.
    const page = all.slice(at, at + 1).map(([CertificateArn, { leaf }]) => ({
      CertificateArn,
      DomainName: /CN=([^\n]+)/.exec(new X509Certificate(leaf).subject)?.[1],
      Type: 'IMPORTED',
      InUse: usersOf(CertificateArn, state).length > 0,
    }));
    return ok({ CertificateSummaryList: page, ...(at + 1 < all.length && { NextToken: String(at + 1) }) });
  }
  if (action === 'ImportCertificate') return imported(input, certificates);
  if (!held) return failed('ResourceNotFoundException');
  const users = usersOf(arn, state);
  switch (action) {
    case 'ListTagsForCertificate':
      return ok({ Tags: held.tags });
    case 'AddTagsToCertificate':
      return ok({});
    case 'GetCertificate':
      return ok({ Certificate: held.leaf, ...(held.chain && { CertificateChain: held.chain }) });
    case 'DescribeCertificate':
      return ok({ Certificate: { CertificateArn: arn, InUseBy: users } });
    case 'DeleteCertificate':
      if ([...users, ...servedBy(arn, state)].length > 0) return failed('ResourceInUseException');
      certificates.delete(arn);
      return ok({});
    default:
      return failed('UnknownOperationException');
  }
}

function usersOf(arn: string, { listenerCertificates, otherUsers }: State): string[] {
  const listeners = listenerCertificates.filter((one) => one.arn === arn).map(() => listenerArn);
  return [...listeners, ...(otherUsers.get(arn) ?? [])];
}

function imported(input: Record<string, unknown>, certificates: State['certificates']): Reply {
  const text = (name: string): string => Buffer.from(textIn(input, name), 'base64').toString();
  const [leaf, chain, key] = [text('Certificate'), text('CertificateChain'), text('PrivateKey')];
  const pems = leaf.match(/-----BEGIN CERTIFICATE-----/g)?.length;
  const tags = (input['Tags'] ?? []) as Held['tags'];
  const arn = input['CertificateArn'] as string | undefined;
  if (pems !== 1)
    return failed('ValidationException', 400, 'The certificate field contains more than one certificate.');
  if (!new X509Certificate(leaf).checkPrivateKey(createPrivateKey(key)))
    return failed('ValidationException', 400, 'The private key does not match the certificate.');
  if (arn !== undefined && tags.length > 0)
    return failed('InvalidParameterException', 400, 'You cannot apply tags when reimporting a certificate.');
  if (tags.some(({ Value }) => !/^[\p{L}\p{N}\s_.:/=+@-]*$/u.test(Value))) return failed('InvalidTagException');
  const before = arn === undefined ? undefined : certificates.get(arn);
  if (arn !== undefined && !before) return failed('ResourceNotFoundException');
  const name = arn ?? `arn:aws:acm:${textIn(input, 'region')}:${awsAccount}:certificate/${randomUUID()}`;
  certificates.set(name, { leaf, chain, key, tags: before?.tags ?? tags });
  return ok({ CertificateArn: name });
}

function secretsManager(action: string, input: Record<string, unknown>, { secrets }: State): Reply {
  const name = String(input['SecretId'] ?? input['Name']);
  const text = String(input['SecretString']);
  const id = String(input['ClientRequestToken']);
  const secret = secrets.get(name);
  if (action === 'CreateSecret') {
    if (secret) return failed('ResourceExistsException');
    secrets.set(name, { tags: (input['Tags'] ?? []) as Secret['tags'], versions: [{ id, text }], current: id });
    return ok({ Name: name, VersionId: id });
  }
  if (!secret) return failed('ResourceNotFoundException', 400, "Secrets Manager can't find the specified secret.");
  switch (action) {
    case 'DescribeSecret':
      return ok({ Name: name, Tags: secret.tags, ...(secret.isGoing && { DeletedDate: 1_700_000_000 }) });
    case 'GetSecretValue':
      return ok({
        SecretString: secret.versions.find((one) => one.id === secret.current)?.text,
        VersionId: secret.current,
      });
    case 'PutSecretValue': {
      const same = secret.versions.find((one) => one.id === id);
      if (same && same.text !== text) return failed('ResourceExistsException');
      // A version that exists stays as it is, and does not become the current one.
      if (!same) {
        secret.versions.push({ id, text });
        secret.current = id;
      }
      return ok({ VersionId: id });
    }
    case 'DeleteSecret':
      if (input['ForceDeleteWithoutRecovery'] === true) secrets.delete(name);
      return ok({ Name: name });
    default:
      return failed('UnknownOperationException');
  }
}

function elb(query: Record<string, string>, state: State): Reply {
  const held = state.listenerCertificates;
  const arn = query['Certificates.member.1.CertificateArn'] ?? '';
  const action = query['Action'] ?? '';
  if (query['ListenerArn'] !== listenerArn) return xmlFailure('ListenerNotFound', 'One or more listeners not found');
  const done = xml(`<${action}Response><${action}Result>`, '');
  const at = held.findIndex((one) => one.arn === arn);
  switch (action) {
    case 'DescribeListenerCertificates': {
      const members = held.map(
        (one) => `<member><CertificateArn>${one.arn}</CertificateArn><IsDefault>${one.isDefault}</IsDefault></member>`,
      );
      return xml(`<${action}Response><${action}Result>`, `<Certificates>${members.join('')}</Certificates>`);
    }
    case 'AddListenerCertificates':
      if (!state.certificates.has(arn)) return xmlFailure('CertificateNotFound', 'Certificate not found');
      if (at < 0) held.push({ arn, isDefault: false });
      return done;
    case 'ModifyListener':
      held.splice(
        held.findIndex(({ isDefault }) => isDefault),
        1,
        { arn, isDefault: true },
      );
      return done;
    case 'RemoveListenerCertificates':
      if (held[at]?.isDefault) return xmlFailure('OperationNotPermitted', 'Default certificate cannot be removed');
      if (at >= 0) held.splice(at, 1);
      return done;
    default:
      return xmlFailure('InvalidAction', action);
  }
}

const ok = (body: object): Reply => ({ status: 200, body });
const failed = (type: string, status = 400, message = type): Reply => ({
  status,
  body: { __type: `com.amazonaws#${type}`, message },
});
const xml = (opening: string, content: string): Reply => ({
  status: 200,
  body:
    opening +
    content +
    [...opening.matchAll(/<(\w+)>/g)]
      .map(([, name]) => `</${name}>`)
      .reverse()
      .join(''),
});
const xmlFailure = (code: string, message: string, status = 400): Reply => ({
  status,
  body: `<ErrorResponse><Error><Code>${code}</Code><Message>${message}</Message></Error></ErrorResponse>`,
});

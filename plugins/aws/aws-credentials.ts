import { createHash } from 'node:crypto';
import { asMisconfigured, PluginError } from '../../src/plugin-api/errors.js';
import type { PluginContext } from '../../src/plugin-api/plugin.js';
import type { AwsCredentials } from './aws-signature.js';
import { demandWhole } from './aws.options.js';
import { AwsFailure, queryCall, sendSigned, serviceIn } from './aws-request.js';
import { textOf } from './xml.js';

/** How a plugin signs in to AWS, as `awsSignIn` describes it, and for which region. */
export interface AwsAccess {
  region: string;
  accessKeyId?: string | undefined;
  secretAccessKey?: string | undefined;
  sessionToken?: string | undefined;
  roleArn?: string | undefined;
  externalId?: string | undefined;
  roleSessionName: string;
  /** Instead of Amazon's own. */
  endpoint?: string | undefined;
  stsEndpoint?: string | undefined;
  timeoutS: number;
  /** For work in the background, which rather waits than fails when AWS throttles it. */
  waitsWhenThrottled?: boolean;
}

interface Temporary {
  credentials: AwsCredentials;
  expiresAt: Date;
}

const stsVersion = '2011-06-15';
const sessionS = 3600;
/** Credentials that end within this time are not used: a request would arrive with ones that are over. */
const marginMs = 5 * 60_000;
const mostHeld = 256;
/** How AWS answers to temporary credentials that it no longer accepts. */
const lapsed = new Set(['ExpiredToken', 'InvalidClientTokenId', 'InvalidToken', 'UnrecognizedClient']);

/** Temporary credentials, in memory alone, by a digest of all that they follow from. */
const held = new Map<string, Temporary>();

/**
 * Runs `work` with the credentials of these options: the access key, what the AWS SDK finds on this machine, or those
 * of the role that either of them assumes. Temporary ones are kept until shortly before they expire; `work` runs once
 * more when AWS no longer accepts kept ones. Throws PluginError, `misconfigured` when there are no credentials.
 */
export async function withCredentials<T>(
  access: AwsAccess,
  ctx: PluginContext,
  work: (credentials: AwsCredentials) => Promise<T>,
): Promise<T> {
  ctx.signal.throwIfAborted();
  const key = keyOf(access);
  const known = held.get(key);
  if (known === undefined || known.expiresAt.getTime() - marginMs <= ctx.now().getTime())
    return work(await renewed(key, access, ctx));
  try {
    return await work(known.credentials);
  } catch (error) {
    if (!(error instanceof AwsFailure && lapsed.has(error.code))) throw error;
    return work(await renewed(key, access, ctx));
  }
}

/** Throws PluginError `misconfigured` when the options name another account than that of the credentials. */
export async function demandAccount(
  access: AwsAccess & { accountNumber?: string | undefined },
  ctx: PluginContext,
): Promise<void> {
  if (access.accountNumber === undefined) return;
  const answer = await withCredentials(access, ctx, (credentials) =>
    askSts({ access, credentials }, 'GetCallerIdentity', {}, ctx),
  );
  const account = textOf(answer, 'Account');
  if (account !== access.accountNumber)
    throw new PluginError(
      'misconfigured',
      `The credentials belong to account ${account ?? 'unknown'}, not ${access.accountNumber}.`,
    );
}

/** Forgets kept credentials that AWS answered with this code; true when it did, so that trying again can help. */
export function forgetLapsed(access: AwsAccess, code: string): boolean {
  return lapsed.has(code) && held.delete(keyOf(access));
}

async function renewed(key: string, access: AwsAccess, ctx: PluginContext): Promise<AwsCredentials> {
  held.delete(key);
  const { credentials: own, expiresAt } = await ownCredentials(access);
  const found = access.roleArn === undefined ? { credentials: own, expiresAt } : await assumed(access, own, ctx);
  if (found.expiresAt !== undefined) keep(key, { credentials: found.credentials, expiresAt: found.expiresAt });
  return found.credentials;
}

function keep(key: string, found: Temporary): void {
  const [oldest] = held.keys();
  if (oldest !== undefined && held.size >= mostHeld) held.delete(oldest);
  held.set(key, found);
}

/** Credentials without an end are in the options, in the environment or in a file: they are read anew each time. */
async function ownCredentials(access: AwsAccess): Promise<{ credentials: AwsCredentials; expiresAt?: Date }> {
  demandWhole(access);
  const { accessKeyId, secretAccessKey, sessionToken } = access;
  if (accessKeyId !== undefined && secretAccessKey !== undefined)
    return { credentials: { accessKeyId, secretAccessKey, sessionToken } };
  const { defaultProvider } = await import('@aws-sdk/credential-provider-node');
  try {
    const { expiration, ...found } = await defaultProvider()();
    const credentials = {
      accessKeyId: found.accessKeyId,
      secretAccessKey: found.secretAccessKey,
      sessionToken: found.sessionToken,
    };
    return { credentials, ...(expiration !== undefined && { expiresAt: expiration }) };
  } catch {
    throw new PluginError('misconfigured', 'No access key is given, and this machine has no credentials for AWS.');
  }
}

async function assumed(access: AwsAccess, credentials: AwsCredentials, ctx: PluginContext): Promise<Temporary> {
  const { roleArn = '', externalId, roleSessionName } = access;
  const parameters = {
    RoleArn: roleArn,
    RoleSessionName: roleSessionName,
    DurationSeconds: String(sessionS),
    ...(externalId !== undefined && { ExternalId: externalId }),
  };
  const answer = await askSts({ access, credentials }, 'AssumeRole', parameters, ctx).catch(asMisconfigured);
  const part = (name: string): string => textOf(answer, name) ?? '';
  const found = {
    accessKeyId: part('AccessKeyId'),
    secretAccessKey: part('SecretAccessKey'),
    sessionToken: part('SessionToken'),
  };
  const expiresAt = new Date(part('Expiration'));
  if (Object.values(found).includes('') || Number.isNaN(expiresAt.getTime()))
    throw new PluginError('unavailable', 'AWS STS answers AssumeRole with something that it should not.');
  return { credentials: found, expiresAt };
}

async function askSts(
  { access, credentials }: { access: AwsAccess; credentials: AwsCredentials },
  action: string,
  parameters: Readonly<Record<string, string>>,
  ctx: PluginContext,
): Promise<string> {
  const { region, endpoint, stsEndpoint = endpoint, timeoutS } = access;
  const route = { service: serviceIn(region, 'AWS STS', 'sts'), credentials, endpoint: stsEndpoint, timeoutS };
  return (await sendSigned(queryCall(action, stsVersion, parameters), route, ctx)).body.toString('utf8');
}

function keyOf(access: AwsAccess): string {
  const { region, accessKeyId, secretAccessKey, sessionToken, roleArn, externalId, roleSessionName } = access;
  const at = access.stsEndpoint ?? access.endpoint;
  const parts = [region, accessKeyId, secretAccessKey, sessionToken, roleArn, externalId, roleSessionName, at];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

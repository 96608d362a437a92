import { PluginError } from '../../src/plugin-api/errors.js';

const MAX_LENGTH = 128;

/**
 * Converts text to a valid IAM name, `[\w+=,.@-]{1,128}`: `*` becomes `STAR`, other invalid characters become a hyphen.
 */
export function certificateName(text: string): string {
  const name = text
    .replaceAll('*', 'STAR')
    .replace(/[^\w+=,.@-]/g, '-')
    .slice(0, MAX_LENGTH);
  return name === '' ? '-' : name;
}

/** The name to use when another certificate has `certificateName`. Never truncates `serialHex`. */
export function nameWithSerial(text: string, serialHex: string): string {
  const suffix = `-${certificateName(serialHex)}`;
  return `${certificateName(text).slice(0, MAX_LENGTH - suffix.length)}${suffix}`;
}

/** The name at the end of an ARN, or of a path with a name. */
export function nameInLocation(location: string): string {
  return location.slice(location.lastIndexOf('/') + 1);
}

/** The path in the ARN of a server certificate, `/` or `/…/`. */
export function pathInArn(arn: string): string {
  return arn.slice(arn.indexOf('/'), arn.lastIndexOf('/') + 1);
}

/** `arn:partition:iam::account:server-certificate/path/name` */
export function accountOf(arn: string): string {
  return arn.split(':')[4] ?? '';
}

/** Throws PluginError when the options name an account other than the account of this ARN. */
export function ensureAccount(arn: string, { accountNumber }: { accountNumber?: string | undefined }): void {
  if (accountNumber !== undefined && accountOf(arn) !== accountNumber) {
    throw new PluginError(
      'misconfigured',
      `The credentials belong to account ${accountOf(arn)}, not ${accountNumber}.`,
    );
  }
}

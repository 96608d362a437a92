import type { Command } from 'commander';
import { inSession, wholeNumber } from './command-action.js';

const which = ['[certificates...]', 'ids or names'] as const;
const from = [
  '--from <path>',
  'read the certificates from a file with the output of `query --json` or `query --ids`; - is stdin',
] as const;
const commit = ['--commit', 'make the change; without this option, only show what would be done'] as const;

/** Adds the commands that read and change certificates. */
export function addCertificateCommands(program: Command): void {
  addIssue(program);
  addQuery(program);
  program
    .command('reissue')
    .description('renew certificates now: same properties, new key, same destinations')
    .argument(...which)
    .option(...from)
    .option('--due', 'renew every certificate whose renewal is due')
    .option(...commit)
    .action(inSession(async () => (await import('./reissue.js')).reissue));
  program
    .command('rotate')
    .description(
      'replace certificates: issue a successor unless there is one, and deliver it wherever it is not deployed yet',
    )
    .argument(...which)
    .option(...from)
    .option('--no-notify', 'do not notify the owners')
    .option(...commit)
    .action(inSession(async () => (await import('./rotate.js')).rotate));
  program
    .command('revoke')
    .description('revoke certificates; this cannot be undone')
    .argument(...which)
    .option(...from)
    .option('--reason <reason>', 'reason of RFC 5280, for example keyCompromise or superseded', 'unspecified')
    .option('--comment <text>', 'explanation, stored with the revocation')
    .option('--retired', 'issue no successor, even for certificates that rotate and are deployed')
    .option(...commit)
    .action(inSession(async () => (await import('./revoke.js')).revoke));
  program
    .command('import')
    .description('import certificates from files, with their private keys and chains')
    .argument('<paths...>', 'files (PEM, DER, PKCS#7, PKCS#12, JKS), ZIP archives, or folders of them')
    .requiredOption('--owner <address>', 'e-mail address of the owning team')
    .option('--authority <name>', 'authority here that issued them; enables renewal and revocation')
    .option('--rotation-policy <name>', 'renew them automatically, by this policy')
    .option('--passphrases <path>', 'file with passphrases of PKCS#12 and JKS files, one on each line')
    .option('--dry-run', 'only show what would be imported')
    .action(inSession(async () => (await import('./import.js')).importFiles));
  program
    .command('import-crl')
    .description('take over what a CA that was imported with its key has revoked elsewhere')
    .argument('<authority>', 'id or name')
    .argument('<path>', 'its complete CRL, in DER or PEM')
    .action(inSession(async () => (await import('./import-crl.js')).importCrl));
}

function addIssue(program: Command): void {
  program
    .command('issue')
    .description('issue a certificate; without a CSR, the private key is created here')
    .option('--owner <address>', 'e-mail address of the owning team')
    .option('--cn <name>', 'common name; also becomes a subject alternative name')
    .option('--san <names...>', 'subject alternative names: DNS names, IP addresses, e-mail addresses, URIs')
    .option('--authority <name>', 'default: DEFAULT_AUTHORITY')
    .option('--profile <name>', 'certificate profile; default: that of the authority')
    .option('--days <number>', 'days of validity', wholeNumber)
    .option('--key-type <type>', 'for example ECCPRIME256V1 or RSA2048')
    .option('--csr <path>', 'PKCS#10 file in PEM; its names and key are used; - is stdin')
    .option('--rotation-policy <name>', 'renew it automatically, by this policy')
    .option('--destination <labels...>', 'destinations to deliver it to')
    .option('--description <text>')
    .option(
      '--request <path>',
      'JSON file with the body of POST /certificates; other options override its members; - is stdin',
    )
    .action(inSession(async () => (await import('./issue.js')).issue));
}

function addQuery(program: Command): void {
  program
    .command('query')
    .description('find certificates that match all conditions')
    .option('--fqdn <names...>', 'the certificate contains one of these names, or a part of one')
    .option('--issuer <text>', 'part of the name of the issuer or authority')
    .option('--owner <address>')
    .option('--lifecycle <lifecycle>', 'for example issued or revoked')
    .option('--profile <name>', 'issued by this certificate profile')
    .option('--expiring-in <days>', 'expires within this number of days', wholeNumber)
    .option('--include-expired', 'include expired certificates')
    .option('--ids', 'print only ids, one per line')
    .action(inSession(async () => (await import('./query.js')).query));
}

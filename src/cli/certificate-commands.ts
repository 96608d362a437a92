import type { Command } from 'commander';
import { inSession } from './lazily.js';
import { wholeNumber } from './arguments.js';

const which = ['[certificates...]', 'ids or names'] as const;
const from = [
  '--from <path>',
  'take the certificates from a file: what `query --json` or `query --ids` printed; - is stdin',
] as const;
const commit = ['--commit', 'do it; without, only what would be done is shown'] as const;

/** What is done to certificates at a shell. */
export function addCertificateCommands(program: Command): void {
  addIssue(program);
  addQuery(program);
  program
    .command('reissue')
    .description('renew certificates now: same properties, new key, same destinations')
    .argument(...which)
    .option(...from)
    .option('--due', 'every certificate whose renewal is due')
    .option(...commit)
    .action(inSession(async () => (await import('./reissue.js')).reissue));
  program
    .command('rotate')
    .description(
      'put a successor in the place of certificates: issued unless there is one, delivered wherever it has not arrived',
    )
    .argument(...which)
    .option(...from)
    .option('--no-notify', 'do not tell the owners by mail')
    .option(...commit)
    .action(inSession(async () => (await import('./rotate.js')).rotate));
  program
    .command('revoke')
    .description('revoke certificates, for good')
    .argument(...which)
    .option(...from)
    .option('--reason <reason>', 'of RFC 5280, such as keyCompromise or superseded', 'unspecified')
    .option('--comment <text>', 'why, for those who read it later')
    .option('--retired', 'issue no successor, not even where they rotate and are deployed')
    .option(...commit)
    .action(inSession(async () => (await import('./revoke.js')).revoke));
  program
    .command('import')
    .description('store certificates that were made elsewhere, with the keys and chains that fit them')
    .argument('<paths...>', 'PEM files, or folders of them')
    .requiredOption('--owner <address>', 'e-mail address of the owning team')
    .option('--authority <name>', 'the authority here that issued them, which makes renewal and revocation possible')
    .option('--rotation-policy <name>', 'renew them by themselves, by this policy')
    .option('--dry-run', 'only show what was found')
    .action(inSession(async () => (await import('./import.js')).importFiles));
}

function addIssue(program: Command): void {
  program
    .command('issue')
    .description('issue a certificate; the key is made here unless there is a CSR')
    .option('--owner <address>', 'e-mail address of the owning team')
    .option('--cn <name>', 'common name; stands among the alternative names too')
    .option('--san <names...>', 'alternative names: DNS names, IP addresses, e-mail addresses, URIs')
    .option('--authority <name>', 'default: DEFAULT_AUTHORITY')
    .option('--days <number>', 'validity', wholeNumber)
    .option('--key-type <type>', 'such as ECCPRIME256V1 or RSA2048')
    .option('--csr <path>', 'PKCS#10 in PEM, whose names and key count; - is stdin')
    .option('--rotation-policy <name>', 'renew it by itself, by this policy')
    .option('--destination <labels...>', 'deliver it there')
    .option('--description <text>')
    .option(
      '--request <path>',
      'a JSON file with the body of POST /certificates, instead of these options or under them; - is stdin',
    )
    .action(inSession(async () => (await import('./issue.js')).issue));
}

function addQuery(program: Command): void {
  program
    .command('query')
    .description('find certificates; all conditions must hold')
    .option('--fqdn <names...>', 'one of these names, or a part of one, is in the certificate')
    .option('--issuer <text>', 'part of the name of the issuer or authority')
    .option('--owner <address>')
    .option('--lifecycle <lifecycle>', 'such as issued or revoked')
    .option('--expiring-in <days>', 'ends within so many days from now', wholeNumber)
    .option('--include-expired', 'also what has expired')
    .option('--ids', 'print ids alone, one a line')
    .action(inSession(async () => (await import('./query.js')).query));
}

import { certificateLints } from './lint-certificate.js';
import { crlLints } from './lint-crl.js';
import type { LintExcuse, LintScope } from './lint.js';

const scopes: Readonly<Record<LintScope, string>> = {
  every: 'every certificate',
  ca: 'CAs',
  leaf: 'leaves',
  'tls-server': 'TLS servers',
  'public-tls': 'TLS servers, public TLS',
};

const excuses: Readonly<Record<LintExcuse, string>> = {
  renewal: '; warning in a renewal',
  'ca-renewal': '; warning in the renewal of a CA',
};

/** The rules as a table in Markdown, for docs/lint.md. */
export function lintTable(): string {
  const rows = certificateLints.map(
    ({ name, scope, severity, excuse, demands, source }) =>
      `| ${name} | ${scopes[scope]} | ${severity}${excuse ? excuses[excuse] : ''} | ${demands} | ${source} |`,
  );
  return ['| rule | for | severity | what must hold | source |', '| --- | --- | --- | --- | --- |', ...rows].join('\n');
}

/** The rules on CRLs, as `lintTable`. */
export function crlLintTable(): string {
  const rows = crlLints.map(({ name, demands, source }) => `| ${name} | ${demands} | ${source} |`);
  return ['| rule | what must hold | source |', '| --- | --- | --- |', ...rows].join('\n');
}

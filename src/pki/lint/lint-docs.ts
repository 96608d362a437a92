import { certificateLints } from './lint-certificate.js';
import { crlLints } from './lint-crl.js';
import { ocspLints } from './lint-ocsp.js';
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
  return tableOf(crlLints);
}

/** The rules on OCSP responses, as `lintTable`. */
export function ocspLintTable(): string {
  return tableOf(ocspLints);
}

function tableOf(rules: readonly { name: string; demands: string; source: string }[]): string {
  const rows = rules.map(({ name, demands, source }) => `| ${name} | ${demands} | ${source} |`);
  return ['| rule | what must hold | source |', '| --- | --- | --- |', ...rows].join('\n');
}

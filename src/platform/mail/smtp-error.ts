import { PluginError, type PluginFault } from '../../plugin-api/errors.js';

/** What nodemailer's errors carry. `responseCode` is the reply code of RFC 5321 §4.2. */
interface SmtpError extends Error {
  code?: string;
  responseCode?: number;
  response?: string;
}

const explanations: Readonly<Record<PluginFault, string>> = {
  misconfigured: 'The mail server does not accept our settings',
  refused: 'The mail server refused the mail',
  unavailable: 'The mail server cannot be reached or is busy',
};

/**
 * The error to throw for one of nodemailer's. 4yz replies are worth another attempt, 5yz are final (RFC 5321 §4.2.1).
 */
export function smtpFailure(error: unknown): PluginError {
  const { code, responseCode, response } = error as SmtpError;
  const fault = faultOf(code, responseCode);
  const reason = response ?? code;
  return new PluginError(fault, `${explanations[fault]}${reason ? `: ${readable(reason)}` : '.'}`, undefined, {
    cause: error,
  });
}

/** The recipients `told` got the mail, and `rejected` did not. */
export function partialFailure(
  { told, rejected }: { told: readonly string[]; rejected: readonly string[] },
  errors: readonly unknown[],
): PluginError {
  const failures = errors.map(smtpFailure);
  const cause = failures.find(({ fault }) => fault === 'unavailable') ?? failures[0];
  return new PluginError(
    cause?.fault ?? 'refused',
    `${cause?.detail ?? explanations.refused} (${rejected.join(', ')}; the others got it)`,
    undefined,
    { cause, told: told.map((address) => address.toLowerCase()) },
  );
}

function faultOf(code: string | undefined, responseCode = 0): PluginFault {
  if (responseCode >= 400 && responseCode < 500) return 'unavailable';
  if (code === 'EAUTH' || code === 'ENOAUTH' || code === 'ETLS' || code === 'ECONFIG') return 'misconfigured';
  return responseCode >= 500 || code === 'EENVELOPE' || code === 'EMESSAGE' ? 'refused' : 'unavailable';
}

/** One short line. */
function readable(text: string): string {
  return text
    .replace(/[\0-\x1f\x7f]+/g, ' ')
    .trim()
    .slice(0, 300);
}

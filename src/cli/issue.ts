import { isIP } from 'node:net';
import { commandOf } from '../certificates/issue/issue-command.js';
import { IssueRequest } from '../certificates/issue/issue.schema.js';
import { IssueService } from '../certificates/issue/issue.service.js';
import { CertificateReader } from '../certificates/list/certificate-reader.js';
import { Config } from '../platform/config.js';
import { validate } from '../platform/http/validate.js';
import { readInput } from '../platform/terminal.js';
import { certificateTable } from './query.js';
import type { Session } from './session.js';

interface Options {
  owner?: string;
  cn?: string;
  san?: string[];
  authority?: string;
  days?: number;
  keyType?: string;
  csr?: string;
  profile?: string;
  rotationPolicy?: string;
  destination?: string[];
  description?: string;
  request?: string;
}

export async function issue(session: Session, options: Options): Promise<void> {
  if (options.csr === '-' && options.request === '-')
    throw new Error('Only one of --csr and --request can come from stdin.');
  const file = options.request === undefined ? {} : (JSON.parse(await readInput(options.request)) as object);
  const request = validate(IssueRequest, {
    ...file,
    ...fieldsOf(options),
    ...(options.csr && { csr: await readInput(options.csr) }),
  });
  const command = await commandOf(session.actor, request, session.get(Config));
  const { id } = await session.get(IssueService).issue(command);
  const certificate = await session.get(CertificateReader).settled(id);
  await session.shell.answer(certificate, certificateTable([certificate]));
  if (certificate.lifecycle !== 'issued' && !session.shell.json)
    session.shell.note('The certificate is not issued yet. A running program continues the order.');
}

function fieldsOf({
  owner,
  cn,
  san,
  authority,
  profile,
  days,
  keyType,
  rotationPolicy,
  destination,
  description,
}: Options): object {
  const fields = {
    owner,
    commonName: cn,
    validityDays: days,
    keyType,
    description,
    authority: authority && { name: authority },
    profile: profile && { name: profile },
    rotationPolicy: rotationPolicy && { name: rotationPolicy },
    destinations: destination?.map((label) => ({ label })),
    extensions: san && { subAltNames: { names: san.map((value) => ({ nameType: typeOf(value), value })) } },
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** The type of an alternative name, by its syntax. */
function typeOf(value: string): string {
  if (isIP(value) !== 0) return 'IPAddress';
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(value)) return 'uniformResourceIdentifier';
  return value.includes('@') ? 'rfc822Name' : 'DNSName';
}

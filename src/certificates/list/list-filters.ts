import { escapeLike, notFilterable, truthValue, unquoted, wholeNumber } from '../../platform/db/list-filter.js';
import { indexable, indexableStart, isBeyondIndexes } from '../../platform/text.js';
import { serialHexOf } from '../../pki/serial.js';
import { camelCase } from '../../platform/http/input.js';
import { Instant } from '../../platform/http/instant.js';
import type { Filter } from '../../platform/http/page.js';
import { invalid } from '../../platform/http/problem.js';
import { hasLabel } from '../certificate-scope.js';
import type { KnownValues } from './known-values.js';
import type { Selection } from './selection.js';

/** One filter of the list of certificates: limits a selection by a value from a client, which is not empty. */
type Apply = (selection: Selection, value: string, known: KnownValues) => Promise<void> | void;

const column =
  (name: string): Apply =>
  (s, v) =>
    s.add(`c.${name} = ?`, v);
const number =
  (name: string): Apply =>
  (s, v) =>
    s.add(`c.${name} = ?`, wholeNumber(v));
const truth =
  (name: string): Apply =>
  (s, v) =>
    s.add(`c.${name} = ?`, truthValue(v));
const day =
  (name: string): Apply =>
  (s, v) =>
    onDay(s, `c.${name}`, v);
const serial: Apply = (s, v) => bySerial(s, v, 'filter');
const names =
  (ownNames: boolean): Apply =>
  (s, v) =>
    byName(s, v, ownNames);

/** The filters of the list of certificates, by member name. */
const filters: Readonly<Record<string, Apply>> = {
  id: number('id'),
  name: names(true),
  fixedName: column('name'),
  cn: names(false),
  commonName: names(false),
  san: names(false),
  issuer: async (s, v, known) => s.addEither(await known.issuers(v, s)),
  owner: async (s, v, known) => s.addEither(await known.owners(v, s)),
  creator: async (s, v, known) => s.addEither(await known.creators(v)),
  profile: async (s, v, known) => s.addEither(await known.profile(unquoted(v) ?? v)),
  destination: (s, v) => byDestination(s, wholeNumber(v)),
  notify: truth('notify'),
  active: truth('notify'),
  rotation: truth('rotation'),
  lifecycle: column('state'),
  status: (s, v) => byStatus(s, v),
  serial,
  serialHex: (s, v) => bySerial(s, v.replace(/^(-?)(0x)?/i, '$10x'), 'filter'),
  fingerprint: (s, v) => s.add('c.sha256 = ?', v.replaceAll(':', '').toLowerCase()),
  label: (s, v) => s.add(hasLabel('lower(?)'), unquoted(v) ?? v),
  description: (s, v) => s.add('lower(c.description) like ?', namePattern(v)),
  distinguishedName: (s, v) => s.add('lower(c.distinguished_name) like ?', namePattern(v)),
  externalId: (s, v) => s.add('lower(c.external_id) like ?', namePattern(v)),
  lemurId: (s, v) =>
    s.add(`c.id in (select id from legacy_row where kind = 'certificate' and legacy_id = ?)`, wholeNumber(v)),
  keyType: async (s, v, known) => s.add('c.key_type = any(?)', await known.kinds(v, 'key_type')),
  signingAlgorithm: async (s, v, known) =>
    s.add('c.signing_algorithm = any(?)', await known.kinds(v, 'signing_algorithm')),
  bits: number('bits'),
  notBefore: day('not_before'),
  notAfter: day('not_after'),
  dateCreated: day('created_at'),
};

/** Applies `filter=field;value`; an empty value has no effect. Throws `invalid-request`. */
export async function filterBy(selection: Selection, filter: Filter | undefined, known: KnownValues): Promise<void> {
  if (!filter) return;
  const field = camelCase(filter.field);
  const apply = Object.hasOwn(filters, field) ? filters[field] : undefined;
  if (!apply) throw invalid('filter', notFilterable(filter.field, Object.keys(filters)));
  if (filter.value !== '') await apply(selection, filter.value, known);
}

/** Selects certificates that are or will be delivered to the destination. */
export function byDestination(selection: Selection, destinationId: number): void {
  const live = `target.state not in ('removing', 'removed', 'left')`;
  selection.beside.push({
    table: 'delivery',
    alias: 'target',
    on: `target.destination_id = ? and ${live}`,
    value: destinationId,
  });
}

/** Selects the certificates of a notification: its listed ones. A default notification also has those of its owner. */
export async function byNotification(selection: Selection, id: number, known: KnownValues): Promise<void> {
  const usual = await known.defaultSubscription(id);
  if (!usual) {
    const on = 'warned.subscription_id = ?';
    selection.beside.push({ table: 'certificate_subscription', alias: 'warned', on, value: id });
    return;
  }
  const { owner, listedIds } = usual;
  selection.terms.push((where) => {
    const ofOwner = owner === null ? '' : ` and lower(c.owner) = ${where.bind(owner)}`;
    where.add(`(c.hears_defaults${ofOwner} or c.id = any(${where.bind(listedIds)}::int[]))`);
  });
  if (owner === null) return;
  selection.addEither([
    { column: 'lower(c.owner)', values: [owner] },
    { column: 'c.id', values: listedIds },
  ]);
}

/** Selects by serial number: decimal, 0x… or aa:bb:…. Throws `invalid-request` on `field`. */
export function bySerial(selection: Selection, text: string, field: string): void {
  const [, sign = '', prefix = '', digits = ''] = /^(-?)(0x)?([0-9a-f:]{1,8000})$/i.exec(text) ?? [];
  const isHex = prefix !== '' || digits.includes(':');
  const hex = digits.replaceAll(':', '');
  const isNumber = isHex ? hex !== '' : /^\d+$/.test(digits);
  if (!isNumber) throw invalid(field, 'Expected a decimal number, 0x… or aa:bb:….');
  const magnitude = BigInt(isHex ? `0x${hex}` : digits);
  selection.add('c.serial_hex = ?', serialHexOf(sign === '' ? magnitude : -magnitude));
}

/** A trigram index finds a text only if it has three letters or digits in a row. */
const findable = /[\p{L}\p{N}]{3}/u;

/**
 * A pattern for `like`, in lower case: the whole text if the value is quoted, a prefix if a trigram index cannot find
 * the value, else a substring.
 */
export function namePattern(value: string): string {
  const quoted = unquoted(value);
  const text = escapeLike((quoted ?? value).toLowerCase());
  if (quoted !== null) return text;
  if (isBeyondIndexes(value)) return `${escapeLike(indexableStart(value.toLowerCase()))}%`;
  return findable.test(value) ? `%${text}%` : `${text}%`;
}

function byName(selection: Selection, value: string, ownNames: boolean): void {
  const quoted = unquoted(value);
  if (quoted === null)
    selection.searches.push({ pattern: namePattern(value), ownNames: ownNames && findable.test(value) });
  else
    selection.add(
      `c.id in (select l.certificate_id from certificate_domain l join domain d on d.id = l.domain_id
        where d.name = lower(?)${ownNames ? ' union select id from certificate where name = ?' : ''})`,
      isBeyondIndexes(quoted) ? indexable(quoted.toLowerCase()) : quoted,
    );
}

/** Selects the 24 hours from a moment on, as a range that an index can serve. */
function onDay(selection: Selection, column: string, text: string): void {
  const { success, data: from } = Instant.safeParse(unquoted(text) ?? text);
  if (!success) throw invalid('filter', 'Expected a date, for example 2026-01-31.');
  selection.add(`${column} >= ?`, from);
  selection.add(`${column} < ?`, new Date(from.getTime() + 86_400_000));
}

function byStatus(selection: Selection, value: string): void {
  const states: Readonly<Record<string, readonly string[]>> = {
    valid: ['issued', 'superseded'],
    revoked: ['revoked'],
    unknown: ['requested', 'pending', 'failed', 'cancelled'],
  };
  const status = (unquoted(value) ?? value).toLowerCase();
  selection.add('c.state = any(?)', Object.hasOwn(states, status) ? states[status] : []);
}

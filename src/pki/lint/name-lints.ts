import { DerError, DerReader, Tag } from '../der/reader.js';
import { sequence } from '../der/writer.js';
import { isEmptyName, lint, type Lint, repeated } from './lint.js';
import type { LintedAttribute, LintedCertificate } from './linted-certificate.js';
import { demandDer } from './strict-der.js';

// Issuer and subject.

const warning = { severity: 'warning' } as const;

export const nameLints: readonly Lint[] = [
  lint('issuer-not-empty', 'RFC 5280 §4.1.2.4', 'The issuer has a name.', ({ issuerDer }) => isEmptyName(issuerDer)),
  lint(
    'issuer-is-subject-of-ca',
    'RFC 5280 §7.1, BR §7.1.4.1',
    'The issuer is the subject of the CA, octet by octet.',
    ({ issuerDer }, { issuerDer: subjectOfCa }) => !issuerDer.equals(subjectOfCa),
  ),
  lint('ca-has-subject', 'RFC 5280 §4.1.2.6', 'A CA has a subject.', ({ subjectDer }) => isEmptyName(subjectDer), {
    scope: 'ca',
  }),
  // The subject of a CA that is renewed stays as it is: those below it name it by its octets, also in the subject of
  // its OCSP responder.
  lint(
    'subject-in-der',
    'RFC 5280 §4.1, X.690 §11',
    'The subject is in DER, apart from the name of the CA where it begins with that.',
    ({ subjectDer }, { issuerDer }) => derFault(withoutBeginning(subjectDer, issuerDer)),
    { scope: 'leaf', excuse: 'renewal' },
  ),
  lint(
    'subject-parts',
    'X.501 §9.3',
    'Each part of the subject has an attribute, and each attribute type only once.',
    ({ subject }) => {
      return subject.some((part) => part.length === 0 || repeated(part.map(({ oid }) => oid)) !== undefined);
    },
    warning,
  ),
  lint(
    'subject-single-valued-parts',
    'X.501 §9.3',
    'Each part of the subject has one attribute.',
    ({ subject }) => {
      return subject.some((part) => part.length > 1);
    },
    warning,
  ),
  lint(
    'subject-string-types',
    'RFC 5280 appendix A.1, RFC 4519 §2.4',
    'Attributes of the subject are UTF8String or PrintableString; serial numbers and countries PrintableString, ' +
      'domain components and e-mail addresses IA5String.',
    about(({ oid, tag }) => !(STRING_TYPES.get(oid) ?? USUAL_TYPES).includes(tag)),
    warning,
  ),
  lint(
    'subject-lengths',
    'RFC 5280 appendix A.1, X.520',
    'Attributes of the subject are neither empty nor longer than their upper bounds.',
    about((attribute) => {
      const { length } = [...textOf(attribute)];
      return length === 0 || length > (UPPER_BOUNDS.get(attribute.oid) ?? Infinity);
    }),
    warning,
  ),
  lint(
    'subject-country',
    'X.520 §6.3.1, ISO 3166',
    'A country is two upper-case letters.',
    about((attribute) => attribute.oid === COUNTRY && !/^[A-Z]{2}$/.test(textOf(attribute))),
    warning,
  ),
  lint(
    'subject-spaces',
    'RFC 5280 §7.1',
    'Attributes of the subject neither begin nor end with a space.',
    about((attribute) => /^\s|\s$/.test(textOf(attribute))),
    warning,
  ),
  lint(
    'subject-control-characters',
    'RFC 4518 §2.2',
    'Attributes of the subject have no control characters.',
    about((attribute) => /\p{Cc}/u.test(textOf(attribute))),
    warning,
  ),
];

const COUNTRY = '2.5.4.6';
const PRINTABLE: readonly number[] = [Tag.printableString];
const IA5: readonly number[] = [Tag.ia5String];
const USUAL_TYPES: readonly number[] = [Tag.utf8String, Tag.printableString];
const STRING_TYPES: ReadonlyMap<string, readonly number[]> = new Map([
  [COUNTRY, PRINTABLE],
  ['2.5.4.5', PRINTABLE],
  ['2.5.4.46', PRINTABLE],
  ['0.9.2342.19200300.100.1.25', IA5],
  ['1.2.840.113549.1.9.1', IA5],
]);

/** In characters. */
const UPPER_BOUNDS: ReadonlyMap<string, number> = new Map([
  ['2.5.4.3', 64],
  ['2.5.4.5', 64],
  ['2.5.4.7', 128],
  ['2.5.4.8', 128],
  ['2.5.4.9', 128],
  ['2.5.4.10', 64],
  ['2.5.4.11', 64],
  ['2.5.4.12', 64],
  ['2.5.4.17', 40],
  ['2.5.4.65', 128],
  ['0.9.2342.19200300.100.1.25', 63],
  ['1.2.840.113549.1.9.1', 255],
]);

/** Names the first attribute that is `wrong`. */
function about(wrong: (attribute: LintedAttribute) => boolean): Lint['isBroken'] {
  return ({ subject }: LintedCertificate) => {
    for (const part of subject) for (const attribute of part) if (wrong(attribute)) return attribute.oid;
    return false;
  };
}

function textOf({ tag, content }: LintedAttribute): string {
  return content.toString(tag === Tag.utf8String ? 'utf8' : 'latin1');
}

/** The parts of `nameDer` below those of `aboveDer`; all of them unless it begins with these, octet by octet. */
function withoutBeginning(nameDer: Buffer, aboveDer: Buffer): Buffer {
  const [parts, above] = [nameDer, aboveDer].map((one) => DerReader.over(one, 'ber').content()) as [Buffer, Buffer];
  if (!parts.subarray(0, above.length).equals(above)) return nameDer;
  return sequence(parts.subarray(above.length));
}

function derFault(der: Buffer): string | false {
  try {
    demandDer(der);
    return false;
  } catch (error) {
    if (error instanceof DerError) return error.message;
    throw error;
  }
}

import * as der from './der/writer.js';
import { encodeName, type NameAttribute, oidOfShortName, readText } from './names.js';
import { orPkiError, PkiError } from './pki-error.js';
import { rebuildName, type RequestedName } from './requested-name.js';

// Reads distinguished names that people write.

/** One attribute as it is written. `hex`: the octets of a value in hexadecimal, with their tag and length. */
interface Written {
  type: string;
  text: string;
  hex?: Buffer;
}

/**
 * The DN of an RFC 4514 text, most specific RDN first: `CN=www.example.com,O=Example Org,C=DE`. Every attribute is
 * kept, in order; spaces around separators do not matter. Throws PkiError `bad-name`.
 */
export function parseDn(text: string): RequestedName {
  return orPkiError('bad-name', 'Not a distinguished name', () => {
    const name = new DnReader(text).name();
    return rebuildName(encodeName(name.map((attributes) => attributes.map(attributeOf)).reverse()));
  });
}

function attributeOf({ type, text, hex }: Written): NameAttribute {
  const oid = /^\d+(\.\d+)+$/.test(type) ? type : oidOfShortName(type);
  if (oid === undefined)
    throw new PkiError('bad-name', `"${type.slice(0, 100)}" is not a known attribute; write its OID`);
  const value = hex && readText(hex);
  if (hex && value === undefined) throw new PkiError('bad-name', `The value of ${type} is not text`);
  return { oid, text: value ?? text, der: hex ?? der.utf8String(text) };
}

const special = '"+,;<=>\\ #';

/** Reads one text of RFC 4514 §3 from its beginning to its end. */
class DnReader {
  private at = 0;

  constructor(private readonly text: string) {}

  /** The RDNs in the order of the text. Throws PkiError `bad-name`. */
  name(): Written[][] {
    const name: Written[][] = [[this.attribute()]];
    while (this.at < this.text.length) {
      const separator = this.text[this.at++];
      if (separator === ',') name.push([this.attribute()]);
      else if (separator === '+') name.at(-1)?.push(this.attribute());
      else throw this.fault(`Write ${separator} as \\${separator}`);
    }
    return name;
  }

  private attribute(): Written {
    const [all = '', type = ''] = /^ *([A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+) *= */.exec(this.text.slice(this.at)) ?? [];
    if (all === '') throw this.fault('Expected an attribute such as CN=name');
    this.at += all.length;
    const [encoded] = /^#(?:[0-9A-Fa-f]{2})+ *(?=$|[,+])/.exec(this.text.slice(this.at)) ?? [];
    if (encoded === undefined && this.text[this.at] === '#') throw this.fault('Write # at the beginning as \\#');
    if (encoded === undefined) return { type, text: this.value() };
    this.at += encoded.length;
    return { type, text: '', hex: Buffer.from(encoded.trim().slice(1), 'hex') };
  }

  /** The text up to the next separator, without its escapes and the spaces behind it. */
  private value(): string {
    const octets: Buffer[] = [];
    let end = 0;
    for (; this.at < this.text.length && !/[,+;"<>]/.test(this.text.charAt(this.at));) {
      const isEscaped = this.text[this.at] === '\\';
      const next = isEscaped ? this.escaped() : this.character();
      octets.push(next);
      if (isEscaped || next.toString() !== ' ') end = octets.length;
    }
    return Buffer.concat(octets.slice(0, end)).toString('utf8');
  }

  private character(): Buffer {
    const one = String.fromCodePoint(this.text.codePointAt(this.at) ?? 0);
    this.at += one.length;
    return Buffer.from(one);
  }

  private escaped(): Buffer {
    const [, hex] = /^\\([0-9A-Fa-f]{2})/.exec(this.text.slice(this.at, this.at + 3)) ?? [];
    if (hex !== undefined) {
      this.at += 3;
      return Buffer.from(hex, 'hex');
    }
    const one = this.text[this.at + 1] ?? '';
    if (one === '' || !special.includes(one)) throw this.fault('Write a backslash as \\\\');
    this.at += 2;
    return Buffer.from(one);
  }

  private fault(text: string): PkiError {
    return new PkiError('bad-name', `${text} (at character ${this.at} of the name)`);
  }
}

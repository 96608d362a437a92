import type { z } from 'zod';

type RawIssue = z.core.$ZodRawIssue;

const types: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
  date: 'a date',
  null: 'null',
  bigint: 'a whole number',
  never: 'nothing',
};

const formats: Readonly<Record<string, string>> = {
  email: 'an email address',
  url: 'a URL',
  datetime: 'a time such as 2026-05-01T00:00:00Z',
  date: 'a date such as 2026-05-01',
  uuid: 'a UUID',
  ipv4: 'an IPv4 address',
  ipv6: 'an IPv6 address',
  cidrv4: 'an IPv4 range',
  cidrv6: 'an IPv6 range',
  base64: 'base64',
  hostname: 'a host name',
};

/** The message for a value that a schema refused, unless the schema has a message of its own. */
export function issueText(issue: RawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined ? 'Required' : `Expected ${types[issue.expected] ?? issue.expected}`;
    case 'invalid_format':
      return formats[issue.format] ? `Expected ${formats[issue.format]}` : 'Not in the expected form';
    case 'invalid_value':
      return issue.input === undefined ? 'Required' : `Expected ${oneOf(issue.values)}`;
    case 'invalid_union':
      return unionText(issue);
    case 'unrecognized_keys':
      return 'Unknown field';
    case 'too_small':
      return issue.exact ? sized('Expected exactly', issue.minimum, issue.origin) : smallText(issue);
    case 'too_big':
      return sized(issue.exact ? 'Expected exactly' : 'Expected at most', issue.maximum, issue.origin);
    case 'not_multiple_of':
      return `Expected a multiple of ${issue.divisor}`;
    default:
      return 'Not valid';
  }
}

function unionText(issue: RawIssue & { code: 'invalid_union' }): string {
  const { options } = issue as { options?: unknown };
  if (Array.isArray(options) && options.every((option) => typeof option === 'string'))
    return `Expected ${oneOf(options)}`;
  return issue.input === undefined ? 'Required' : 'Not in any of the accepted forms';
}

function smallText(issue: RawIssue & { code: 'too_small' }): string {
  const empty = issue.minimum === 1 && (issue.origin === 'string' || issue.origin === 'array');
  return empty
    ? 'Must not be empty'
    : sized(issue.inclusive === false ? 'Expected more than' : 'Expected at least', issue.minimum, issue.origin);
}

const units: Readonly<Record<string, string>> = {
  string: ' characters',
  array: ' entries',
  set: ' entries',
  map: ' entries',
};

function sized(words: string, limit: number | bigint, origin: string): string {
  return `${words} ${limit}${units[origin] ?? ''}`;
}

function oneOf(values: readonly unknown[]): string {
  const shown = values.map((value) => JSON.stringify(value));
  return shown.length === 1 ? `${shown[0]}` : `one of ${shown.join(', ')}`;
}

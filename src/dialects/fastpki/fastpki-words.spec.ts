import { describe, expect, it } from 'vitest';
import { Problem } from '../../platform/http/problem.js';
import { fastApiError, located, refusal, refusedInWords } from './fast-api-error.js';
import { revocationOf } from './revocation-reason.js';

const rendered = (problem: Problem): unknown => {
  const { status, body } = fastApiError(problem);
  return [status, JSON.parse(body.toString())];
};

describe('an error in the words of FastAPI', () => {
  it('lists what is wrong with the shape of a request, and where', () => {
    const reasons = {
      commonName: ['Required'],
      'sanDnsNames.1': ['Expected text', 'Not valid'],
      organizationId: ['Unknown field'],
      body: ['Expected an object'],
    };
    expect(rendered(new Problem('invalid-request', 'No.', { reasons }))).toEqual([
      422,
      {
        detail: [
          { type: 'missing', loc: ['body', 'common_name'], msg: 'Required' },
          { type: 'value_error', loc: ['body', 'san_dns_names', 1], msg: 'Expected text' },
          { type: 'value_error', loc: ['body', 'san_dns_names', 1], msg: 'Not valid' },
          { type: 'extra_forbidden', loc: ['body', 'organization_id'], msg: 'Unknown field' },
          { type: 'value_error', loc: ['body'], msg: 'Expected an object' },
        ],
      },
    ]);
    expect(rendered(new Problem('malformed-body', 'Not JSON.'))).toMatchObject([422, { detail: [{ loc: ['body'] }] }]);
  });

  it('says of the query and the path that it means them', () => {
    const fail = (): never => {
      throw new Problem('invalid-request', 'No.', { reasons: { caId: ['Required'] } });
    };
    for (const place of ['query', 'path'] as const) {
      const caught = caughtBy(() => located(place, fail));
      expect(rendered(caught)).toEqual([
        422,
        { detail: [{ type: 'missing', loc: [place, 'ca_id'], msg: 'Required' }] },
      ]);
    }
  });

  it('is a text with 400 when a command refuses members of the right shape', async () => {
    const reasons = { 'extensions.subAltNames': ['One.', 'Two.'], validityDays: ['One.'] };
    const refused = refusedInWords(() => Promise.reject(new Problem('invalid-request', 'No.', { reasons })));
    const problem = await refused.catch((error: unknown) => error as Problem);
    expect(rendered(problem)).toEqual([400, { detail: 'One. Two.' }]);
    expect(rendered(refusal('Three.'))).toEqual([400, { detail: 'Three.' }]);
    const conflict = new Problem('conflict', 'Taken.', { reasons: { name: ['Taken'] } });
    await expect(refusedInWords(() => Promise.reject(conflict))).rejects.toBe(conflict);
    expect(rendered(conflict)).toEqual([409, { detail: 'Taken.' }]);
  });

  it('asks for a token with 401', () => {
    expect(fastApiError(new Problem('unauthenticated', 'No.')).headers['www-authenticate']).toBe('Bearer');
  });
});

function caughtBy(work: () => unknown): Problem {
  try {
    work();
  } catch (error) {
    return error as Problem;
  }
  throw new Error('Nothing was thrown.');
}

describe('the reason of a revocation', () => {
  it.each([
    ['Key compromise', 'keyCompromise'],
    ['keyCompromise', 'keyCompromise'],
    ['KEY_COMPROMISE: laptop lost', 'keyCompromise'],
    ['key-compromise (suspected)', 'keyCompromise'],
    ['CA compromise', 'cACompromise'],
    ['AA compromise', 'aACompromise'],
    ['Affiliation changed', 'affiliationChanged'],
    ['superseded by 42', 'superseded'],
    ['Cessation of operation.', 'cessationOfOperation'],
    ['Privilege withdrawn', 'privilegeWithdrawn'],
    ['Certificate hold', 'unspecified'],
    ['Remove from CRL', 'unspecified'],
    ['Unspecified', 'unspecified'],
    ['No key compromise at all', 'unspecified'],
    ['keyCompromised', 'unspecified'],
    ['Key', 'unspecified'],
    ['', 'unspecified'],
    [null, 'unspecified'],
    [undefined, 'unspecified'],
  ])('%j is %s', (text, reason) => {
    expect(revocationOf(text)).toMatchObject({ crlReason: reason, comments: text });
  });
});

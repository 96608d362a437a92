import { describe, expect, it } from 'vitest';
import { Problem, type ProblemCode, type Reasons } from '../../platform/http/problem.js';
import { djangoCa } from './django-ca.surfaces.js';

function rendered(problem: Problem, method = 'POST'): { status: number; detail: unknown; challenge?: string } {
  const context = { publicUrl: 'https://ca.example.com', requestId: '0f8fad5b-d9cb-469f-a165-70867728950e', method };
  const { status, headers, body } = djangoCa.renderError(problem, context);
  expect(headers['content-type']).toBe('application/json; charset=utf-8');
  const { detail } = JSON.parse(body.toString()) as { detail: unknown };
  return { status, detail, ...(headers['www-authenticate'] && { challenge: headers['www-authenticate'] }) };
}

describe('errors of the dialect django-ca', () => {
  it.each([
    ['unauthenticated', 401, 'Unauthorized'],
    ['bad-credentials', 401, 'Unauthorized'],
    ['forbidden', 403, 'Forbidden'],
    ['not-found', 404, 'Not Found'],
    ['invalid-request', 400, 'Said.'],
    ['malformed-body', 400, 'Said.'],
    ['conflict', 400, 'Said.'],
    ['wrong-state', 400, 'Said.'],
    ['authority-inactive', 400, 'Said.'],
    ['precondition-failed', 400, 'Said.'],
    ['too-many-requests', 429, 'Said.'],
    ['plugin-unavailable', 503, 'Said.'],
    ['internal', 500, 'Said.'],
  ] as [ProblemCode, number, string][])('render %s as %i with the detail "%s"', (code, status, detail) => {
    expect(rendered(new Problem(code, 'Said.'))).toMatchObject({ status, detail });
  });

  it('ask for Basic credentials where these are missing or wrong, and only there', () => {
    expect(rendered(new Problem('unauthenticated', 'x')).challenge).toMatch(/^Basic realm="/);
    expect(rendered(new Problem('forbidden', 'x')).challenge).toBeUndefined();
  });

  it('name the place of each fault by the names of the dialect', () => {
    const reasons: Reasons = { 'subject.0.oid': ['Bad', 'Worse'], validityEnd: ['Past'], body: ['Not valid'] };
    const faults = (method: string) => rendered(new Problem('invalid-request', 'x', { reasons }), method).detail;
    expect(faults('POST')).toEqual([
      { type: 'value_error', loc: ['body', 'data', 'subject', 0, 'oid'], msg: 'Bad' },
      { type: 'value_error', loc: ['body', 'data', 'subject', 0, 'oid'], msg: 'Worse' },
      { type: 'value_error', loc: ['body', 'data', 'not_after'], msg: 'Past' },
      { type: 'value_error', loc: ['body', 'data'], msg: 'Not valid' },
    ]);
    expect(faults('GET')).toContainEqual({ type: 'value_error', loc: ['query', 'not_after'], msg: 'Past' });
  });

  it('do not repeat a request of any length', () => {
    const reasons = Object.fromEntries(
      Array.from({ length: 5000 }, (_, i) => [`${i}${'a'.repeat(10_000)}`, ['b'.repeat(10_000)]]),
    );
    const { detail } = rendered(new Problem('invalid-request', 'x', { reasons }));
    expect(JSON.stringify(detail).length).toBeLessThan(250_000);
    expect(rendered(new Problem('conflict', 'c'.repeat(10_000))).detail).toHaveLength(2000);
  });
});

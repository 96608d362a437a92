import { expect, it } from 'vitest';
import { retryAfterOf } from './retry-after.js';

const date = 'Sun, 06 Nov 1994 08:49:37 GMT';

it.each([
  [{ 'retry-after': '120' }, 120],
  [{ 'retry-after': ' 7 ' }, 7],
  [{ 'retry-after': '0.3' }, 1],
  [{ 'retry-after': 'Sun, 06 Nov 1994 08:51:37 GMT', date }, 120],
  [{ 'retry-after': 'Sun, 06 Nov 1994 08:48:37 GMT', date }, undefined],
  [{ 'retry-after': 'Sun, 06 Nov 1994 08:51:37 GMT' }, undefined],
  [{ 'retry-after': 'soon', date }, undefined],
  [{ 'retry-after': '0' }, undefined],
  [{ 'retry-after': '-5', date }, undefined],
  [{ 'retry-after': '9'.repeat(30) }, undefined],
  [{}, undefined],
])('the headers %j ask to wait %s seconds', (headers, waitS) => {
  expect(retryAfterOf({ headers })).toBe(waitS);
});

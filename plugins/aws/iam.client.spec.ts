import { createRequire } from 'node:module';
import { expect, it } from 'vitest';
import { pluginContext } from '../../test/support/bundles.js';
import { IamCertificates } from './iam.client.js';

it('loads the SDK on first use', async () => {
  const isLoaded = (): boolean =>
    Object.keys(createRequire(__filename).cache).some((file) => file.includes('@aws-sdk/client-iam/'));
  expect(isLoaded()).toBe(false);
  (
    await IamCertificates.open({ region: 'us-east-1', roleSessionName: 'perennial', timeoutS: 30 }, pluginContext())
  ).close();
  expect(isLoaded()).toBe(true);
});

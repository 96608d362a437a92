import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { type FakeKubernetes, startKubernetes } from '../fakes/kubernetes.js';
import { startTestAuthority, type TestAuthority } from './bundles.js';

/** The stand-in for a cluster that a test has for itself, and the authority of its file. */
export interface ClusterOfTest {
  readonly cluster: FakeKubernetes;
  readonly authority: TestAuthority;
}

/** Registers hooks: an authority for the tests of this file, and an empty cluster for each of them. */
export function clusterOfEachTest(): ClusterOfTest {
  let authority: TestAuthority;
  let cluster: FakeKubernetes;
  beforeAll(() => {
    authority = startTestAuthority();
  });
  afterAll(() => authority.close());
  beforeEach(async () => {
    cluster = await startKubernetes();
  });
  afterEach(() => cluster.stop());
  return {
    get cluster() {
      return cluster;
    },
    get authority() {
      return authority;
    },
  };
}

/** Texts, joined, as the data of a secret has them. */
export function encoded(...texts: readonly string[]): string {
  return Buffer.from(texts.join('')).toString('base64');
}

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect } from 'vitest';
import { filesystem } from '../../plugins/filesystem/filesystem.destination.js';
import type { Bundle } from '../../src/plugin-api/export.js';
import { pluginContext, startTestAuthority, type TestAuthority } from './bundles.js';
import { delivery, fileNames, type Layout } from './exported.js';

/** Registers hooks: an authority for the tests of this file, and an empty folder for each of them. */
export function filesystemBench() {
  let authority: TestAuthority;
  let folder: string;
  beforeAll(() => {
    authority = startTestAuthority();
  });
  afterAll(() => authority.close());
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'filesystem-'));
    return () => rmSync(folder, { recursive: true, force: true });
  });
  const context = (site = {}, signal?: AbortSignal) => pluginContext({ protectedPaths: [], ...site }, signal);
  const options = (values: object = {}) => filesystem.options.parse({ path: folder, ...values });
  return {
    get authority() {
      return authority;
    },
    get folder() {
      return folder;
    },
    context,
    options,
    deliver: async (
      bundle: Bundle,
      { layout, ...values }: { layout?: Layout; [option: string]: unknown } = {},
      ctx = context(),
    ) => filesystem.deliver(await delivery(bundle, layout), options(values), ctx),
    /** Where the bundle goes. */
    placeOf: ({ commonName }: Bundle, layout: Layout): string =>
      filesystem.locate({ bundle: authority.issue(commonName), fileNames: fileNames(commonName, layout) }, options()),
  };
}

/** The PluginError with this fault. */
export const fault = (expected: string): unknown => expect.objectContaining({ name: 'PluginError', fault: expected });

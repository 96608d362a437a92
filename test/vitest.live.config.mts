import { mergeConfig } from 'vitest/config';
import config from './vitest.config.mjs';

const live = mergeConfig(config, { test: { maxWorkers: 1, testTimeout: 120_000, hookTimeout: 300_000 } });
// Merging would add to the list of the ordinary suites.
live.test.include = ['test/live/**/*.live.ts'];

export default live;

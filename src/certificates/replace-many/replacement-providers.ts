import { ReplacementHolds } from './replacement-holds.js';
import { ReplacementKind } from './replacement-kind.js';
import { Replacements } from './replacements.js';

/** Replacements of many certificates. */
export const replacementProviders = [ReplacementHolds, ReplacementKind, Replacements];

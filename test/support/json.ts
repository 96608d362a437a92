/** Parsed JSON of any shape: tests state what they expect of it. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- only here; a test that reads a missing member fails
export type Json = any;

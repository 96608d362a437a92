/** Starts what the suites share. */
export async function setup(): Promise<void> {}

/** One line to the person who started the program. */
export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Ends the process with this status, after one last word on stderr. */
export function exitWith(status: number, lastWord?: string): void {
  if (lastWord !== undefined) process.stderr.write(`${lastWord}\n`);
  process.exit(status);
}

/** Runs `stop` once on SIGINT or SIGTERM and then ends the process; a second signal ends it at once. */
export function onStopSignal(stop: () => Promise<void>): void {
  let stopping = false;
  const onSignal = (): void => {
    if (stopping) return exitWith(1, 'Stopped at once.');
    stopping = true;
    stop().then(() => exitWith(0), (error: unknown) => exitWith(1, `Not stopped cleanly: ${String(error)}`));
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, onSignal);
}

/** Nobody who runs this program chooses the SDK's version, and so its notice about future ones only frightens them. */
export function quietLibraries(): void {
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
}

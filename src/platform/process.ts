/** One line to the person who started the program. */
export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** A value of the environment that is no setting of the program, such as one of a program that it takes over from. */
export function environmentValue(name: string): string | undefined {
  return process.env[name] || undefined;
}

/** Ends the process with this status, after one last word on stderr. */
export function exitWith(status: number, lastWord?: string): void {
  if (lastWord !== undefined) process.stderr.write(`${lastWord}\n`);
  process.exit(status);
}

/** The status with which the process ends by itself, when nothing is left to do; 0 unless something was wrong. */
export function endWith(status: number): void {
  process.exitCode = status;
}

/**
 * Runs `stop` once on SIGINT or SIGTERM and then ends the process with this status; a second signal ends it at once.
 */
export function onStopSignal(stop: () => Promise<void>, status = 0): void {
  let stopping = false;
  const onSignal = (): void => {
    if (stopping) return exitWith(1, 'Stopped at once.');
    stopping = true;
    stop().then(
      () => exitWith(status),
      (error: unknown) => exitWith(1, `Not stopped cleanly: ${String(error)}`),
    );
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, onSignal);
}

/** Nobody who runs this program chooses the SDK's version, and so its notice about future ones only frightens them. */
export function quietLibraries(): void {
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
}

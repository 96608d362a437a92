/** One line to the person who started the program. */
export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** An environment variable that is not a setting of this program, for instance one of Lemur's. */
export function environmentValue(name: string): string | undefined {
  return process.env[name] || undefined;
}

/** Ends the process with this status, after an optional last line on stderr. */
export function exitWith(status: number, lastWord?: string): void {
  if (lastWord !== undefined) process.stderr.write(`${lastWord}\n`);
  process.exit(status);
}

/** Sets the exit status for the normal end of the process. */
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

/** Suppresses the AWS SDK's notice about Node versions: operators do not choose the version of the SDK. */
export function quietLibraries(): void {
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
}

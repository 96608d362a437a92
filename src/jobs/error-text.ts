/** In characters. */
export const longestErrorText = 500;

/** The text of an unexpected error that is stored: `name: message`, at most 500 characters. The log has the rest. */
export function errorText(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : 'A value that is not an Error was thrown.';
  return text.slice(0, longestErrorText);
}

/** In characters. */
export const longestErrorText = 500;

/** What is kept of an unexpected error: `name: message`, at most 500 characters. The log has the rest. */
export function errorText(error: unknown): string {
  const text =
    error instanceof Error ? `${error.name}: ${error.message}` : 'Something that is not an Error was thrown.';
  return text.slice(0, longestErrorText);
}

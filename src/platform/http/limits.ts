/** How long a client may take to send a request. */
export const requestTimeoutMs = 30_000;
/** How long a connection may be silent. */
export const idleTimeoutMs = 120_000;
/** How long shutdown waits for current answers and silent connections: less than supervisors wait before they kill. */
export const drainMs = 5000;
/** No text answer is larger; lists tell the client before that to ask for fewer entries. */
export const maxAnswerBytes = 64 * 1024 * 1024;

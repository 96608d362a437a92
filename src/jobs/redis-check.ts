import { Redis } from 'ioredis';

const patienceMs = 5000;

/** Connects once and sends PING; returns why Redis does not answer, or null when it does. */
export async function redisFault(url: string): Promise<string | null> {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: patienceMs,
    commandTimeout: patienceMs,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  let reason: string | undefined;
  redis.on('error', (error: Error) => (reason = error.message));
  try {
    await redis.connect();
    await redis.ping();
    return null;
  } catch (error) {
    return reason ?? (error as Error).message;
  } finally {
    redis.disconnect();
  }
}

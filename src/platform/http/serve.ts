import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Config } from '../config.js';
import { explained, type ListenAddress } from '../net/listening.js';
import { MonitoringListener } from './monitoring-listener.js';
import { applyHttp } from './server.js';

/** Where a program listens, each without a slash at the end. */
export interface Served {
  /** The main address; of a worker that has METRICS_LISTEN, that one. */
  url: string;
  /** Where `/health` and `/metrics` are. */
  monitoringUrl: string;
}

/**
 * Starts the application, and opens the main address and that of METRICS_LISTEN. A worker with METRICS_LISTEN opens
 * that alone. Throws with a message for the operator.
 */
export async function serve(app: NestFastifyApplication, config: Config): Promise<Served> {
  const { host, port, metricsListen, role } = config;
  applyHttp(app, config);
  if (!metricsListen) {
    const url = await listen(app, { host, port });
    return { url, monitoringUrl: url };
  }
  const server = app.getHttpAdapter().getInstance();
  const monitoring = new MonitoringListener(server);
  await app.init();
  await server.ready();
  const monitoringUrl = await explained(monitoring.listen(metricsListen), metricsListen, 'METRICS_LISTEN');
  return { url: role === 'worker' ? monitoringUrl : await listen(app, { host, port }), monitoringUrl };
}

async function listen(app: NestFastifyApplication, address: ListenAddress): Promise<string> {
  await explained(app.listen(address.port, address.host), address, 'PORT');
  return (await app.getUrl()).replace(/\/$/, '');
}

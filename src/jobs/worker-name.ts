import { hostname } from 'node:os';

/** `host:pid` of this process. */
export const workerName = `${hostname()}:${process.pid}`;

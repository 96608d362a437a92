import { describe, expect, it } from 'vitest';
import { Metrics } from './metrics.js';

describe('metrics', () => {
  it('are counted, read when someone looks, and kept apart from another program in the process', async () => {
    const metrics = new Metrics();
    metrics.counter({ name: 'jobs_total', help: 'Jobs.', labels: ['job'] }).inc({ job: 'notify' }, 2);
    metrics.gauge({ name: 'due', help: 'Due.' }, (gauge) => gauge.set(7));
    metrics.histogram({ name: 'wait_seconds', help: 'Waits.' }, [1]).observe(0.5);
    const { text, type } = await metrics.render();
    expect(type).toMatch(/^text\/plain/);
    expect(text).toContain('perennial_jobs_total{job="notify"} 2');
    expect(text).toContain('perennial_due 7');
    expect(text).toContain('perennial_wait_seconds_bucket{le="1"} 1');
    expect(text).toContain('nodejs_eventloop_lag_seconds');
    expect((await new Metrics().render()).text).not.toContain('perennial_jobs_total');
  });

  it('refuse a name that is taken', () => {
    const metrics = new Metrics();
    metrics.counter({ name: 'jobs_total', help: 'Jobs.' });
    expect(() => metrics.counter({ name: 'jobs_total', help: 'Jobs.' })).toThrow(/jobs_total/);
  });
});

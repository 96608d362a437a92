import { Injectable } from '@nestjs/common';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/**
 * Name (prefixed with `perennial_`), help text and label names of a metric. A label must have few values.
 */
export interface MetricWords<L extends string> {
  name: string;
  help: string;
  labels?: readonly L[];
}

/** The Prometheus registry of the program, with the default metrics of Node.js and of the process. */
@Injectable()
export class Metrics {
  private readonly registry = new Registry();

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  /** A counter; its name ends in `_total`. Throws when the name is taken. */
  counter<L extends string = never>(words: MetricWords<L>): Counter<L> {
    return new Counter(this.settings(words));
  }

  /**
   * A gauge. `read` sets it at every scrape, so it must be quick and must not throw.
   */
  gauge<L extends string = never>(words: MetricWords<L>, read?: (gauge: Gauge<L>) => Promise<void> | void): Gauge<L> {
    const collect = read
      ? function (this: Gauge<L>): Promise<void> | void {
          return read(this);
        }
      : undefined;
    return new Gauge({ ...this.settings(words), ...(collect && { collect }) });
  }

  /** A histogram. `buckets` are upper bounds in the unit at the end of the name. */
  histogram<L extends string = never>(words: MetricWords<L>, buckets: number[]): Histogram<L> {
    return new Histogram({ ...this.settings(words), buckets });
  }

  /** All metrics in the text format of Prometheus, with its content type. */
  async render(): Promise<{ type: string; text: string }> {
    return { type: this.registry.contentType, text: await this.registry.metrics() };
  }

  private settings<L extends string>({
    name,
    help,
    labels = [],
  }: MetricWords<L>): { name: string; help: string; labelNames: L[]; registers: Registry[] } {
    return { name: `perennial_${name}`, help, labelNames: [...labels], registers: [this.registry] };
  }
}

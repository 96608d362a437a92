import { z } from 'zod';

/** The option by which every source says how often it is looked at. */
export const pollRateOption = z.int().min(1).max(44_640).default(60).meta({
  title: 'Poll rate',
  description: 'Minutes from the end of one look at the source to the next.',
});

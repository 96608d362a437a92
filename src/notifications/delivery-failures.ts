import type { NoticeData } from './notice-data.js';

/** Takes the label of the destination, and how often it was tried in words. */
interface DeliveryFailure {
  subject: (destination: string) => string;
  heading: string;
  fact: (destination: string, attempts: string) => string;
}

/** What the message says of each way in which a delivery fails. */
export const deliveryFailures: Readonly<Record<NoticeData['delivery.failing']['what'], DeliveryFailure>> = {
  delivery: {
    subject: (destination) => `delivery to ${destination} fails`,
    heading: 'A certificate cannot be delivered',
    fact: (destination, attempts) => `${destination} did not take it in ${attempts}.`,
  },
  removal: {
    subject: (destination) => `removal from ${destination} fails`,
    heading: 'A certificate cannot be removed',
    fact: (destination, attempts) => `It could not be removed from ${destination} in ${attempts}.`,
  },
  use: {
    subject: (destination) => `not in use at ${destination}`,
    heading: 'A delivered certificate is not in use',
    fact: (destination) => `It was delivered to ${destination}, and something else is in use there.`,
  },
  'rolled-back': {
    subject: (destination) => `rolled back at ${destination}`,
    heading: 'A delivery was rolled back',
    fact: (destination) =>
      `It was delivered to ${destination} and did not come into use: the certificate before it was delivered again.`,
  },
};

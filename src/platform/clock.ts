import { Injectable } from '@nestjs/common';

/** The only source of the current time for rules and records; tests give one that they move by hand. */
@Injectable()
export class Clock {
  now(): Date {
    return new Date();
  }
}

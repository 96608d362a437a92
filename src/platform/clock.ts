import { Injectable } from '@nestjs/common';

/** The only source of the current time for rules and records; tests replace it by a clock that they control. */
@Injectable()
export class Clock {
  now(): Date {
    return new Date();
  }
}

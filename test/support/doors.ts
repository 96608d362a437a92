import { Controller, Get } from '@nestjs/common';
import { type Actor, Public, Requires, Who } from '../../src/platform/http/actor.js';

/** A public door, one for those who look after jobs, and one for anyone who is signed in. */
@Controller('doors')
export class DoorsController {
  @Get('open')
  @Public()
  open(): object {
    return { open: true };
  }

  @Get('jobs')
  @Requires('job:read')
  jobs(@Who() actor: Actor): object {
    return { ...actor, permissions: [...actor.permissions].length };
  }

  @Get('who')
  @Requires('self')
  who(@Who() actor: Actor): object {
    return actor;
  }
}

/**
 * One route without a rule, one with a permission that does not exist, one for a key of no known certificate, one
 * method that is no route.
 */
@Controller('hidden')
export class HiddenController {
  @Get('none')
  none(): void {}

  @Get('typo')
  @Requires('certificate:raed')
  typo(): void {}

  @Get(':name/key')
  @Requires('key:read')
  keyOfWhat(): void {}

  helper(): void {}
}

/** Public, except for one method. */
@Public()
@Controller('mixed')
export class MixedController {
  @Requires('user:read')
  shut(): void {}

  open(): void {}
}

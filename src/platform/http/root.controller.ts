import { Controller, Get, Redirect } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { Public } from './actor.js';
import { docsPath } from './platform-surfaces.js';

/** `GET /` leads a browser to the documentation of the API. */
@Controller()
@ApiExcludeController()
export class RootController {
  // Relative, for a reverse proxy that serves the program below a path.
  @Public()
  @Get()
  @Redirect(docsPath.slice(1))
  toDocumentation(): void {}
}

import { Controller, Get, Header } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { Public } from './actor.js';
import { PathText } from './contract.js';
import { Problem, type ProblemCode, problems } from './problem.js';

const html = 'text/html; charset=utf-8';

/** The help pages to which the `type` of a problem links. */
@Controller('problems')
@ApiExcludeController()
export class ProblemsController {
  @Public()
  @Get()
  @Header('content-type', html)
  list(): string {
    const rows = Object.entries(problems).map(
      ([code, { status, title }]) =>
        `<li><a href="problems/${escape(code)}"><code>${escape(code)}</code></a> (${status}): ${escape(title)}</li>`,
    );
    return page('Problems', `<ul>${rows.join('')}</ul>`);
  }

  @Public()
  @Get(':code')
  @Header('content-type', html)
  read(@PathText('code') code: string): string {
    if (!Object.hasOwn(problems, code)) throw new Problem('not-found', 'There is no problem of that name.');
    const { status, title, help } = problems[code as ProblemCode];
    return page(
      code,
      `<p>${escape(title)}</p><p>${escape(help)}</p><p>HTTP status ${status}. <a ` +
        'href="../problems">All problems</a></p>',
    );
  }
}

function page(title: string, body: string): string {
  return (
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escape(title)} · ` +
    `Perennial</title></head><body><h1>${escape(title)}</h1>${body}</body></html>\n`
  );
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

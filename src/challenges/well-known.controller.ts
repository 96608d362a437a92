import { Controller, Get, Header } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { Public } from '../platform/http/actor.js';
import { PathText } from '../platform/http/contract.js';
import { Problem } from '../platform/http/problem.js';
import { ChallengeAnswers } from './challenge-answers.js';

const longestToken = 200;

/** Where a CA fetches the answer to an http-01 challenge (RFC 8555 §8.3). */
@Controller('.well-known/acme-challenge')
@ApiExcludeController()
export class WellKnownController {
  constructor(private readonly answers: ChallengeAnswers) {}

  @Public()
  @Get(':token')
  @Header('content-type', 'application/octet-stream')
  async answer(@PathText('token') token: string): Promise<string> {
    const answer = token.length <= longestToken ? await this.answers.httpAnswer(token) : null;
    if (answer === null) throw new Problem('not-found', 'No challenge of this installation has that token.');
    return answer;
  }
}

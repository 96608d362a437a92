import { Controller, Get, Post, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { type Actor, Public, Requires, Who } from '../platform/http/actor.js';
import { Answers, JsonBody, Summary } from '../platform/http/contract.js';
import { AccountView, accountView } from '../roles/account.schema.js';
import { NewPassword } from '../users/password.js';
import { OwnPassword } from './own-password.js';
import { Sessions } from './sessions.js';
import { SignIn } from './sign-in.js';
import { Token } from './token.schema.js';

const Login = z
  .strictObject({
    username: z.string().trim().min(1).max(255).meta({ description: 'User name or e-mail address.' }),
    password: z.string().min(1).max(1024).meta({ writeOnly: true }),
  })
  .meta({ id: 'Login' });
const PasswordChange = z
  .strictObject({
    oldPassword: z.string().min(1).max(1024).meta({ writeOnly: true }),
    newPassword: NewPassword.meta({
      description: 'At least 12 characters: upper and lower case, a digit and one of ! @ # ? ].',
    }),
  })
  .meta({ id: 'PasswordChange' });
const LoggedOut = z.strictObject({ message: z.string() });

/** Routes to sign in, sign out and change one's own password. */
@Controller('auth')
export class AuthController {
  constructor(
    private readonly signIn: SignIn,
    private readonly ownPassword: OwnPassword,
    private readonly sessions: Sessions,
  ) {}

  @Public()
  @Post('login')
  @Summary(
    'Sign in',
    'After ten failures from one address, or a hundred for one account, within five minutes, ' +
      'the response is 429 until this time is over.',
  )
  @Answers(200, Token)
  async login(
    @JsonBody(Login) { username, password }: z.output<typeof Login>,
    @Req() request: FastifyRequest,
  ): Promise<z.output<typeof Token>> {
    return { token: await this.signIn.run({ name: username, password, address: request.ip, requestId: request.id }) };
  }

  @Get('me')
  @Requires('self')
  @Summary('Read the signed-in user')
  @Answers(200, AccountView)
  me(@Who() { userId, username, email, roles }: Actor): z.output<typeof AccountView> {
    return accountView({ id: userId, username, email, active: true, roles: [...roles] });
  }

  @Post('password')
  @Requires('password:change')
  @Summary(
    'Change your own password',
    'Ends all sessions of the user and returns the token of a new one. API keys stay valid.',
  )
  @Answers(200, Token)
  async changePassword(
    @Who() actor: Actor,
    @JsonBody(PasswordChange) body: z.output<typeof PasswordChange>,
  ): Promise<z.output<typeof Token>> {
    return { token: await this.ownPassword.change(actor, body.oldPassword, body.newPassword) };
  }

  @Post('logout')
  @Requires('session:close')
  @Summary('Sign out everywhere', 'Ends all sessions of the user at once. API keys stay valid.')
  @Answers(200, LoggedOut)
  async logout(@Who() actor: Actor): Promise<z.output<typeof LoggedOut>> {
    await this.sessions.closeAll(actor);
    return { message: 'ok' };
  }
}

import { type Problem, problems, type Reasons } from './problem.js';
import type { ErrorAnswer, ErrorContext } from './surface.js';

/** The body of an error answer (RFC 9457). `message` repeats `detail` for clients written for Lemur. */
interface ProblemBody {
  type: string;
  title: string;
  status: number;
  detail: string;
  instance: string;
  message: string;
  reasons?: Reasons;
}

/** An error describes what is wrong and does not repeat the request: bounds on what it quotes. */
const maxReasons = 100;
const maxTextLength = 2000;
const maxFieldLength = 200;

/** Renders `application/problem+json` (RFC 9457), with the challenge of RFC 6750 when credentials are missing. */
export function problemJson(problem: Problem, { publicUrl, requestId }: ErrorContext): ErrorAnswer {
  const { title, status } = problems[problem.code];
  const detail = shortened(problem.detail, maxTextLength);
  const body: ProblemBody = {
    type: `${publicUrl}/problems/${problem.code}`,
    title,
    status,
    detail,
    instance: `urn:uuid:${requestId}`,
    message: detail,
    ...(problem.extra.reasons && { reasons: shortReasons(problem.extra.reasons) }),
  };
  return {
    status,
    headers: {
      'content-type': 'application/problem+json; charset=utf-8',
      ...(status === 401 && { 'www-authenticate': 'Bearer' }),
    },
    body: JSON.stringify(body),
  };
}

function shortReasons(reasons: Reasons): Reasons {
  const short = Object.entries(reasons)
    .slice(0, maxReasons)
    .map(([field, texts]) => [
      shortened(field, maxFieldLength),
      texts.slice(0, maxReasons).map((text) => shortened(text, maxTextLength)),
    ]);
  return Object.fromEntries(short) as Reasons;
}

function shortened(text: string, maxLength: number): string {
  return text.length > maxLength ? `${text.slice(0, maxLength)}…` : text;
}

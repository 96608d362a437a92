/** `depth`: how many `../` it begins with. `data`: begins with `@`, as `@root` does. */
interface TemplatePath {
  original?: unknown;
  depth?: number;
  data?: boolean;
}

/** A node of a parsed Handlebars template, as far as the rules look at it. */
export interface TemplateNode {
  type: string;
  path?: TemplatePath;
  params?: readonly TemplatePath[];
  /** False for `{{{value}}}`. */
  escaped?: boolean;
  body?: readonly TemplateNode[];
  program?: (TemplateNode & { blockParams?: readonly string[] }) | null;
  inverse?: TemplateNode | null;
}

/** Blocks that write their content once at most. Every other one may repeat it. */
const once: readonly unknown[] = ['if', 'unless', 'with'];
const partials = new Set(['Decorator', 'DecoratorBlock', 'PartialStatement', 'PartialBlockStatement']);

/**
 * Why a template must not be filled in, else null. Partials may call themselves, and a loop within a loop that begins
 * anew at the top multiplies: without both, a template writes each part of a message a bounded number of times.
 * `isEscaped`: values must be escaped where they stand.
 */
export function templateFault(node: TemplateNode, { isEscaped }: { isEscaped: boolean }): string | null {
  return faultWithin(node, isEscaped, false);
}

function faultWithin(node: TemplateNode, isEscaped: boolean, inLoop: boolean): string | null {
  if (partials.has(node.type)) return 'partials and decorators are not supported';
  if (isEscaped && node.type === 'MustacheStatement' && node.escaped === false)
    return 'values must be escaped: write {{value}} in place of {{{value}}}';
  if (node.program?.blockParams?.length) return 'block parameters (as |name|) are not supported';
  const isBlock = node.type === 'BlockStatement';
  const name = node.path?.original;
  if (isBlock && inLoop && name !== 'if' && name !== 'unless' && beginsAnew(node))
    return 'a loop within a loop must be over a member of its element, and not begin with ../ or @root';
  const loops = inLoop || (isBlock && !once.includes(name));
  for (const part of [...(node.body ?? []), node.program, node.inverse]) {
    const fault = part ? faultWithin(part, isEscaped, loops) : null;
    if (fault !== null) return fault;
  }
  return null;
}

/** Whether a block goes through something that is not below the element of the loop around it. */
function beginsAnew({ path, params = [] }: TemplateNode): boolean {
  return [path, ...params].some((one) => (one?.depth ?? 0) > 0 || one?.data === true);
}

import { Controller, Get } from '@nestjs/common';
import { z } from 'zod';
import { type Actor, Requires, Who } from '../../platform/http/actor.js';
import { Answers, Id, Summary } from '../../platform/http/contract.js';
import { type TreeNode, VisualizeService } from './visualize.service.js';

const Node: z.ZodType<TreeNode> = z
  .object({
    name: z.string(),
    get children() {
      return z.array(Node).optional();
    },
  })
  .meta({ id: 'TreeNode' });

/** The route that shows the certificates of an authority as a tree. */
@Controller('authorities')
export class VisualizeController {
  constructor(private readonly visualize: VisualizeService) {}

  @Get(':id/visualize')
  @Requires('authority:read')
  @Summary(
    'Read the certificates of an authority as a tree',
    'Includes its subordinate authorities, and the 200 newest certificates of each. A last entry marks a cut list.',
  )
  @Answers(200, Node)
  tree(@Who() actor: Actor, @Id() id: number): Promise<TreeNode> {
    return this.visualize.tree(actor, id);
  }
}

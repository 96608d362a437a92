import { Controller, Get, Post, Put } from '@nestjs/common';
import { z } from 'zod';
import { Audit } from '../audit/audit.js';
import { PeriodicRepository } from '../jobs/periodic.repository.js';
import { TaskHealth, type TaskState } from '../jobs/task-health.js';
import { type TaskRun, taskOutcomes } from '../jobs/task-run.entity.js';
import { Database } from '../platform/db/database.js';
import { type Actor, Requires, Who } from '../platform/http/actor.js';
import { Answers, JsonBody, PathText, QueryOf, Summary } from '../platform/http/contract.js';
import { instant, instantOrNull, InstantOut } from '../platform/http/instant.js';
import { listQuery, type Page, pageOf } from '../platform/http/page.js';
import { Problem } from '../platform/http/problem.js';

const RunQuery = listQuery('id');

const TaskView = z
  .object({
    name: z.string(),
    intervalS: z.number().meta({ description: 'Seconds between two runs.' }),
    running: z.boolean(),
    stale: z.boolean().meta({ description: 'It has not succeeded for three intervals, and at least five minutes.' }),
    failures: z.int().meta({ description: 'Failures in a row; 0 after a success.' }),
    lastStartedAt: InstantOut.nullable(),
    lastSuccessAt: InstantOut.nullable(),
    lastError: z.string().nullable(),
    paused: z.boolean(),
    pausedAt: InstantOut.nullable(),
    pausedBy: z.string().nullable(),
    wantedAt: InstantOut.nullable().meta({ description: 'Since when it is to run before its time.' }),
  })
  .meta({ id: 'Task' });
type TaskView = z.output<typeof TaskView>;

const TaskRunView = z
  .object({
    id: z.string(),
    task: z.string(),
    worker: z.string().meta({ description: '`host:pid` of the process that ran it.' }),
    startedAt: InstantOut,
    finishedAt: InstantOut.nullable(),
    outcome: z.enum(taskOutcomes).nullable().meta({
      description: 'Null while it runs. `lost`: its process died. `stopped`: its process was shut down.',
    }),
    error: z.string().nullable().meta({ description: 'Why the run as a whole failed.' }),
    counts: z.record(z.string(), z.int()).meta({ description: 'What the run has handled, by kind.' }),
    failures: z
      .array(z.object({ item: z.string(), error: z.string() }))
      .meta({ description: 'The items that failed while the others went on; at most 100.' }),
  })
  .meta({ id: 'TaskRun' });
type TaskRunView = z.output<typeof TaskRunView>;

const TaskChange = z.strictObject({ paused: z.boolean() }).meta({ id: 'TaskChange' });
type TaskChange = z.output<typeof TaskChange>;

function taskView({ name, intervalS, stale, status }: TaskState): TaskView {
  return {
    name,
    intervalS,
    running: status?.running ?? false,
    stale,
    failures: status?.failures ?? 0,
    lastStartedAt: instantOrNull(status?.lastStartedAt ?? null),
    lastSuccessAt: instantOrNull(status?.lastSuccessAt ?? null),
    lastError: status?.lastError ?? null,
    paused: Boolean(status?.pausedAt),
    pausedAt: instantOrNull(status?.pausedAt ?? null),
    pausedBy: status?.pausedBy ?? null,
    wantedAt: instantOrNull(status?.wantedAt ?? null),
  };
}

function runView({ id, task, worker, startedAt, finishedAt, outcome, error, counts, failures }: TaskRun): TaskRunView {
  const times = { startedAt: instant(startedAt), finishedAt: instantOrNull(finishedAt) };
  return { id, task, worker, ...times, outcome, error, counts, failures };
}

/** Periodic tasks: see their runs, pause them, and run them before their time. */
@Controller('tasks')
export class TasksController {
  constructor(
    private readonly db: Database,
    private readonly tasks: PeriodicRepository,
    private readonly health: TaskHealth,
    private readonly audit: Audit,
  ) {}

  @Get()
  @Requires('job:read')
  @Summary('List the periodic tasks', 'All of them, by name: when each last ran and succeeded, and whether it is late.')
  @Answers(200, z.array(TaskView))
  async list(): Promise<TaskView[]> {
    return (await this.health.states()).map(taskView);
  }

  @Get(':task/runs')
  @Requires('job:read')
  @Summary('List the runs of a periodic task', 'Newest first. The newest 1,000 are kept.')
  @Answers(200, pageOf(TaskRunView))
  async runs(
    @PathText('task') name: string,
    @QueryOf(RunQuery) query: z.output<typeof RunQuery>,
  ): Promise<Page<TaskRunView>> {
    await this.get(name);
    const page = await this.tasks.listRuns(this.db.single, name, query);
    return { ...page, items: page.items.map(runView) };
  }

  @Put(':task')
  @Requires('job:write')
  @Summary('Pause or resume a periodic task', 'A run that is under way ends. `POST /tasks/:task/run` works meanwhile.')
  @Answers(200, TaskView)
  async change(
    @Who() actor: Actor,
    @PathText('task') name: string,
    @JsonBody(TaskChange) { paused }: TaskChange,
  ): Promise<TaskView> {
    await this.get(name);
    await this.db.write(async (tx) => {
      const changed = paused ? await this.tasks.pause(tx, name, actor.username) : await this.tasks.resume(tx, name);
      if (changed)
        await this.audit.record(tx, actor, {
          action: paused ? 'task.paused' : 'task.resumed',
          targetType: 'task',
          targetId: name,
        });
    });
    return taskView(await this.get(name));
  }

  @Post(':task/run')
  @Requires('job:write')
  @Summary('Run a periodic task now', 'It starts within seconds, also while it is paused.')
  @Answers(202, TaskView)
  async run(@Who() actor: Actor, @PathText('task') name: string): Promise<TaskView> {
    await this.get(name);
    await this.db.write(async (tx) => {
      await this.tasks.want(tx, name);
      await this.audit.record(tx, actor, { action: 'task.wanted', targetType: 'task', targetId: name });
    });
    return taskView(await this.get(name));
  }

  /** Throws Problem `not-found`. */
  private async get(name: string): Promise<TaskState> {
    const found = (await this.health.states()).find((state) => state.name === name);
    if (!found) throw new Problem('not-found', `There is no periodic task ${name}.`);
    return found;
  }
}

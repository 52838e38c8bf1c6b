/**
 * What runs in a worker between `Ready` and `Close`: takes messages, runs tasks as threads, sends what came of them.
 *
 * Invariants:
 * 1. A task is in `tasks` from its `Start` until its exit has been sent; each `Start` is answered by one `Exit`.
 * 2. Messages for a task that is not there are for one that has ended, and are dropped.
 */
import type { MessagePort } from "node:worker_threads"
import * as Blocking from "@quiesce/core/Blocking"
import * as Thread from "@quiesce/core/Thread"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Rpc from "effect/rpc/Rpc"
import * as Scheduler from "effect/Scheduler"
import type * as Scope from "effect/Scope"
import * as Codec from "./codec.ts"
import * as ControlBlock from "./controlBlock.ts"
import { decodeToWorker, type Handshake, type ToHost, type ToWorker } from "./message.ts"
import * as Lineage from "./lineage.ts"
import { Outbox } from "./outbox.ts"
import { PortScheduler } from "./portScheduler.ts"
import type { SectionRunner } from "./section.ts"
import * as SectionRunners from "./sectionRunner.ts"
import * as StalledFiber from "./stalledFiber.ts"
import { type Run, WorkerTask } from "./workerTask.ts"

/** What is run for the tasks of one name. */
export interface Entry {
  readonly codec: Codec.TaskCodec
  readonly run: Run
  /** All that a task of this kind runs with. */
  readonly context: Context.Context<never>
}

/** What a worker serves. */
export interface Entries {
  readonly get: (name: string) => Entry | undefined
}

/**
 * Serves what `entries` makes of the context that tasks run in and of its scheduler, until the host closes; its scope
 * is that of all tasks.
 */
export const serve = (
  entries: (context: Context.Context<never>, scheduler: PortScheduler) => Entries,
  handshake: Handshake
): Effect.Effect<void, never, Scope.Scope> => {
  const control = ControlBlock.fromBuffer(handshake.control)
  const sections = SectionRunners.make(control)
  const scheduler = new PortScheduler()
  const watch = StalledFiber.install({ scheduler, words: control.words, index: ControlBlock.word.section, taskOf })
  const body = Effect.gen(function* () {
    const closed = yield* Deferred.make<void>()
    const context = yield* Effect.context<never>()
    const runtime = new WorkerRuntime(
      handshake.port,
      control,
      entries(context, scheduler),
      sections,
      scheduler,
      watch,
      closed
    )
    runtime.listen()
    yield* Deferred.await(closed)
  })
  // The tasks are the children of this one: they end with it, all at once.
  return Effect.orDie(Effect.flatMap(Thread.spawn(body, { name: "worker" }), Thread.join)).pipe(
    Effect.provideService(Blocking.CurrentRunner, sections),
    Effect.provideService(Scheduler.Scheduler, scheduler),
    Effect.ensuring(
      Effect.sync(() => {
        sections.close()
        scheduler.close()
      })
    )
  )
}

const taskOf = (fiber: Fiber.Fiber<unknown, unknown>): number | undefined => {
  const slot = fiber.getRef(SectionRunners.CurrentSlot)
  return slot < 0 ? undefined : slot
}

/** Of a contract and its handlers. */
export const entriesOf =
  (requests: ReadonlyMap<string, Rpc.Any>, handlers: ReadonlyMap<string, unknown>) =>
  (context: Context.Context<never>): Entries => {
    const entries = new Map<string, Entry>()
    for (const [tag, any] of requests) {
      // Every Rpc has its schemas; the group's type only forgets them.
      const rpc = any as unknown as Rpc.AnyWithProps
      const found = handlers.get(rpc.key) as Rpc.Handler<string> | undefined
      if (found === undefined) continue
      entries.set(tag, {
        codec: Codec.of(rpc),
        // The shape of what a handler is called with is Effect's; what pools have no use for is empty.
        run: (payload, { id }) =>
          Rpc.unwrap(found.handler(payload, { rpc, client, headers, requestId: requestId(id) })) as ReturnType<Run>,
        context: Context.merge(found.context, context)
      })
    }
    return entries
  }

const client = new Rpc.ServerClient(0)
const headers = {} as never
const requestId = (id: number): never => String(id) as never

class WorkerRuntime {
  private readonly port: MessagePort
  private readonly control: ControlBlock.ControlBlock
  private readonly entries: Entries
  private readonly sections: SectionRunner
  private readonly scheduler: PortScheduler
  private readonly watch: StalledFiber.Watch
  private readonly closed: Deferred.Deferred<void>
  private readonly tasks: Map<number, WorkerTask> = new Map()
  private readonly outbox: Outbox<ToHost>

  constructor(
    port: MessagePort,
    control: ControlBlock.ControlBlock,
    entries: Entries,
    sections: SectionRunner,
    scheduler: PortScheduler,
    watch: StalledFiber.Watch,
    closed: Deferred.Deferred<void>
  ) {
    this.port = port
    this.control = control
    this.entries = entries
    this.sections = sections
    this.scheduler = scheduler
    this.watch = watch
    this.closed = closed
    this.outbox = new Outbox<ToHost>(port)
    this.outbox.onUnsendable = (message, problem) => this.unsendable(message, problem)
  }

  listen(): void {
    this.port.on("message", (raw: unknown) => {
      ControlBlock.beat(this.control)
      // What is of nobody's protocol comes from nobody that this worker serves.
      for (const message of decodeToWorker(raw) ?? []) this.take(message)
    })
    Lineage.toHost((message) => this.outbox.putNow(message))
    this.outbox.putNow({ _tag: "Ready" })
  }

  private take(message: ToWorker): void {
    switch (message._tag) {
      case "Start":
        return this.start(message)
      case "Stop":
        return this.tasks.get(message.id)?.stop(Codec.reasonFromWire(message.reason))
      case "Interrupt":
        return this.tasks.get(message.id)?.interrupt(Codec.reasonFromWire(message.reason))
      case "Raise":
        return this.tasks.get(message.id)?.raise(message.raise, message.error)
      case "Withdraw":
        for (const task of this.tasks.values()) task.withdraw(message.raise)
        return
      case "Pull":
        return this.tasks.get(message.id)?.pull(message.count)
      case "Acquired":
      case "Refused":
      case "Released":
        return this.tasks.get(message.id)?.broker.take(message)
      case "Unwound":
        return this.sections.ended(message.run)
      case "Repair":
        return this.repair(message.slot)
      case "Close":
        Deferred.doneUnsafe(this.closed, Effect.void)
        return
    }
  }

  /** Lets the fibers of a task go on, as interrupted, whose code was ended by force. */
  private repair(slot: number): void {
    for (const task of this.tasks.values()) {
      if (task.slot === slot) this.watch.repair(task.reason)
    }
  }

  private start({ id, slot, task: name, name: label, payload }: Extract<ToWorker, { readonly _tag: "Start" }>): void {
    const entry = this.entries.get(name)
    if (entry === undefined) {
      const defect = { name: "WorkerError", message: `The worker has no handler for "${name}"` }
      this.outbox.put({ _tag: "Exit", id, exit: { _tag: "Failure", cause: [{ _tag: "Die", defect }] } })
      return
    }
    const task = new WorkerTask({ id, slot, label, control: this.control, outbox: this.outbox, ...entry })
    this.tasks.set(id, task)
    this.scheduler.run(() => task.run(payload, () => this.tasks.delete(id)))
  }

  /** An answer that can't be cloned, though its Schema took it, is a defect of the task. */
  private unsendable(message: ToHost, problem: string): void {
    if (message._tag !== "Exit") return
    const defect = { name: "DataCloneError", message: problem }
    this.outbox.put({ ...message, exit: { _tag: "Failure", cause: [{ _tag: "Die", defect }] } })
  }
}

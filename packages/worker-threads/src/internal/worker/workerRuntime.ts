/**
 * What runs in a worker between `Ready` and `Close`: takes messages, runs tasks as threads, sends what came of them.
 *
 * Invariants:
 * 1. A task is in `tasks` from its `Start` until its exit has been sent; each `Start` is answered by one `Exit`.
 * 2. Messages for a task that is not there are for one that has ended, and are dropped, but for what its fibers need that
 *    outlive it.
 * 3. Before code of a task runs, the ring of starts has no entry that nobody will look at: its reader sleeps, or a
 *    message of the scheduler is under way. That code may be ended by force, or never end.
 * 4. Before code of a task runs, what tasks before it have said is sent: a value is in the ring and the host awake or
 *    called, and the outbox is empty. So no task that hogs the worker holds back the result of another.
 */
import * as Blocking from "@quiesce/core/Blocking"
import * as CancelReason from "@quiesce/core/CancelReason"
import * as Thread from "@quiesce/core/Thread"
import * as ThreadAdapter from "@quiesce/core/ThreadAdapter"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Rpc from "effect/rpc/Rpc"
import * as Scheduler from "effect/Scheduler"
import type * as Scope from "effect/Scope"
import * as Codec from "../wire/codec.ts"
import * as ControlBlock from "../wire/controlBlock.ts"
import * as CurrentTask from "../wire/currentTask.ts"
import { callHandler } from "../wire/handlerCall.ts"
import { mirrorLeases } from "../leases/leaseMirror.ts"
import { AdaptiveSpin } from "./adaptiveSpin.ts"
import * as ThreadDeaths from "../locks/threadDeaths.ts"
import { type Handshake, wakeUp } from "../wire/handshake.ts"
import { decodeToWorker, type ToHost, type ToWorker } from "../wire/message.ts"
import { Outbox } from "../wire/outbox.ts"
import { PortScheduler } from "../scheduler/portScheduler.ts"
import * as Ring from "../wire/ring.ts"
import type { SectionRunner } from "../unwind/worker/section.ts"
import * as SectionRunners from "../unwind/worker/sectionRunner.ts"
import { SlotTable } from "../wire/slotTable.ts"
import * as FiberGuard from "../unwind/worker/fiberGuard.ts"
import { SharedFlags } from "./sharedFlags.ts"
import { type Entry, type Run, type Worker, WorkerTask } from "./workerTask.ts"

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
  const outbox = new Outbox<ToHost>(handshake.port)
  const scheduler = new PortScheduler()
  const watch = FiberGuard.install({ scheduler, words: control.words, index: ControlBlock.word.section, taskOf })
  const body = Effect.gen(function* () {
    const closed = yield* Deferred.make<void>()
    const thread = yield* Thread.current
    const context = yield* Effect.context<never>()
    const runtime = new WorkerRuntime({
      handshake,
      control,
      outbox,
      entries: entries(context, scheduler),
      sections,
      scheduler,
      watch,
      closed,
      thread,
      context
    })
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

const taskOf = (fiber: Fiber.Fiber<unknown, unknown>): number | undefined => fiber.getRef(CurrentTask.Current)?.id

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
          Rpc.unwrap(
            callHandler(found.handler, payload, { rpc, client, headers, requestId: requestId(id) })
          ) as ReturnType<Run>,
        context: Context.merge(found.context, context)
      })
    }
    return entries
  }

const client = new Rpc.ServerClient(0)
const headers = {} as never
const requestId = (id: number): never => String(id) as never

interface Options {
  readonly handshake: Handshake
  readonly control: ControlBlock.ControlBlock
  readonly outbox: Outbox<ToHost>
  readonly entries: Entries
  readonly sections: SectionRunner
  readonly scheduler: PortScheduler
  readonly watch: FiberGuard.Watch
  readonly closed: Deferred.Deferred<void>
  readonly thread: Thread.Thread<unknown, unknown>
  readonly context: Context.Context<never>
}

/** How many tasks are taken from the ring before others have their turn. */
const startsAtOnce = 256

/** For how long tasks that come one by one are run before others have their turn. */
const budgetMillis = 0.5

class WorkerRuntime implements Worker {
  readonly control: ControlBlock.ControlBlock
  readonly outbox: Outbox<ToHost>
  readonly spawn: ThreadAdapter.SpawnBelow
  private readonly options: Options
  private readonly tasks: SlotTable<WorkerTask>
  /** The entries in the order in which the host knows them. */
  private readonly entriesByIndex: ReadonlyArray<Entry | undefined>
  private readonly slotFlags: Array<SharedFlags> = []
  private readonly starts: Ring.RingReader
  private readonly values: Ring.RingWriter
  private readonly adaptiveSpin: AdaptiveSpin

  constructor(options: Options) {
    this.options = options
    this.control = options.control
    this.outbox = options.outbox
    this.spawn = ThreadAdapter.spawnBelow(options.thread, options.context)
    this.entriesByIndex = options.handshake.names.map((name) => options.entries.get(name))
    this.starts = new Ring.RingReader(options.handshake.starts)
    this.values = new Ring.RingWriter(options.handshake.values)
    this.adaptiveSpin = new AdaptiveSpin(this.starts)
    this.outbox.onUnsendable = (message, problem) => this.unsendable(message, problem)
    this.tasks = new SlotTable(ControlBlock.slots(options.control))
    mirrorLeases(options.outbox, options.thread, this.tasks)
  }

  listen(): void {
    const { handshake, scheduler } = this.options
    // A task that hogs the worker holds nothing back that was said before it.
    scheduler.beforeTask = this.outbox.flush
    scheduler.beforeLine = this.readStarts
    handshake.port.on("message", (raw: unknown) => {
      ControlBlock.beat(this.control)
      // First, as messages may be for tasks that come from there.
      this.readStarts()
      // What is of nobody's protocol comes from nobody that this worker serves.
      if (raw !== wakeUp) for (const message of decodeToWorker(raw) ?? []) this.receive(message)
      this.runLine()
    })
    ThreadDeaths.reportTo((message) => this.outbox.putNow(message))
    this.outbox.putNow({ _tag: "Ready" })
  }

  /** Runs what is in line, and what comes right after. Whatever of it is ended by force, the ring's reader sleeps by then. */
  private runLine(): void {
    const { scheduler } = this.options
    const end = performance.now() + budgetMillis
    scheduler.runLine()
    while (this.tasks.size === 0 && performance.now() < end) {
      this.outbox.flush()
      if (!this.adaptiveSpin.watch()) return
      this.readStarts()
      scheduler.runLine()
    }
  }

  /** Puts tasks in line. One that is ended by force does not keep it from looking again. */
  private readonly readStarts = (): void => {
    const count = this.starts.read(this.takeStart, startsAtOnce)
    if (count > 1 || !this.starts.sleep()) this.options.scheduler.call()
  }

  private readonly takeStart: Ring.Take = (id, slot, index, payload) => {
    const name = this.options.handshake.names[index] ?? String(index)
    this.start(id, slot, this.entriesByIndex[index], name, payload, name)
  }

  private receive(message: ToWorker): void {
    switch (message._tag) {
      case "Start":
        return this.start(
          message.id,
          message.slot,
          this.options.entries.get(message.task),
          message.task,
          message.payload,
          message.name
        )
      case "Stop":
        return this.tasks.get(message.id)?.stop(Codec.reasonFromWire(message.reason))
      case "Interrupt":
        return this.tasks.get(message.id)?.interrupt(Codec.reasonFromWire(message.reason))
      case "Raise":
        return this.tasks.get(message.id)?.raise(message.raise, message.error)
      case "Withdraw":
        for (const task of this.tasks) task.withdraw(message.raise)
        return
      case "Pull":
        return this.tasks.get(message.id)?.pull(message.count)
      case "Acquired":
      case "Refused":
      case "Released":
        return this.tasks.get(message.id)?.broker.receive(message)
      case "Unwound":
        return this.options.sections.ended(message.run)
      case "Repair":
        return this.repair(message.id)
      case "Close":
        Deferred.doneUnsafe(this.options.closed, Effect.void)
        return
    }
  }

  /** Lets the fibers of a task go on, as interrupted, whose code was ended by force. They may outlive the task. */
  private repair(id: number): void {
    const reason = this.tasks.get(id)?.reason ?? CancelReason.interrupted("It was ended from outside")
    this.options.watch.repair(id, reason)
  }

  private start(
    id: number,
    slot: number,
    entry: Entry | undefined,
    name: string,
    payload: unknown,
    label: string
  ): void {
    if (entry === undefined) {
      const defect = { name: "WorkerError", message: `The worker has no handler for "${name}"` }
      this.outbox.put({ _tag: "Exit", id, exit: { _tag: "Failure", cause: [{ _tag: "Die", defect }] } })
      return
    }
    const task = new WorkerTask(id, slot, this, entry, payload, label)
    this.tasks.add(task)
    this.options.scheduler.add(task.run, 0)
  }

  // For the tasks.

  flags(slot: number): SharedFlags {
    return (this.slotFlags[slot] ??= new SharedFlags(this.control, slot))
  }

  sendValue(id: number, value: unknown): boolean {
    if (!this.values.write(id, 0, 0, value)) return false
    if (this.values.mustWake()) this.options.handshake.port.postMessage(wakeUp)
    return true
  }

  ended(task: WorkerTask): void {
    this.tasks.delete(task)
  }

  /** An answer that can't be cloned, though its Schema took it, is a defect of the task. */
  private unsendable(message: ToHost, problem: string): void {
    if (message._tag !== "Exit") return
    const defect = { name: "DataCloneError", message: problem }
    this.outbox.put({ ...message, exit: { _tag: "Failure", cause: [{ _tag: "Die", defect }] } })
  }
}

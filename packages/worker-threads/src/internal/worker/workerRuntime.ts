/**
 * Serves a worker from `Ready` to `Close`: receives messages, runs tasks as threads and sends their results.
 *
 * Invariants:
 * 1. A task is in `tasks` from its `Start` until its exit has been sent. Each `Start` is answered by one `Exit`.
 * 2. Messages for a task that is not in `tasks` are dropped, because the task has ended. Only `Repair` still reaches
 *    the fibers that outlive their task.
 * 3. Before code of a task runs, no entry in the ring of starts is left unnoticed: the reader sleeps, or a message of
 *    the scheduler is under way. The code may be ended by force, or never end.
 * 4. Before code of a task runs, all results of earlier tasks are sent: each value is in the ring, the host is awake or
 *    being woken, and the outbox is empty. A task that blocks the worker therefore delays no result of another.
 */
import * as Blocking from "@quiesce/core/Blocking"
import * as CancelReason from "@quiesce/core/CancelReason"
import * as Thread from "@quiesce/core/Thread"
import * as ThreadAdapter from "@quiesce/core/adapter"
import { CurrentThreadSpan, messageOf } from "@quiesce/core/internal"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Rpc from "effect/rpc/Rpc"
import * as Scheduler from "effect/Scheduler"
import type * as Scope from "effect/Scope"
import * as Codec from "../wire/codec.ts"
import * as ControlBlock from "../wire/controlBlock.ts"
import { word } from "../wire/controlBlock.ts"
import * as CurrentTask from "../wire/currentTask.ts"
import type { Envelope } from "../wire/envelope.ts"
import { callHandler } from "../wire/handlerCall.ts"
import { mirrorLeases } from "../leases/leaseMirror.ts"
import { AdaptiveSpin } from "./adaptiveSpin.ts"
import * as Middleware from "./middleware.ts"
import * as ThreadDeaths from "../locks/threadDeaths.ts"
import { type Handshake, wakeUp } from "../wire/handshake.ts"
import type { ToHost, ToWorker } from "../wire/message.ts"
import { decodeToWorker } from "../wire/toWorker.ts"
import { Outbox } from "../wire/outbox.ts"
import { PortScheduler } from "../scheduler/portScheduler.ts"
import * as Ring from "../wire/ring.ts"
import type { SectionRunner } from "../unwind/worker/section.ts"
import * as SectionRunners from "../unwind/worker/sectionRunner.ts"
import { SlotTable } from "../wire/slotTable.ts"
import type { Trace } from "../wire/trace.ts"
import * as FiberGuard from "../unwind/worker/fiberGuard.ts"
import { SharedFlags } from "./sharedFlags.ts"
import { type Entry, type Run, type Worker, WorkerTask } from "./workerTask.ts"

/** The tasks that a worker serves. */
export interface Entries {
  readonly get: (name: string) => Entry | undefined
}

/**
 * Serves the result of `entries` until the host closes the worker. `entries` gets the context of tasks and their
 * scheduler. All tasks end with the current scope. `handlerProblem` says why the fiber of an RPC handler can't be found.
 */
export const serve = (
  entries: (context: Context.Context<never>, scheduler: PortScheduler) => Entries,
  handshake: Handshake,
  handlerProblem?: string
): Effect.Effect<void, never, Scope.Scope> => {
  const control = ControlBlock.fromBuffer(handshake.control)
  const sections = SectionRunners.make(control)
  const outbox = new Outbox<ToHost>(handshake.port)
  const scheduler = new PortScheduler()
  const watch = FiberGuard.install({ scheduler, words: control.words, index: word.section, taskOf, handlerProblem })
  const body = Effect.gen(function* () {
    const closed = yield* Deferred.make<void>()
    const thread = yield* Thread.current
    const context = Context.add(yield* Effect.context<never>(), CurrentThreadSpan, spanBelow(thread))
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
    runtime.listen(yield* Effect.fiberId)
    yield* Deferred.await(closed)
  })
  // Tasks are children of this thread, and end with it.
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

/** The threads of tasks have the spans of handlers. */
const spanBelow = (thread: object) => ({ below: thread, prefix: "ThreadWorker", kind: "server" as const })

const taskOf = (fiber: Fiber.Fiber<unknown, unknown>): number | undefined => fiber.getRef(CurrentTask.Current)?.id

/** The entries of a contract and its handlers. */
export const entriesOf =
  (requests: ReadonlyMap<string, Rpc.Any>, handlers: ReadonlyMap<string, unknown>) =>
  (context: Context.Context<never>): Entries => {
    const entries = new Map<string, Entry>()
    for (const [tag, any] of requests) {
      // Every Rpc has its schemas; the group's type only forgets them.
      const rpc = any as unknown as Rpc.AnyWithProps
      const found = handlers.get(rpc.key) as Rpc.Handler<string> | undefined
      if (found === undefined) continue
      const wrap = Middleware.of(rpc, handlers)
      const services = Context.merge(Context.makeUnsafe(handlers), found.context)
      entries.set(tag, {
        codec: Codec.of(rpc),
        ...(wrap === undefined ? bare(rpc, found) : guarded(rpc, found, wrap)),
        services,
        context: Context.merge(services, context)
      })
    }
    return entries
  }

type Calls = Pick<Entry, "run" | "around">

/** Calls of a contract without middleware. Effect defines the arguments of a handler; the unused ones are empty. */
const bare = (rpc: Rpc.AnyWithProps, { handler }: Rpc.Handler<string>): Calls => ({
  run: (payload, { id }) =>
    Rpc.unwrap(callHandler(handler, payload, { rpc, client, headers, requestId: requestId(id) })) as ReturnType<Run>,
  around: undefined
})

/** Calls of a contract with middleware. Their decoded payload is an envelope. */
const guarded = (rpc: Rpc.AnyWithProps, { handler }: Rpc.Handler<string>, wrap: Middleware.Wrap): Calls => ({
  run: (envelope, { id }) => {
    const { headers, payload } = envelope as Envelope
    return Rpc.unwrap(
      callHandler(handler, payload, { rpc, client, headers, requestId: requestId(id) })
    ) as ReturnType<Run>
  },
  around: (task, envelope, { id }) => {
    const { headers, payload } = envelope as Envelope
    return wrap(task, { rpc, client, headers, payload, requestId: requestId(id) })
  }
})

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

/** How many tasks are taken from the ring before other work gets a turn. */
const startsAtOnce = 256

/** How long single tasks are run before other work gets a turn, in milliseconds. */
const budgetMillis = 0.5

class WorkerRuntime implements Worker {
  readonly control: ControlBlock.ControlBlock
  readonly outbox: Outbox<ToHost>
  readonly spawn: ThreadAdapter.SpawnBelow
  private readonly options: Options
  private readonly tasks: SlotTable<WorkerTask>
  /** The entries in the order of the handshake. */
  private readonly entriesByIndex: ReadonlyArray<Entry | undefined>
  private readonly slotFlags: Array<SharedFlags> = []
  private readonly starts: Ring.RingReader
  private readonly values: Ring.RingWriter
  private readonly adaptiveSpin: AdaptiveSpin
  /** Whether the last look at the ring has found several tasks. */
  private foundSeveral = false
  private fiber = 0

  constructor(options: Options) {
    this.options = options
    this.control = options.control
    this.outbox = options.outbox
    this.spawn = ThreadAdapter.spawnBelow(options.thread, options.context)
    this.entriesByIndex = options.handshake.names.map((name) => options.entries.get(name))
    this.starts = new Ring.RingReader(options.handshake.starts)
    this.values = new Ring.RingWriter(options.handshake.values)
    this.adaptiveSpin = new AdaptiveSpin(this.starts)
    this.outbox.onUnsendable = (message, cause) => this.unsendable(message, messageOf(cause))
    this.tasks = new SlotTable(ControlBlock.slots(options.control))
    mirrorLeases(options.thread, this.tasks)
  }

  /** `fiber` is the id of the fiber that counts as interrupting the tasks. */
  listen(fiber: number): void {
    this.fiber = fiber
    const { handshake, scheduler } = this.options
    // Earlier messages are sent before a task can block the worker.
    scheduler.beforeTask = this.outbox.flush
    scheduler.serve = () => {
      this.readStarts()
      this.runLine()
    }
    handshake.port.on("message", (raw: unknown) => {
      ControlBlock.beat(this.control)
      // All starts come first, because a message may be for any task in the ring.
      this.readStarts(raw === wakeUp ? startsAtOnce : Infinity)
      // Messages outside the protocol are ignored.
      if (raw !== wakeUp) for (const message of decodeToWorker(raw) ?? []) this.receive(message)
      this.runLine()
    })
    // The port may have an earlier listener, which does not keep the worker alive.
    handshake.port.ref()
    ThreadDeaths.reportTo((message) => this.outbox.putNow(message))
    const { problem, unwind } = this.options.watch.selfCheck
    this.outbox.putNow({ _tag: "Ready", unwind, problem })
  }

  /**
   * Runs the queued tasks and further tasks that come at once. While code may be ended by force, the ring's reader
   * sleeps.
   */
  private runLine(): void {
    const { scheduler } = this.options
    const end = performance.now() + budgetMillis
    scheduler.runLine()
    while (this.tasks.size === 0 && performance.now() < end) {
      this.outbox.flush()
      if (!this.adaptiveSpin.watch(this.foundSeveral)) return
      this.readStarts()
      scheduler.runLine()
    }
  }

  /** Queues the tasks in the ring, and looks again even if a task is ended by force. */
  private readStarts(most: number = startsAtOnce): void {
    const count = this.starts.read(this.takeStart, most)
    this.foundSeveral = count > 1
    if (count > 1 || !this.starts.sleep()) this.options.scheduler.call()
  }

  private readonly takeStart: Ring.Take = (id, slot, index, payload) => {
    const name = this.options.handshake.names[index] ?? String(index)
    this.start(id, slot, this.entriesByIndex[index], name, payload, name, null)
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
          message.name,
          message.trace
        )
      case "Stop":
        return this.tasks.get(message.id)?.stop(Codec.reasonFromWire(message.reason))
      case "Interrupt":
        return this.interruptAll(message.ids, Codec.reasonFromWire(message.reason))
      case "Raise":
        return this.tasks.get(message.id)?.raise(message.raise, message.error)
      case "Withdraw":
        for (const task of this.tasks) task.withdraw(message.raise)
        return
      case "Commit":
        for (const task of this.tasks) task.commit(message.raise)
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

  private interruptAll(ids: ReadonlyArray<number>, reason: CancelReason.CancelReason): void {
    for (const id of ids) this.tasks.get(id)?.interrupt(reason, this.fiber)
    this.options.sections.endClaimed()
  }

  /** Resumes, as interrupted, the fibers of a task whose code was ended by force. Fibers may outlive their task. */
  private repair(id: number): void {
    const reason = this.tasks.get(id)?.reason ?? CancelReason.interrupted({ message: "It was ended from outside" })
    this.options.watch.repair(id, reason)
  }

  private start(
    id: number,
    slot: number,
    entry: Entry | undefined,
    name: string,
    payload: unknown,
    label: string,
    trace: Trace | null
  ): void {
    if (entry === undefined) {
      const defect = { name: "WorkerError", message: `The worker has no handler for "${name}"` }
      this.outbox.put({ _tag: "Exit", id, exit: { _tag: "Failure", cause: [{ _tag: "Die", defect }] } })
      return
    }
    const task = new WorkerTask(id, slot, this, entry, payload, label, trace)
    this.tasks.add(task)
    this.options.scheduler.add(task.run, 0)
  }

  // ---- Called by the tasks ----

  flags(slot: number): SharedFlags {
    return (this.slotFlags[slot] ??= new SharedFlags(this.control, slot))
  }

  readonly write = (id: number, kind: number, lease: number, content: unknown): boolean => {
    if (!this.values.write(id, kind, lease, content)) return false
    if (this.values.mustWake()) this.options.handshake.port.postMessage(wakeUp)
    return true
  }

  ended(task: WorkerTask): void {
    this.tasks.delete(task)
  }

  /** A result that can't be cloned fails its task, even if its Schema accepts the result. */
  private unsendable(message: ToHost, problem: string): void {
    if (message._tag === "Exit") this.outbox.put({ _tag: "Unsendable", id: message.id, problem })
  }
}

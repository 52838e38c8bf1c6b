/**
 * The host's line to the engine of its workers: V8's inspector, by way of Node's `NodeWorker` domain.
 *
 * Only the main thread has this domain, and the domain knows workers at every depth. If the host is a worker itself, its
 * line goes through a relay and the main thread. The line works while the main thread loops or waits in JavaScript, but not
 * while the main thread is in native code.
 *
 * Invariants:
 * 1. A connection is open only while it is used or held, because Node waits at exit for open connections. The connection is
 *    opened before its worker starts: a new connection lists all existing workers, one by one, and Node may take the whole
 *    process down if a worker ends at that moment.
 * 2. A connection detaches at once from each worker that it was not opened for, so that other debuggers notice nothing.
 * 3. A worker is identified by its thread id, which stands in the title of its target. Each user of a worker gets one
 *    notification that the worker is attached, and then one that the worker is gone.
 */
import type { Worker } from "node:worker_threads"
import { messageOf } from "@quiesce/core/internal"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Attachment } from "./attachment.ts"
import { problem, type Problem } from "./inspectorProblem.ts"
import * as MainSession from "./mainSession.ts"

/** Opens a connection before a worker starts, until the result is called. Throws if no connection is possible. */
export const hold = (): (() => void) => (current ??= new Connection()).hold()

/**
 * Attaches to a worker until the scope closes.
 *
 * *Cancellation*: the worker is detached again. The connection closes with its last user.
 */
export const attach = (worker: Worker): Effect.Effect<Attachment, Problem, Scope.Scope> =>
  Effect.flatMap(
    Effect.acquireRelease(
      Effect.suspend(() => join(worker.threadId)),
      (user) => Effect.sync(() => user.leave())
    ),
    ({ attachment }) => Effect.raceFirst(awaitAttached(worker, attachment), attachment.whenGone)
  )

/**
 * Attaches to a thread that another thread may have started, until the scope closes. Waits for ever if the thread has
 * ended.
 *
 * *Cancellation*: the thread is detached again.
 */
export const attachThread = (threadId: number): Effect.Effect<Attachment, Problem, Scope.Scope> =>
  Effect.flatMap(
    Effect.acquireRelease(
      Effect.suspend(() => join(threadId)),
      (user) => Effect.sync(() => user.leave())
    ),
    ({ attachment }) => Effect.callback((resume) => attachment.onAttached(() => resume(Effect.succeed(attachment))))
  )

const awaitAttached = (worker: Worker, attachment: Attachment): Effect.Effect<Attachment, Problem> =>
  Effect.callback((resume) => {
    const exited = () => resume(Effect.fail(problem("The worker ended before it could be attached to")))
    worker.once("exit", exited)
    attachment.onAttached(() => {
      worker.off("exit", exited)
      resume(Effect.succeed(attachment))
    })
    return Effect.sync(() => worker.off("exit", exited))
  })

interface User {
  readonly attachment: Attachment
  readonly leave: () => void
}

/** The youngest connection. Older connections stay open for their users. */
let current: Connection | undefined

const join = (threadId: number): Effect.Effect<User, Problem> => {
  // -1 is the thread id of a worker that has ended.
  if (threadId < 0) return Effect.fail(problem("The worker has ended"))
  try {
    // A connection learns of each worker once. A connection that has detached from this worker can't attach again.
    if (current?.isFor(threadId) !== true) current = new Connection()
    return Effect.succeed(current.join(threadId))
  } catch (cause) {
    return Effect.fail(problem(messageOf(cause)))
  }
}

interface WorkerInfo {
  readonly title: string
}

class Connection {
  private readonly session: MainSession.MainSession
  /** The users of each worker, by its thread id. */
  private readonly byThread = new Map<number, Attachment>()
  private readonly bySession = new Map<string, Attachment>()
  /** The sessions of workers without a user, by thread id. */
  private readonly newcomers = new Map<number, string>()
  /** The highest thread id that the connection has learned of. */
  private newest = 0
  private holders = 0
  private state: "Connected" | "Enabled" | "Closed" = "Connected"

  constructor() {
    this.session = MainSession.open({
      notified: (method, params) => this.notified(method, params),
      lost: () => this.lost()
    })
    process.once("exit", this.close)
  }

  /** The shapes are from the inspector's protocol. */
  private notified(method: string, params: unknown): void {
    switch (method) {
      case "NodeWorker.attachedToWorker": {
        const { sessionId, workerInfo } = params as { readonly sessionId: string; readonly workerInfo: WorkerInfo }
        return this.attached(sessionId, workerInfo.title)
      }
      case "NodeWorker.detachedFromWorker":
        return this.detached((params as { readonly sessionId: string }).sessionId)
      case "NodeWorker.receivedMessageFromWorker": {
        const { message, sessionId } = params as { readonly sessionId: string; readonly message: string }
        return this.bySession.get(sessionId)?.receive(message)
      }
    }
  }

  /** No worker can be reached any more. */
  private lost(): void {
    for (const attachment of this.byThread.values()) attachment.gone()
    this.close()
  }

  /** Whether the connection can attach to a worker: it will learn of the worker, or has in this turn. */
  isFor(threadId: number): boolean {
    return !this.byThread.has(threadId) && (threadId > this.newest || this.newcomers.has(threadId))
  }

  hold(): () => void {
    this.holders++
    this.enable()
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      this.holders--
      this.closeIfUnused()
    }
  }

  join(threadId: number): User {
    const attachment = new Attachment(threadId)
    this.byThread.set(threadId, attachment)
    const sessionId = this.newcomers.get(threadId)
    this.newcomers.delete(threadId)
    if (sessionId !== undefined) this.use(sessionId, attachment)
    // `enable` reports the existing workers at once, so the wanted worker must be known before.
    this.enable()
    return { attachment, leave: () => this.leave(attachment) }
  }

  private enable(): void {
    if (this.state !== "Connected") return
    this.state = "Enabled"
    this.session.post("NodeWorker.enable", { waitForDebuggerOnStart: false })
  }

  private leave(attachment: Attachment): void {
    this.byThread.delete(attachment.threadId)
    const sessionId = attachment.sessionId
    attachment.gone()
    if (sessionId !== undefined && this.bySession.delete(sessionId)) this.detach(sessionId)
    this.closeIfUnused()
  }

  private detach(sessionId: string): void {
    if (this.state !== "Closed") this.session.post("NodeWorker.detach", { sessionId })
  }

  private closeIfUnused(): void {
    if (this.byThread.size === 0 && this.holders === 0) this.close()
  }

  private readonly close = (): void => {
    if (this.state === "Closed") return
    this.state = "Closed"
    if (current === this) current = undefined
    process.off("exit", this.close)
    this.session.close()
  }

  private attached(sessionId: string, title: string): void {
    // The worker was reported at the moment of its end.
    if (this.state === "Closed") return
    const threadId = Number(/^\[worker (\d+)\]/.exec(title)?.[1] ?? NaN)
    this.newest = Math.max(this.newest, threadId || 0)
    const attachment = this.byThread.get(threadId)
    if (attachment !== undefined) return this.use(sessionId, attachment)
    this.newcomers.set(threadId, sessionId)
    // The starter of the worker may ask for it later in this turn.
    setImmediate(() => {
      if (this.newcomers.delete(threadId)) this.detach(sessionId)
    }).unref()
  }

  private use(sessionId: string, attachment: Attachment): void {
    this.bySession.set(sessionId, attachment)
    attachment.attach(sessionId, (message, failed) => {
      this.session.post("NodeWorker.sendMessageToWorker", { sessionId, message }, failed)
    })
  }

  private detached(sessionId: string): void {
    const attachment = this.bySession.get(sessionId)
    this.bySession.delete(sessionId)
    attachment?.gone()
    for (const [threadId, newcomer] of this.newcomers) if (newcomer === sessionId) this.newcomers.delete(threadId)
  }
}

/**
 * The host's line to the engine of its workers: V8's inspector, by way of Node's `NodeWorker` domain.
 *
 * Only the main thread has this domain, and the domain knows workers at every depth. If the host is a worker itself, its
 * line goes through a relay and the main thread. The line works while the main thread loops or waits in JavaScript, but not
 * while the main thread is in native code.
 *
 * Invariants:
 * 1. The main thread keeps its first connection until the process exits. A new connection lists all existing workers, one
 *    by one, in the middle of JavaScript, and Node takes the whole process down if the listed worker ends at that moment.
 *    The connection is opened before its worker starts. It also learns of the workers that start while nobody uses or holds
 *    it, because each of them may get a user later. It has no listener then, so that it is no left-over of its first user;
 *    Node does not wait for it at exit.
 *    A connection through a relay lists workers where no JavaScript runs. It is therefore open only while it is used or
 *    held.
 * 2. There is no second connection beside the first, for the same reason. A user that leaves a worker turns the debugger of
 *    the worker off, and leaves the session to the next user of the worker.
 * 3. A connection stays attached to each worker that may still get a user, but sends nothing to it. The worker pays nothing,
 *    and other debuggers notice nothing.
 * 4. A worker is identified by its thread id, which stands in the title of its target. Each user of a worker gets one
 *    notification that the worker is attached, and then one that the worker is gone.
 */
import { isMainThread, type Worker } from "node:worker_threads"
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
 * *Cancellation*: the debugger of the worker is off again. The connection closes with its last user.
 */
export const attach = (worker: Worker): Effect.Effect<Attachment, Problem, Scope.Scope> =>
  Effect.flatMap(
    Effect.acquireRelease(
      // The worker tells of its end itself. A thread that was started later may have been reported first.
      Effect.suspend(() => join(worker.threadId, true)),
      (user) => Effect.sync(() => user.leave())
    ),
    ({ attachment }) => Effect.raceFirst(awaitAttached(worker, attachment), attachment.whenGone)
  )

/**
 * Attaches to a thread that another thread may have started, until the scope closes. Fails if the thread has ended or has a
 * user.
 *
 * *Cancellation*: the debugger of the thread is off again.
 */
export const attachThread = (threadId: number): Effect.Effect<Attachment, Problem, Scope.Scope> =>
  Effect.flatMap(
    Effect.acquireRelease(
      Effect.suspend(() => join(threadId, false)),
      (user) => Effect.sync(() => user.leave())
    ),
    ({ attachment }) =>
      Effect.raceFirst(
        Effect.callback<Attachment>((resume) => attachment.onAttached(() => resume(Effect.succeed(attachment)))),
        attachment.whenGone
      )
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

/** The one connection of this thread. */
let current: Connection | undefined

/** `isComing`: the connection will learn of the thread, or the caller will learn of its end. */
const join = (threadId: number, isComing: boolean): Effect.Effect<User, Problem> => {
  // -1 is the thread id of a worker that has ended.
  if (threadId < 0) return Effect.fail(problem("The worker has ended"))
  try {
    current ??= new Connection()
    return current.hasNoUser(threadId) && (isComing || current.isFor(threadId))
      ? Effect.succeed(current.join(threadId))
      : Effect.fail(problem("The worker has ended, has a user, or was not started by this toolkit"))
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
  /** The thread id of each attached worker, by its session. */
  private readonly threads = new Map<string, number>()
  /** The sessions of workers without a user, by thread id. */
  private readonly unused = new Map<number, string>()
  /** The highest thread id that the connection has learned of. */
  private newest = 0
  private holders = 0
  private state: "Connected" | "Enabled" | "Closed" = "Connected"
  private isUsed = false

  constructor() {
    this.session = MainSession.open({
      notified: (method, params) => this.notified(method, params),
      lost: () => this.lost()
    })
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
        return this.userOf(sessionId)?.receive(message)
      }
    }
  }

  private userOf(sessionId: string): Attachment | undefined {
    const threadId = this.threads.get(sessionId)
    return threadId === undefined ? undefined : this.byThread.get(threadId)
  }

  /** No worker can be reached any more. */
  private lost(): void {
    for (const attachment of this.byThread.values()) attachment.gone()
    this.close()
  }

  /** Whether the connection will learn of the worker, or has a session without a user. */
  isFor(threadId: number): boolean {
    return threadId > this.newest || this.unused.has(threadId)
  }

  hasNoUser(threadId: number): boolean {
    return !this.byThread.has(threadId)
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
    const sessionId = this.unused.get(threadId)
    if (sessionId !== undefined) this.use(sessionId, attachment)
    // `enable` reports the existing workers at once, so the wanted worker must be known before.
    this.enable()
    return { attachment, leave: () => this.leave(attachment) }
  }

  private enable(): void {
    this.closeAtExit()
    if (this.state !== "Connected") return
    this.state = "Enabled"
    this.session.post("NodeWorker.enable", { waitForDebuggerOnStart: false })
  }

  /** The session stays for the next user. */
  private leave(attachment: Attachment): void {
    const { sessionId, threadId } = attachment
    this.byThread.delete(threadId)
    attachment.leave()
    if (sessionId !== undefined && this.threads.has(sessionId)) this.unused.set(threadId, sessionId)
    this.closeIfUnused()
  }

  private closeAtExit(): void {
    if (this.isUsed) return
    this.isUsed = true
    // At the exit of a worker, its relay ends as well, and a request to the main thread would come too late.
    if (isMainThread) process.once("exit", this.close)
  }

  private closeIfUnused(): void {
    if (this.byThread.size > 0 || this.holders > 0) return
    if (!isMainThread || this !== current) return this.close()
    this.isUsed = false
    process.off("exit", this.close)
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
    this.threads.set(sessionId, threadId)
    const attachment = this.byThread.get(threadId)
    if (attachment === undefined) this.unused.set(threadId, sessionId)
    else this.use(sessionId, attachment)
  }

  private use(sessionId: string, attachment: Attachment): void {
    this.unused.delete(attachment.threadId)
    attachment.attach(sessionId, (message, failed) => {
      if (this.state === "Closed") failed("The connection has ended")
      else this.session.post("NodeWorker.sendMessageToWorker", { sessionId, message }, failed)
    })
  }

  private detached(sessionId: string): void {
    const attachment = this.userOf(sessionId)
    const threadId = this.threads.get(sessionId)
    this.threads.delete(sessionId)
    if (threadId !== undefined) this.unused.delete(threadId)
    attachment?.gone()
  }
}

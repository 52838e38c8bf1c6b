/**
 * The inspector's line to one worker: requests with their replies, and events.
 *
 * Invariants:
 * 1. Each request is answered once: by the worker's reply, or by a problem if the worker is gone.
 * 2. The fast path of `JSON.stringify` is off while a request has no answer, because the worker may not look at the request
 *    otherwise.
 * 3. No two requests of this thread have the same number, because the next user of the session gets the replies that an
 *    earlier user did not wait for.
 * 4. Code that ends or pauses the worker's code holds `exclusive`, because the engine handles one such request at a time.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import * as StringifyFastPath from "../wire/stringifyFastPath.ts"
import { problem, type Problem } from "./inspectorProblem.ts"

type Send = (message: string, failed: (why: string) => void) => void
type Reply = (outcome: Result.Result<unknown, Problem>) => void

/** A request without its answer. A caller that was cancelled has no `reply` any more. */
interface Pending {
  readonly since: number
  readonly reply: Reply | undefined
  readonly turnFastPathOn: () => void
}

interface Incoming {
  readonly id?: number
  readonly method?: string
  readonly params?: unknown
  readonly result?: unknown
  readonly error?: { readonly message?: string }
}

type State =
  | { readonly _tag: "Waiting"; readonly attached: Array<() => void> }
  | { readonly _tag: "Attached"; readonly sessionId: string; readonly send: Send }
  | { readonly _tag: "Gone" }

/** Enabling the debugger may take more than 100 ms in a worker with a large heap, and sends an event for each script. */
const deafMillis = 500

let lastId = 0

export class Attachment {
  readonly threadId: number
  readonly exclusive: Semaphore.Semaphore = Semaphore.makeUnsafe(1)
  private readonly ended = Deferred.makeUnsafe<never, Problem>()
  private state: State = { _tag: "Waiting", attached: [] }
  private readonly requests = new Map<number, Pending>()
  private readonly listeners = new Map<string, (params: unknown) => void>()
  private isDebugging = false
  private lastHeard = 0
  /** The halts that have begun and are not over: the worker may still come to a halt. */
  halts = 0

  constructor(threadId: number) {
    this.threadId = threadId
  }

  get sessionId(): string | undefined {
    return this.state._tag === "Attached" ? this.state.sessionId : undefined
  }

  /**
   * Whether the engine has left a request unanswered for some time, and has sent nothing else. An idle worker would reply at
   * once.
   */
  get isDeaf(): boolean {
    // The requests are in the order of their sending.
    const [oldest] = this.requests.values()
    return oldest !== undefined && Math.max(oldest.since, this.lastHeard) <= performance.now() - deafMillis
  }

  /** Whether a request has no answer. */
  get isBusy(): boolean {
    return this.requests.size > 0 || this.halts > 0
  }

  /** Fails when the worker is gone. A gone worker sends no more events. */
  get whenGone(): Effect.Effect<never, Problem> {
    return Deferred.await(this.ended)
  }

  /** Sends a request to the worker's engine. The engine can reply in the middle of a loop. */
  post(method: string, params?: Readonly<Record<string, unknown>>): Effect.Effect<unknown, Problem> {
    return Effect.callback((resume) => {
      const id = this.send(method, params, (outcome) => resume(Effect.fromResult(outcome)))
      return Effect.sync(() => this.dropReply(id))
    })
  }

  /** Sends a request, and calls `reply` once. */
  send(method: string, params?: Readonly<Record<string, unknown>>, reply?: Reply): number {
    const id = ++lastId
    if (this.state._tag !== "Attached") {
      reply?.(Result.fail(problem("The worker is gone")))
      return id
    }
    this.requests.set(id, { since: performance.now(), reply, turnFastPathOn: StringifyFastPath.turnOff() })
    if (method === "Debugger.enable" || method === "Debugger.disable") this.isDebugging = method === "Debugger.enable"
    this.state.send(JSON.stringify({ id, method, params }), (why) => this.answer(id, Result.fail(problem(why))))
    return id
  }

  /** Sets the one listener of an event. The result removes the listener. */
  listen(event: string, listener: (params: unknown) => void): () => void {
    this.listeners.set(event, listener)
    return () => {
      if (this.listeners.get(event) === listener) this.listeners.delete(event)
    }
  }

  onAttached(f: () => void): void {
    if (this.state._tag === "Waiting") this.state.attached.push(f)
    else if (this.state._tag === "Attached") f()
  }

  // For the connection only.

  attach(sessionId: string, send: Send): void {
    const state = this.state
    this.state = { _tag: "Attached", sessionId, send }
    if (state._tag === "Waiting") for (const f of state.attached) f()
  }

  receive(text: string): void {
    this.lastHeard = performance.now()
    // The shape is from the inspector's protocol. Other fields are ignored.
    const message = JSON.parse(text) as Incoming
    if (message.id !== undefined) {
      const { error, result } = message
      this.answer(
        message.id,
        error === undefined ? Result.succeed(result) : Result.fail(problem(error.message ?? "refused"))
      )
    } else if (message.method !== undefined) {
      this.listeners.get(message.method)?.(message.params)
    }
  }

  /** The user leaves. A halted worker runs on, because the engine resumes it when the debugger is turned off. */
  leave(): void {
    if (this.isDebugging) this.send("Debugger.disable")
    this.gone()
  }

  gone(): void {
    this.state = { _tag: "Gone" }
    Deferred.doneUnsafe(this.ended, Effect.fail(problem("The worker is gone")))
    for (const id of this.requests.keys()) this.answer(id, Result.fail(problem("The worker is gone")))
  }

  /** The worker still takes the request. */
  private dropReply(id: number): void {
    const request = this.requests.get(id)
    if (request !== undefined) this.requests.set(id, { ...request, reply: undefined })
  }

  private answer(id: number, outcome: Result.Result<unknown, Problem>): void {
    const request = this.requests.get(id)
    if (request === undefined) return
    this.requests.delete(id)
    try {
      request.reply?.(outcome)
    } finally {
      // After the reply, because a cancelled task waits for the reply.
      request.turnFastPathOn()
    }
  }
}

/**
 * The worker's side of the host leases of one task: asks the host to acquire a lease and to release it. A broker also
 * asks on behalf of the workers of this worker.
 *
 * Invariants:
 * 1. Each number is asked for once. After a success or a cancelled request, `Release` is sent once, and its answer is
 *    awaited.
 * 2. After `close` nothing waits, and each further request is refused.
 * 3. Numbers belong to this thread. The numbers of a worker's worker never reach the host.
 */
import { messageOf } from "@quiesce/core/internal"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as WorkerError from "../../WorkerError.ts"
import * as Codec from "../wire/codec.ts"
import type { TaskCodec } from "../wire/wire.ts"
import type { Broker } from "../wire/currentTask.ts"
import type { EncodedExit, ToHost, ToWorker } from "../wire/message.ts"
import type { Outbox } from "../wire/outbox.ts"

/** The codec of a scope's exit, without its value. */
export const scopeExit: TaskCodec = Codec.make("scope", {
  payload: Schema.Void,
  success: Schema.Void,
  error: Schema.Never
})

type Answer = Extract<ToWorker, { readonly _tag: "Acquired" | "Refused" | "Released" }>
type Asked = Effect.Effect<EncodedExit, WorkerError.WorkerError>

let last = 0

export class LeaseBroker implements Broker {
  private readonly id: number
  private readonly outbox: Outbox<ToHost>
  private readonly asking: Map<number, { readonly name: string; readonly resume: (answer: Asked) => void }> = new Map()
  private readonly releasing: Map<number, (problem: string | null) => void> = new Map()
  private isClosed = false

  constructor(id: number, outbox: Outbox<ToHost>) {
    this.id = id
    this.outbox = outbox
  }

  acquire(codec: TaskCodec, payload: unknown): Effect.Effect<unknown, unknown, Scope.Scope> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Scope.Scope, (scope) => {
        const lease = ++last
        const asked = Effect.flatMap(restore(this.encode(lease, codec, payload)), (exit) =>
          this.read(lease, codec, exit)
        )
        return this.cancelAsRelease(
          lease,
          Effect.tap(asked, () => Scope.addFinalizerExit(scope, (exit) => this.release(lease, exit)))
        )
      })
    )
  }

  /**
   * Asks on behalf of a worker of this worker. The contract need not be known here, because payload and value pass
   * through in encoded form.
   */
  forward(name: string, payload: unknown): Effect.Effect<EncodedExit, WorkerError.WorkerError, Scope.Scope> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Scope.Scope, (scope) => {
        const lease = ++last
        const asked = Effect.tap(restore(this.ask(lease, name, payload, [])), ({ _tag }) =>
          _tag === "Success" ? Scope.addFinalizerExit(scope, (exit) => this.release(lease, exit)) : Effect.void
        )
        return this.cancelAsRelease(lease, asked)
      })
    )
  }

  private cancelAsRelease<A, E>(lease: number, held: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.onExitPrimitive(held, (exit) =>
      // The host may have acquired the lease by now.
      Exit.isFailure(exit) && Cause.hasInterrupts(exit.cause) ? this.release(lease, exit) : undefined
    )
  }

  /** Receives an answer of the host. */
  receive(answer: Answer): void {
    switch (answer._tag) {
      case "Acquired":
        return this.asking.get(answer.lease)?.resume(Effect.succeed(answer.exit))
      case "Refused": {
        const asking = this.asking.get(answer.lease)
        return asking?.resume((answer.unknown ? unknownLease : refused)(asking.name, answer.problem))
      }
      case "Released":
        return this.releasing.get(answer.lease)?.(answer.problem)
    }
  }

  /** The task has ended; the host releases its remaining leases by itself. */
  close(): void {
    this.isClosed = true
    for (const { name, resume } of this.asking.values()) resume(refused(name, "the task has ended"))
    for (const released of this.releasing.values()) released(null)
  }

  private encode(lease: number, codec: TaskCodec, payload: unknown): Asked {
    const { name } = codec
    const transfers: Array<unknown> = []
    return Effect.flatMap(
      Effect.mapError(codec.payload.encode(payload, transfers), (problem) => unsendable(name, problem)),
      (encoded) => this.ask(lease, name, encoded, transfers)
    )
  }

  private ask(lease: number, name: string, payload: unknown, transfers: ReadonlyArray<unknown>): Asked {
    return Effect.callback<EncodedExit, WorkerError.WorkerError>((resume) => {
      if (this.isClosed) return resume(refused(name, "the task has ended"))
      this.asking.set(lease, { name, resume })
      try {
        this.outbox.putNow({ _tag: "Acquire", id: this.id, lease, name, payload }, transfers)
      } catch (cause) {
        resume(Effect.fail(unsendable(name, messageOf(cause))))
      }
    }).pipe(Effect.ensuring(Effect.sync(() => this.asking.delete(lease))))
  }

  /** Decodes the value, and releases a value that does not fit the contract. */
  private read(lease: number, codec: TaskCodec, encoded: EncodedExit): Effect.Effect<unknown, unknown> {
    return Effect.matchEffect(Codec.exitFromWire(codec, encoded), {
      onSuccess: (exit): Effect.Effect<unknown, unknown> => exit,
      onFailure: (problem) => {
        const failure = Exit.fail(WorkerError.make({ _tag: "BadReply", task: codec.name, problem }))
        return encoded._tag === "Success" ? Effect.andThen(this.release(lease, failure), failure) : failure
      }
    })
  }

  private release(lease: number, exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    const plain = Exit.isSuccess(exit) ? Exit.void : exit
    return Effect.flatMap(Codec.exitToWire(scopeExit, plain, []), (encoded) =>
      Effect.callback<void>((resume) => {
        if (this.isClosed) return resume(Effect.void)
        this.releasing.set(lease, (problem) => {
          this.releasing.delete(lease)
          resume(problem === null ? Effect.void : Effect.die(new Error(problem)))
        })
        this.outbox.putNow({ _tag: "Release", id: this.id, lease, exit: encoded })
      })
    )
  }
}

const unsendable = (task: string, problem: string): WorkerError.WorkerError =>
  WorkerError.make({ _tag: "NotSendable", task, problem })

/** Nothing but another configuration helps, so this is a defect. */
const unknownLease = (lease: string, problem: string): Effect.Effect<never> =>
  Effect.die(WorkerError.make({ _tag: "UnknownLease", lease, problem }))

const refused = (lease: string, problem: string): Effect.Effect<never, WorkerError.WorkerError> =>
  Effect.fail(WorkerError.make({ _tag: "LeaseRefused", lease, problem }))

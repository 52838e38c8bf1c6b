/**
 * The outcome of a thread as JSON, for the store and for the wire. Effect's own Schema of an exit forgets why a fiber was
 * interrupted, so the outcome has the reason of this project beside the exit, and a forced end.
 */
import * as CancelReason from "@quiesce/core/CancelReason"
import * as ForcedEnd from "@quiesce/core/ForcedEnd"
import { messageOf } from "@quiesce/core/internal"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import * as ClusterError from "../../ClusterError.ts"
import { SentReason } from "./sentReason.ts"
import * as OutsideContract from "./outsideContract.ts"

/** The services that a Schema needs come from the environment in which the task is used. */
type AnySchema = Schema.Codec<unknown, unknown>

/** The number of a lease of the thread, and how its release ended. */
export const LeaseEnd = Schema.Struct({
  lease: Schema.Number,
  result: Schema.Literals(["released", "failed", "timedOut", "lost"]),
  error: Schema.NullOr(Schema.String)
})
export type LeaseEnd = typeof LeaseEnd.Type

const Outcome = Schema.Struct({
  exit: Schema.Json,
  /** The leases that were not released. */
  leases: Schema.Array(LeaseEnd),
  reason: Schema.NullOr(SentReason),
  forced: Schema.NullOr(
    Schema.Struct({
      _tag: Schema.Literals(["Killed", "Crashed"]),
      thread: Schema.String,
      lost: Schema.Array(Schema.String)
    })
  )
})

const OutcomeText = Schema.fromJsonString(Schema.toCodecJson(Outcome))
const encodeOutcome = Schema.encodeUnknownEffect(OutcomeText)
const decodeOutcome = Schema.decodeUnknownEffect(OutcomeText)

/** Encodes and decodes the values of one task. */
export interface TaskWire {
  readonly task: string
  readonly encodePayload: (payload: unknown) => Effect.Effect<string, ClusterError.ClusterError>
  readonly decodePayload: (text: string) => Effect.Effect<unknown, ClusterError.ClusterError>
  /** Never fails, because the thread has ended all the same: a part that does not fit the Schema is sent as a defect. */
  readonly encodeExit: (exit: Exit.Exit<unknown, unknown>, leases?: ReadonlyArray<LeaseEnd>) => Effect.Effect<string>
  readonly decodeExit: (text: string) => Effect.Effect<Decoded, ClusterError.ClusterError>
}

/** An outcome with the leases that were not released. */
export interface Decoded {
  readonly exit: Exit.Exit<unknown, unknown>
  readonly leases: ReadonlyArray<LeaseEnd>
}

const wires = new WeakMap<object, TaskWire>()

/** The wire of an Rpc, made once. */
export const of = (rpc: Rpc.AnyWithProps): TaskWire => {
  let wire = wires.get(rpc)
  if (wire === undefined) wires.set(rpc, (wire = make(rpc)))
  return wire
}

const make = (rpc: Rpc.AnyWithProps): TaskWire => {
  const task = rpc._tag
  const refuse = (problem: unknown): ClusterError.ClusterError =>
    ClusterError.make({ _tag: "NotSendable", task, problem: messageOf(problem) })
  const payload = Schema.fromJsonString(Schema.toCodecJson(rpc.payloadSchema as unknown as AnySchema))
  const exit = Schema.toCodecJson(Rpc.exitSchema(rpc) as unknown as AnySchema)
  const encodePayload = guarded(Schema.encodeUnknownEffect(payload), refuse)
  const decodePayload = guarded(Schema.decodeUnknownEffect(payload), refuse)
  const encodeExit = guarded(Schema.encodeUnknownEffect(exit), refuse)
  const decodeExit = guarded(Schema.decodeUnknownEffect(exit), refuse)
  const decodeText = guarded(decodeOutcome, refuse)
  return {
    task,
    encodePayload,
    decodePayload,
    encodeExit: (value, leases = []) =>
      encodeExit(value).pipe(
        Effect.catch((problem) => OutsideContract.encode(value, problem, encodeExit)),
        Effect.flatMap((encoded) => Effect.orDie(encodeOutcome({ exit: encoded, leases, ...besides(value) })))
      ),
    decodeExit: (text) =>
      Effect.flatMap(decodeText(text), (outcome) =>
        // The Schema above decodes an exit.
        Effect.map(decodeExit(outcome.exit), (decoded) => ({
          exit: complete(decoded as Exit.Exit<unknown, unknown>, outcome),
          leases: outcome.leases
        }))
      )
  }
}

/** A Schema throws for a value of too great a depth. */
const guarded =
  <A, B, E, E2>(f: (value: A) => Effect.Effect<B, E>, refuse: (problem: unknown) => E2) =>
  (value: A): Effect.Effect<B, E2> =>
    Effect.suspend(() => f(value)).pipe(
      Effect.mapError(refuse),
      Effect.catchDefect((defect) => Effect.fail(refuse(defect)))
    )

type Besides = Omit<typeof Outcome.Type, "exit" | "leases">

/** The parts of an exit that Effect's Schema forgets. */
const besides = (exit: Exit.Exit<unknown, unknown>): Besides => ({
  reason: Option.getOrNull(CancelReason.fromExit(exit)),
  forced: Option.getOrNull(Option.map(ForcedEnd.fromExit(exit), ({ _tag, lost, thread }) => ({ _tag, lost, thread })))
})

const complete = (exit: Exit.Exit<unknown, unknown>, { forced, reason }: Besides): Exit.Exit<unknown, unknown> => {
  if (Exit.isSuccess(exit)) return exit
  const interrupts: ReadonlyArray<Cause.Reason<unknown>> = reason === null ? [] : CancelReason.toCause(reason).reasons
  const cause = Cause.fromReasons(
    exit.cause.reasons.flatMap((entry): ReadonlyArray<Cause.Reason<unknown>> =>
      Cause.isInterruptReason(entry) && interrupts.length > 0 ? interrupts : [entry]
    )
  )
  if (forced === null) return Exit.failCause(cause)
  const end =
    forced._tag === "Killed"
      ? ForcedEnd.killed(forced.thread, forced.lost)
      : ForcedEnd.crashed(forced.thread, forced.lost)
  return Exit.failCause(ForcedEnd.annotate(cause, end))
}

const ReasonText = Schema.fromJsonString(SentReason)

/** A reason as JSON. */
export const encodeReason = (reason: CancelReason.CancelReason): Effect.Effect<string> =>
  Effect.orDie(Schema.encodeUnknownEffect(ReasonText)(reason))

/** The reason in a row; a row without a readable reason has the given one. */
export const decodeReason = (
  text: string | null,
  otherwise: CancelReason.CancelReason
): Effect.Effect<CancelReason.CancelReason> =>
  text === null
    ? Effect.succeed(otherwise)
    : Effect.orElseSucceed(Schema.decodeUnknownEffect(ReasonText)(text), () => otherwise)

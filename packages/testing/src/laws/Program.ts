/**
 * Programs as data: lists of instructions for a thread. The same program can run on any adapter and in a pure model,
 * crosses threads by its Schema, and is printed whole as a counterexample.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The behaviour of a release: it succeeds, fails, dies, takes `millis`, never ends, spawns a thread, interrupts its own
 * thread, runs a synchronous section (default: plain code), or runs a section that polls its token for `millis`. The
 * function of a release may also throw, or return no effect: nothing (default), or a promise as an `async` function does.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Release =
  | { readonly _tag: "Ok" }
  | { readonly _tag: "Fail" }
  | { readonly _tag: "Die" }
  | { readonly _tag: "Throw" }
  | { readonly _tag: "NoEffect"; readonly gives?: "nothing" | "promise" | undefined }
  | { readonly _tag: "Slow"; readonly millis: number }
  | { readonly _tag: "Hang" }
  | { readonly _tag: "Spawn" }
  | { readonly _tag: "Cancel" }
  | { readonly _tag: "Spin"; readonly how?: Spin | undefined }
  | { readonly _tag: "Poll"; readonly millis: number }

/**
 * Synchronous code: an interruptible section, an uninterruptible section, or plain code.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Spin = "plain" | "interruptible" | "uninterruptible"

/**
 * The grace for each rung in milliseconds; null for an omitted rung.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Climb {
  readonly stop: number | null
  readonly interrupt: number | null
  readonly unwind: number | null
  readonly kill: number | null
}

/**
 * One instruction. `Keep` acquires a lease that the host keeps, if the adapter supports that. `Crash` takes down the worker
 * of the thread. `Poll` is a synchronous section that polls its token while `millis` pass, and `Busy` is one that lasts
 * `millis` and does not look at its token. `Chain` spawns a thread with a lease and a child, which has a lease and a child,
 * and so on, `depth` threads deep. `child` is an index into the children of the current thread, modulo their number;
 * without children the instruction does nothing. Times are in milliseconds. `within` is null without a limit. The members of
 * a group are spawned under a deadline of `within`, which they inherit. An `exact` raise says whether its error was
 * delivered, others are interrupted after `within`.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Instruction =
  | {
      readonly _tag: "Acquire"
      readonly release: Release
      readonly within: number | null
      readonly millis: number
      readonly fails: boolean
      readonly interruptible: boolean
    }
  | { readonly _tag: "Sleep"; readonly millis: number }
  | { readonly _tag: "Checkpoint" }
  | { readonly _tag: "Spin"; readonly how: Spin }
  | { readonly _tag: "Poll"; readonly millis: number }
  | { readonly _tag: "Busy"; readonly millis: number }
  | { readonly _tag: "Keep" }
  | { readonly _tag: "Chain"; readonly depth: number }
  | { readonly _tag: "Crash"; readonly how: "exit" | "throw" }
  | { readonly _tag: "Fail" }
  | { readonly _tag: "Scoped"; readonly body: Program }
  | { readonly _tag: "Mask"; readonly body: Program }
  | { readonly _tag: "Restore"; readonly body: Program }
  | { readonly _tag: "Attempt"; readonly body: Program }
  | { readonly _tag: "Finally"; readonly body: Program; readonly cleanup: Program }
  | { readonly _tag: "Deadline"; readonly millis: number; readonly body: Program }
  | { readonly _tag: "Receive"; readonly error: "A" | "B"; readonly body: Program }
  | { readonly _tag: "UntilStopped"; readonly body: Program }
  | {
      readonly _tag: "Fork"
      readonly body: Program
      readonly immediately: boolean
      readonly outer: boolean
      readonly escalation: Climb | null
    }
  | {
      readonly _tag: "Group"
      readonly policy: "failFast" | "collect" | "isolate"
      readonly within?: number | null | undefined
      readonly members: ReadonlyArray<Program>
      readonly body: Program
    }
  | { readonly _tag: "Join"; readonly child: number; readonly within: number | null }
  | { readonly _tag: "Interrupt"; readonly child: number; readonly wait: boolean }
  | { readonly _tag: "Stop"; readonly child: number }
  | { readonly _tag: "Shutdown"; readonly child: number; readonly climb: Climb }
  | {
      readonly _tag: "Raise"
      readonly child: number
      readonly error: "A" | "B"
      readonly within: number
      readonly exact?: boolean | undefined
    }
  | { readonly _tag: "Send"; readonly within: number }
  | { readonly _tag: "Take"; readonly within: number }
  | { readonly _tag: "Lock"; readonly body: Program }
  | { readonly _tag: "Promise"; readonly millis: number; readonly settle: number | null }

/**
 * The instructions of a thread, in order.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Program = ReadonlyArray<Instruction>

const Spin = Schema.Literals(["plain", "interruptible", "uninterruptible"])

const Release: Schema.Codec<Release> = Schema.Union([
  Schema.TaggedStruct("Ok", {}),
  Schema.TaggedStruct("Fail", {}),
  Schema.TaggedStruct("Die", {}),
  Schema.TaggedStruct("Throw", {}),
  Schema.TaggedStruct("NoEffect", { gives: Schema.optional(Schema.Literals(["nothing", "promise"])) }),
  Schema.TaggedStruct("Slow", { millis: Schema.Number }),
  Schema.TaggedStruct("Hang", {}),
  Schema.TaggedStruct("Spawn", {}),
  Schema.TaggedStruct("Cancel", {}),
  Schema.TaggedStruct("Spin", { how: Schema.optional(Spin) }),
  Schema.TaggedStruct("Poll", { millis: Schema.Number })
])

const limit = Schema.NullOr(Schema.Number)

/**
 * The Schema of a climb.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const Climb: Schema.Codec<Climb> = Schema.Struct({ stop: limit, interrupt: limit, unwind: limit, kill: limit })
const body = Schema.suspend((): Schema.Codec<Program> => Program)
const error = Schema.Literals(["A", "B"])

/**
 * The Schema of an instruction.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const Instruction: Schema.Codec<Instruction> = Schema.Union([
  Schema.TaggedStruct("Acquire", {
    release: Release,
    within: limit,
    millis: Schema.Number,
    fails: Schema.Boolean,
    interruptible: Schema.Boolean
  }),
  Schema.TaggedStruct("Sleep", { millis: Schema.Number }),
  Schema.TaggedStruct("Checkpoint", {}),
  Schema.TaggedStruct("Spin", { how: Spin }),
  Schema.TaggedStruct("Poll", { millis: Schema.Number }),
  Schema.TaggedStruct("Busy", { millis: Schema.Number }),
  Schema.TaggedStruct("Keep", {}),
  Schema.TaggedStruct("Crash", { how: Schema.Literals(["exit", "throw"]) }),
  Schema.TaggedStruct("Fail", {}),
  Schema.TaggedStruct("Chain", { depth: Schema.Number }),
  Schema.TaggedStruct("Scoped", { body }),
  Schema.TaggedStruct("Mask", { body }),
  Schema.TaggedStruct("Restore", { body }),
  Schema.TaggedStruct("Attempt", { body }),
  Schema.TaggedStruct("Finally", { body, cleanup: body }),
  Schema.TaggedStruct("Deadline", { millis: Schema.Number, body }),
  Schema.TaggedStruct("Receive", { error, body }),
  Schema.TaggedStruct("UntilStopped", { body }),
  Schema.TaggedStruct("Fork", {
    body,
    immediately: Schema.Boolean,
    outer: Schema.Boolean,
    escalation: Schema.NullOr(Climb)
  }),
  Schema.TaggedStruct("Group", {
    policy: Schema.Literals(["failFast", "collect", "isolate"]),
    within: Schema.optional(limit),
    members: Schema.Array(body),
    body
  }),
  Schema.TaggedStruct("Join", { child: Schema.Number, within: limit }),
  Schema.TaggedStruct("Interrupt", { child: Schema.Number, wait: Schema.Boolean }),
  Schema.TaggedStruct("Stop", { child: Schema.Number }),
  Schema.TaggedStruct("Shutdown", { child: Schema.Number, climb: Climb }),
  Schema.TaggedStruct("Raise", {
    child: Schema.Number,
    error,
    within: Schema.Number,
    exact: Schema.optional(Schema.Boolean)
  }),
  Schema.TaggedStruct("Send", { within: Schema.Number }),
  Schema.TaggedStruct("Take", { within: Schema.Number }),
  Schema.TaggedStruct("Lock", { body }),
  Schema.TaggedStruct("Promise", { millis: Schema.Number, settle: limit })
])

/**
 * The Schema of a program.
 *
 * @stability unstable
 * @category schemas
 * @since 0.1.0
 */
export const Program: Schema.Codec<Program> = Schema.Array(Instruction)

/**
 * The number of instructions in a program, nested ones included.
 *
 * @stability unstable
 * @category observing
 * @since 0.1.0
 */
export const size = (program: Program): number =>
  program.reduce((sum, instruction) => sum + 1 + inner(instruction).reduce((total, part) => total + size(part), 0), 0)

/**
 * The number of threads in the chains of a program.
 *
 * @stability unstable
 * @category observing
 * @since 0.1.0
 */
export const chained = (program: Program): number =>
  program.reduce(
    (sum, instruction) =>
      sum +
      (instruction._tag === "Chain" ? instruction.depth : 0) +
      inner(instruction).reduce((total, part) => total + chained(part), 0),
    0
  )

/** The programs inside an instruction. */
const inner = (instruction: Instruction): ReadonlyArray<Program> => {
  // The last case has the other instructions.
  // oxlint-disable-next-line typescript/switch-exhaustiveness-check
  switch (instruction._tag) {
    case "Finally":
      return [instruction.body, instruction.cleanup]
    case "Group":
      return [...instruction.members, instruction.body]
    default:
      return "body" in instruction ? [instruction.body] : []
  }
}

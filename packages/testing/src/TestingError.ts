/**
 * The one error of this package: a program could not be tried, or a problem was found.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Schema from "effect/Schema"
import { counted } from "./internal/wording.ts"
import * as LeftOver from "./LeftOver.ts"

/**
 * The kinds of the error.
 *
 * - `Empty`: the program has no step for a cancel
 * - `NeverEnds`: the program was still running after `steps` steps
 * - `Deadlock`: no fiber could run, and no sleep was pending; `waits` lists the waits of the fibers
 * - `TooSlow`: without a cancel, the program took so long that no cancel could be tried in `millis` milliseconds
 * - `Dies`: the program dies without a cancel, so a cancel would prove nothing
 * - `BadEnvironment`: the environment can't be built or taken down
 * - `NotRepeatable`: a second run in the same environment, without any cancel, ends with another exit
 * - `NotDeterministic`: two runs without a cancel had different numbers of steps
 * - `UnknownEffect`: the kit can't see fibers or scopes in the installed version of Effect, so a leak could be missed
 * - `InvalidOption`: an option is unusable
 * - `NotCancelSafe`: a cancel left something over; `report` is the text of all findings
 * - `WrongOrder`: the program fails in some order of its fibers; the error has the first such order, with its seed
 * - `LeftOver`: a resource of an effect still exists after the end of the effect
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type TestingErrorReason =
  | { readonly _tag: "Empty" }
  | { readonly _tag: "NeverEnds"; readonly steps: number; readonly waits: ReadonlyArray<string> }
  | { readonly _tag: "Deadlock"; readonly waits: ReadonlyArray<string> }
  | { readonly _tag: "TooSlow"; readonly millis: number; readonly waits: ReadonlyArray<string> }
  | { readonly _tag: "Dies"; readonly problem: string }
  | { readonly _tag: "BadEnvironment"; readonly problem: string }
  | { readonly _tag: "NotRepeatable"; readonly problem: string; readonly waits: ReadonlyArray<string> }
  | { readonly _tag: "NotDeterministic"; readonly first: number; readonly second: number }
  | { readonly _tag: "UnknownEffect"; readonly problem: string }
  | { readonly _tag: "InvalidOption"; readonly option: string; readonly problem: string }
  | { readonly _tag: "NotCancelSafe"; readonly findings: number; readonly report: string }
  | {
      readonly _tag: "WrongOrder"
      readonly findings: number
      readonly orders: number
      readonly seed: number
      readonly problems: ReadonlyArray<string>
      readonly trace: string
    }
  | { readonly _tag: "LeftOver"; readonly leftOvers: ReadonlyArray<LeftOver.LeftOver> }

const TestingErrorReason: Schema.Codec<TestingErrorReason> = Schema.Union([
  Schema.TaggedStruct("Empty", {}),
  Schema.TaggedStruct("NeverEnds", { steps: Schema.Number, waits: Schema.Array(Schema.String) }),
  Schema.TaggedStruct("Deadlock", { waits: Schema.Array(Schema.String) }),
  Schema.TaggedStruct("TooSlow", { millis: Schema.Number, waits: Schema.Array(Schema.String) }),
  Schema.TaggedStruct("Dies", { problem: Schema.String }),
  Schema.TaggedStruct("BadEnvironment", { problem: Schema.String }),
  Schema.TaggedStruct("NotRepeatable", { problem: Schema.String, waits: Schema.Array(Schema.String) }),
  Schema.TaggedStruct("NotDeterministic", { first: Schema.Number, second: Schema.Number }),
  Schema.TaggedStruct("UnknownEffect", { problem: Schema.String }),
  Schema.TaggedStruct("InvalidOption", { option: Schema.String, problem: Schema.String }),
  Schema.TaggedStruct("NotCancelSafe", { findings: Schema.Number, report: Schema.String }),
  Schema.TaggedStruct("WrongOrder", {
    findings: Schema.Number,
    orders: Schema.Number,
    seed: Schema.Number,
    problems: Schema.Array(Schema.String),
    trace: Schema.String
  }),
  Schema.TaggedStruct("LeftOver", { leftOvers: Schema.Array(LeftOver.LeftOver) })
])

type Fields = { readonly reason: typeof TestingErrorReason }

const Base: Schema.Class<
  TestingError,
  Schema.TaggedStruct<"TestingError", Fields>,
  Cause.YieldableError
> = Schema.TaggedError<TestingError>("@quiesce/testing/TestingError")("TestingError", { reason: TestingErrorReason })

/**
 * The error of this package. `reason._tag` names the kind. `message` says what happened, the likely cause and the remedy.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export class TestingError extends Base {
  override get message(): string {
    return explain(this.reason)
  }

  /** The printed form, also of `console.log`. */
  override toJSON(): unknown {
    return { _tag: this._tag, message: this.message, reason: this.reason }
  }
}

/**
 * Makes a `TestingError` from its reason.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const make = (reason: TestingErrorReason): TestingError => new TestingError({ reason })

/** The limit on left-overs in a message. */
const mostShown = 20

const lines = (waits: ReadonlyArray<string>): string => waits.map((wait) => `\n  ${wait}`).join("")

const explain = (reason: TestingErrorReason): string => {
  switch (reason._tag) {
    case "Empty":
      return "The program has no step at which it could be cancelled, so nothing was tried. It is probably a value that is ready, as Effect.succeed: give the effect that does the work, and let it acquire what it uses itself."
    case "NeverEnds":
      return `The program still ran after ${reason.steps} steps, so it was given up. It probably loops, or sleeps in a loop, until somebody stops it: have it end by itself, as with Effect.timeout or Effect.repeat's times, or raise the option budget.${lines(reason.waits)}`
    case "Deadlock":
      return `Nothing can run any more and no time is waited for, so the program would never end. Either its fibers wait for each other, or one waits for something outside the program, such as a file, a socket or a timer of the platform: then set the option live.${lines(reason.waits)}`
    case "TooSlow":
      return `Without a cancel the program takes so long that no cancel could be tried within ${reason.millis} ms. Make the program shorter, or raise the option stopAfter and the time limit of the test with it.${lines(reason.waits)}`
    case "Dies":
      return `Without a cancel the program dies, so there is nothing to be seen of a cancel: ${reason.problem}\nA service that it needs may be missing: give it as the option environment. If it is to die, catch that in the program, as with Effect.exit.`
    case "BadEnvironment":
      return `The environment can't be built and taken down, so the program was not tried in it: ${reason.problem}\nGive a Layer that works without the program.`
    case "NotRepeatable":
      return `Without any cancel, the program ends, but run a second time in the same environment ${reason.problem}; so a second time does not show what a cancel has broken. Have it leave the environment as it found it, or make what it uses up inside the program.${lines(reason.waits)}`
    case "NotDeterministic":
      return `Two runs without a cancel took ${reason.first} and ${reason.second} steps, so a step does not mean the same place twice. The program probably depends on something that outlives it (a cache, a counter at the top of a module), on Math.random or on real time: make that inside the program, or give it as the environment. If it uses files, sockets or timers of the platform, set the option live.`
    case "UnknownEffect":
      return `@quiesce/testing does not know this version of Effect: ${reason.problem}. A leak could be missed, so nothing was tried. Install a version of Effect and of @quiesce/testing that fit each other. For timers, handles and listeners, Leaks.watch works without the missing part.`
    case "InvalidOption":
      return `${reason.option}: ${reason.problem}.`
    case "NotCancelSafe":
      return `The program is not safe to cancel. Something was left behind or went wrong.\n\n${reason.report}`
    case "WrongOrder":
      return `The program goes wrong in ${reason.findings} of ${reason.orders} orders of its fibers. The first, which comes again with the option seeds: [${reason.seed}]:${lines(reason.problems)}\n  trace: ${reason.trace}`
    case "LeftOver": {
      const { length } = reason.leftOvers
      const more = length > mostShown ? `\n... and ${counted(length - mostShown, "other")}` : ""
      return `${length === 1 ? "One thing is" : `${length} things are`} still there that the effect has made. Release what it acquires in the expression that acquires it, within a scope that closes before its end:\n${reason.leftOvers.slice(0, mostShown).map(LeftOver.render).join("\n")}${more}`
    }
  }
}

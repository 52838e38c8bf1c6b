/**
 * Generates programs and scenarios, the small first. A counterexample shrinks to a short program.
 *
 * @since 0.1.0
 */
import * as fc from "fast-check"
import type { Climb, Instruction, Program, Release, Spin } from "./Program.ts"
import type { Planned, Scenario } from "./Scenario.ts"

/**
 * The parts of generated programs, with a weight for each tag. An instruction without a weight is not generated. `releases`
 * lists the kinds of releases, `depth` is the nesting of blocks (default 3), `length` the number of instructions in a block
 * (default 4), and `bystanders` says whether other threads run beside the program (default: none). `chain` is the number of
 * threads in the longest chain (default 3). Long chains are rare. With `outlasting`, some slow releases take longer than
 * each climb. With `abandons`, some forked threads are abandoned in their releases. With `waits`, some first threads wait for
 * a place to run, and with `calls`, some are calls without a handle.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface Mix {
  readonly weights: Partial<Record<Instruction["_tag"], number>>
  readonly releases?: ReadonlyArray<Release["_tag"]> | undefined
  readonly depth?: number | undefined
  readonly length?: number | undefined
  readonly bystanders?: boolean | undefined
  readonly chain?: number | undefined
  readonly outlasting?: boolean | undefined
  readonly abandons?: boolean | undefined
  readonly waits?: boolean | undefined
  readonly calls?: boolean | undefined
}

const millis = fc.constantFrom(0, 1, 2, 3, 5, 10)

/** The limit of each limited release. */
const limit = 7

/** Longer than a climb takes. */
const outlasting = 2000

const spinning = fc.constantFrom<Spin>("interruptible", "plain", "plain", "uninterruptible")

/** A release, with its limit if it has one. */
interface Held {
  readonly release: Release
  readonly within: number | null
}

const releaseOf = (tag: Release["_tag"], mix: Mix): fc.Arbitrary<Held> => {
  const within = tag === "Hang" ? fc.constant(limit) : fc.constantFrom(null, limit)
  const held = fc.record({ release: howOf(tag), within })
  if (tag !== "Slow" || mix.outlasting !== true) return held
  return fc.oneof(held, fc.constant({ release: { _tag: tag, millis: outlasting }, within: null }))
}

const howOf = (_tag: Release["_tag"]): fc.Arbitrary<Release> => {
  // The last case has the other releases.
  // oxlint-disable-next-line typescript/switch-exhaustiveness-check
  switch (_tag) {
    case "Slow":
      return fc.record({ _tag: fc.constant(_tag), millis: fc.constantFrom(1, 2, 20) })
    case "Poll":
      return fc.record({ _tag: fc.constant(_tag), millis: fc.constantFrom(0, 2, 20) })
    case "Spin":
      return fc.record({ _tag: fc.constant(_tag), how: spinning })
    case "NoEffect":
      return fc.record({ _tag: fc.constant(_tag), gives: fc.constantFrom<"nothing" | "promise">("nothing", "promise") })
    default:
      return fc.constant({ _tag })
  }
}

/**
 * A climb. With `bounded`, the last rung has a limit.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const climb: fc.Arbitrary<Climb> = fc
  .record({
    stop: fc.constantFrom(null, 0, 3),
    interrupt: fc.constantFrom(null, 0, 1, 5, 100),
    unwind: fc.constantFrom(null, 0, 2),
    kill: fc.constantFrom(null, 0, 2)
  })
  .map((made) => (Object.values(made).every((grace) => grace === null) ? { ...made, interrupt: 5 } : made))

/** Climbs whose last grace is longer than almost all releases. */
const gentle: Climb = { stop: 2, interrupt: 500, unwind: null, kill: null }
/** Shorter than the limit of a release, so that threads with hanging releases are abandoned. */
const brief: Climb = { stop: null, interrupt: 1, unwind: null, kill: null }
const forced: Climb = { stop: null, interrupt: null, unwind: null, kill: 500 }

/** The escalations of forked threads. */
const patient = [null, null, null, gentle, forced]
const hasty = [null, gentle, forced, brief, brief]

/**
 * Programs of a mix.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const program = (mix: Mix): fc.Arbitrary<Program> => block(mix, mix.depth ?? 3)

const block = (mix: Mix, depth: number): fc.Arbitrary<Program> => {
  const choices = Object.entries(mix.weights).flatMap(([tag, weight]) => {
    // The keys of the record are tags.
    const arbitrary = instruction(mix, depth, tag as Instruction["_tag"])
    return arbitrary === undefined ? [] : [{ arbitrary, weight }]
  })
  const most = depth === (mix.depth ?? 3) ? (mix.length ?? 4) : 3
  return fc.array(fc.oneof(...choices), { minLength: depth === (mix.depth ?? 3) ? 1 : 0, maxLength: most, size: "max" })
}

// One case for each instruction.
// oxlint-disable-next-line max-lines-per-function
const instruction = (mix: Mix, depth: number, _tag: Instruction["_tag"]): fc.Arbitrary<Instruction> | undefined => {
  const child = fc.nat(2)
  const error = fc.constantFrom<"A" | "B">("A", "B")
  // The last case has the other instructions.
  // oxlint-disable-next-line typescript/switch-exhaustiveness-check
  switch (_tag) {
    case "Acquire":
      return fc
        .record({
          held: fc.oneof(...(mix.releases ?? ["Ok"]).map((tag) => releaseOf(tag, mix))),
          millis: fc.constantFrom(0, 0, 2),
          fails: fc.constantFrom(false, false, false, true),
          interruptible: fc.boolean()
        })
        .map(({ held, ...rest }) => ({ _tag, ...rest, ...held }))
    case "Sleep":
    case "Poll":
    case "Busy":
      return fc.record({ _tag: fc.constant(_tag), millis })
    case "Checkpoint":
    case "Keep":
    case "Fail":
      return fc.constant({ _tag })
    case "Spin":
      return fc.record({ _tag: fc.constant(_tag), how: spinning })
    case "Crash":
      return fc.record({ _tag: fc.constant(_tag), how: fc.constantFrom<"exit" | "throw">("exit", "throw") })
    case "Chain":
      return fc.record({
        _tag: fc.constant(_tag),
        depth: fc.oneof({ arbitrary: fc.integer({ min: 1, max: 3 }), weight: 60 }, fc.constant(mix.chain ?? 3))
      })
    case "Join":
      return fc.record({ _tag: fc.constant(_tag), child, within: fc.constantFrom(null, 0, 2) })
    case "Interrupt":
      return fc.record({ _tag: fc.constant(_tag), child, wait: fc.boolean() })
    case "Stop":
      return fc.record({ _tag: fc.constant(_tag), child })
    case "Shutdown":
      return fc.record({
        _tag: fc.constant(_tag),
        child,
        climb: fc.constantFrom(gentle, brief, forced)
      })
    case "Raise":
      return fc.record({
        _tag: fc.constant(_tag),
        child,
        error,
        within: fc.constantFrom(0, 1, 5),
        exact: fc.boolean()
      })
    case "Send":
    case "Take":
      return fc.record({ _tag: fc.constant(_tag), within: fc.constantFrom(1, 3) })
    case "Promise":
      return fc.record({
        _tag: fc.constant(_tag),
        millis: fc.constantFrom(1, 4, 9),
        settle: fc.constantFrom(null, 0, 2, 6)
      })
    default:
      return depth === 0 ? undefined : nested(mix, depth, _tag)
  }
}

type Nested = Extract<Instruction, { readonly body: Program }>["_tag"]

const nested = (mix: Mix, depth: number, _tag: Nested): fc.Arbitrary<Instruction> => {
  const body = block(mix, depth - 1)
  // The last case has the other instructions.
  // oxlint-disable-next-line typescript/switch-exhaustiveness-check
  switch (_tag) {
    case "Finally":
      return fc.record({ _tag: fc.constant(_tag), body, cleanup: body })
    case "Deadline":
      return fc.record({ _tag: fc.constant(_tag), millis, body })
    case "Receive":
      return fc.record({ _tag: fc.constant(_tag), error: fc.constantFrom<"A" | "B">("A", "B"), body })
    case "Fork":
      return fc.record({
        _tag: fc.constant(_tag),
        body,
        immediately: fc.boolean(),
        outer: fc.boolean(),
        escalation: fc.constantFrom(...(mix.abandons === true ? hasty : patient))
      })
    case "Group":
      return fc.record({
        _tag: fc.constant(_tag),
        policy: fc.constantFrom<"failFast" | "collect" | "isolate">("failFast", "failFast", "collect", "isolate"),
        within: fc.constantFrom(null, null, 1, 3),
        members: fc.array(body, { minLength: 1, maxLength: 3 }),
        body
      })
    default:
      return fc.record({ _tag: fc.constant(_tag), body })
  }
}

/**
 * Scenarios of a mix, with a plan.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const scenario = (mix: Mix, plan: fc.Arbitrary<ReadonlyArray<Planned>>): fc.Arbitrary<Scenario> =>
  fc.record({
    program: program(mix),
    plan,
    seed: fc.option(fc.nat(1000)),
    bystanders: fc.constant(mix.bystanders ?? false),
    ...(mix.waits === true ? { waits: fc.constantFrom(undefined, undefined, undefined, 2) } : {}),
    ...(mix.calls === true
      ? { call: fc.constantFrom(undefined, undefined, "effect" as const, "promise" as const) }
      : {})
  })

/**
 * The programs and the plans for each law.
 *
 * @since 0.1.0
 */
import * as fc from "fast-check"
import * as Arbitrary from "./Arbitrary.ts"
import type { Name } from "./Law.ts"
import type * as Scenario from "./Scenario.ts"

/**
 * The mix of programs for a law, and the plans.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export interface LawCase {
  readonly mix: Arbitrary.Mix
  readonly plan: fc.Arbitrary<ReadonlyArray<Scenario.Planned>>
}

const interrupt: Scenario.Action = { _tag: "Interrupt", wait: true }
const after = fc.constantFrom(0, 0, 1, 3, 9, 30)

const plan = (...actions: ReadonlyArray<fc.Arbitrary<Scenario.Action>>): LawCase["plan"] =>
  fc.tuple(
    ...actions.map((action, index) =>
      fc.record({ action, target: fc.constant(0), after: index === 0 ? fc.constant(0) : after })
    )
  )

const anywhere = (given: LawCase["plan"]): LawCase["plan"] =>
  fc.tuple(given, fc.nat(2)).map(([planned, target]) => planned.map((one) => ({ ...one, target })))

/** Plans that may begin while no task runs. */
const waiting = (given: LawCase["plan"]): LawCase["plan"] =>
  fc
    .tuple(given, fc.constantFrom(0, 0, 1, 3))
    .map(([planned, delay]) => planned.map((one) => (delay === 0 ? one : { ...one, delay })))

const once = plan(fc.constant(interrupt))
const twice = plan(fc.constant(interrupt), fc.constant(interrupt))
const end = plan(fc.constantFrom<Scenario.Action>(interrupt, interrupt, { _tag: "Close" }, { _tag: "Stop" }))
const thenLate = fc.tuple(end, fc.nat(2)).map(([first, target]) => [...first, { action: interrupt, target, after: 60 }])
const climbing = Arbitrary.climb.map((climb) => ({ _tag: "Shutdown" as const, climb }))
const shutdown = plan(climbing)
const shutdowns = plan(climbing, climbing)
const mixed = plan(
  fc.constantFrom<Scenario.Action>(interrupt, { _tag: "Stop" }),
  fc.oneof(
    fc.constant(interrupt),
    fc.constant<Scenario.Action>({ _tag: "Stop" }),
    Arbitrary.climb.map((climb) => ({ _tag: "Shutdown" as const, climb }))
  )
)
const join = plan(
  fc.constantFrom<Scenario.Action>(
    { _tag: "JoinWithin", millis: 1 },
    { _tag: "JoinWithin", millis: 0 },
    { _tag: "Await" }
  )
)
const raises = anywhere(
  plan(
    fc.constantFrom<Scenario.Action>(
      { _tag: "Raise", error: "A" },
      { _tag: "Raise", error: "B" },
      { _tag: "Raise", error: "A", within: 1 },
      { _tag: "Raise", error: "A", within: 3 }
    ),
    fc.constantFrom<Scenario.Action>({ _tag: "Raise", error: "A" }, interrupt, { _tag: "Stop" })
  )
)

const late = once.map((planned) => planned.map((one) => ({ ...one, unseen: true })))
const unwinding = plan(
  fc.constantFrom<Scenario.Action>(
    interrupt,
    { _tag: "Shutdown", climb: { stop: null, interrupt: 1, unwind: 100, kill: null } },
    { _tag: "Shutdown", climb: { stop: null, interrupt: 1, unwind: 2, kill: 2 } }
  )
)

/** Shutdowns that abandon a thread soon. A stop alone has interrupted no thread until then. */
const abandoning = plan(
  fc.constantFrom<Scenario.Action>(
    { _tag: "Shutdown", climb: { stop: 1, interrupt: null, unwind: null, kill: null } },
    { _tag: "Shutdown", climb: { stop: null, interrupt: 1, unwind: null, kill: null } }
  )
)

const leases = { Acquire: 6, Scoped: 2, Sleep: 1, Checkpoint: 1, Fail: 1, Attempt: 1, Mask: 1, Fork: 1 }
const bad = ["Ok", "Fail", "Die", "Slow", "Hang"] as const
const worse = [...bad, "Throw", "NoEffect"] as const
const sections = ["Spin", "Poll"] as const
const tree = { Acquire: 2, Scoped: 2, Sleep: 2, Fork: 4, Join: 1, Finally: 1, Interrupt: 1, Group: 1, Spin: 1 }
const regions = { Receive: 3, Deadline: 2, UntilStopped: 2, Sleep: 3, Checkpoint: 2, Acquire: 2, Fork: 2 }

/**
 * The case for comparing an adapter with the model.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const modelled: LawCase = {
  mix: {
    weights: {
      Acquire: 6,
      Sleep: 3,
      Checkpoint: 2,
      Spin: 2,
      Fail: 1,
      Scoped: 3,
      Mask: 3,
      Restore: 2,
      Attempt: 2,
      Finally: 3
    },
    releases: [...worse, "Spin"]
  },
  plan: waiting(once)
}

/**
 * The case of each law.
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const cases: Readonly<Record<Name, LawCase>> = {
  "release-once": {
    mix: {
      weights: { ...leases, ...regions, Chain: 1 },
      releases: [...worse, ...sections, "Spawn", "Cancel"],
      chain: 2500
    },
    plan: waiting(end)
  },
  "no-acquire-no-release": { mix: { weights: leases, releases: ["Ok", "Slow"] }, plan: waiting(end) },
  "acquire-atomic": {
    mix: { weights: { ...leases, Deadline: 1, UntilStopped: 1 }, releases: ["Ok"] },
    plan: waiting(end)
  },
  lifo: {
    mix: {
      weights: { Acquire: 6, Scoped: 2, Sleep: 1, Finally: 1, Fork: 1 },
      releases: ["Ok", "Slow", "Hang"],
      length: 6,
      outlasting: true
    },
    plan: waiting(fc.oneof(end, abandoning))
  },
  "finalizer-isolation": {
    mix: {
      weights: { ...leases, Fork: 2, Shutdown: 1 },
      releases: worse,
      length: 5,
      outlasting: true,
      abandons: true,
      calls: true
    },
    plan: waiting(fc.oneof(end, shutdown))
  },
  "finalizer-shield": {
    mix: { weights: { ...leases, Deadline: 1, Poll: 1 }, releases: ["Slow", "Cancel", "Hang", "Spawn", ...sections] },
    plan: waiting(twice)
  },
  "bounded-cleanup": {
    mix: { weights: { ...leases, Deadline: 1 }, releases: ["Hang", "Slow", "Ok", ...sections] },
    plan: waiting(twice)
  },
  "interrupt-idempotent": { mix: { weights: { ...tree, ...regions }, releases: ["Ok", "Slow"] }, plan: waiting(twice) },
  "interrupt-awaits": {
    mix: { weights: tree, releases: ["Slow", "Spawn", "Hang", "Cancel"] },
    plan: waiting(anywhere(once))
  },
  "all-interruptors-wait": { mix: { weights: tree, releases: ["Slow", "Ok"] }, plan: waiting(twice) },
  "late-interrupt-noop": { mix: { weights: tree, releases: ["Slow", "Ok"] }, plan: waiting(thenLate) },
  "join-pure": {
    mix: { weights: { Sleep: 3, Fork: 2, Acquire: 1, Join: 2, Checkpoint: 1 }, releases: ["Slow"] },
    plan: waiting(anywhere(join))
  },
  "join-stable": {
    mix: { weights: { ...tree, Join: 5, Attempt: 2, Fail: 1 }, releases: ["Slow"] },
    plan: waiting(end)
  },
  "no-orphan": {
    mix: { weights: { ...tree, ...regions, Group: 2 }, releases: ["Spawn", "Slow", "Ok"] },
    plan: waiting(end)
  },
  "late-fork": {
    mix: { weights: { Fork: 4, Scoped: 2, Finally: 3, Acquire: 2, Sleep: 1 }, releases: ["Spawn", "Slow"] },
    plan: waiting(end)
  },
  "downward-only": {
    mix: { weights: { Fork: 4, Sleep: 3, Acquire: 1, Group: 1, Scoped: 1, Interrupt: 2, Stop: 1 }, releases: ["Slow"] },
    plan: waiting(anywhere(once))
  },
  "fail-fast-origin": {
    mix: { weights: { Group: 4, Fail: 2, Sleep: 3, Acquire: 2, Attempt: 1, Poll: 2 }, releases: ["Slow", "Ok"] },
    plan: waiting(anywhere(once))
  },
  "level-triggered": {
    mix: {
      weights: { Checkpoint: 5, Mask: 3, Attempt: 1, Sleep: 1, Scoped: 1, Finally: 1, Receive: 2, Deadline: 1 }
    },
    plan: waiting(once)
  },
  "mask-pends": {
    mix: { weights: { Mask: 4, Sleep: 4, Checkpoint: 2, Acquire: 1, Scoped: 1, Fork: 1, Receive: 1, Deadline: 1 } },
    plan: waiting(once)
  },
  "did-not-happen": {
    mix: { weights: { Lock: 3, Send: 4, Take: 4, Fork: 4, Sleep: 3, Raise: 3, Receive: 2, Checkpoint: 1 } },
    plan: waiting(end)
  },
  "first-reason": { mix: { weights: { ...tree, Stop: 2 }, releases: ["Slow", "Cancel"] }, plan: waiting(mixed) },
  "reason-everywhere": {
    mix: {
      weights: { ...tree, ...regions, Fork: 5, Acquire: 5, Mask: 1, Interrupt: 2, Stop: 1, Raise: 1, Attempt: 1 },
      releases: ["Slow", "Ok"]
    },
    plan: waiting(mixed)
  },
  "deadline-min": {
    mix: { weights: { Deadline: 5, Sleep: 4, Poll: 3, Busy: 1, Attempt: 2, Checkpoint: 1 }, depth: 4 },
    plan: waiting(
      plan(
        fc.constantFrom<Scenario.Action>(interrupt, interrupt, { _tag: "Stop" }),
        fc.constant<Scenario.Action>(interrupt)
      )
    )
  },
  "ladder-monotone": {
    mix: { weights: { Acquire: 3, Sleep: 3, UntilStopped: 2, Fork: 1 }, releases: ["Slow", "Hang"] },
    plan: waiting(shutdown)
  },
  "kill-is-visible": {
    mix: {
      weights: { Acquire: 5, Sleep: 3, Fork: 1, Keep: 2, Lock: 1, Spin: 1 },
      releases: ["Slow", "Ok"]
    },
    plan: waiting(shutdown)
  },
  "listener-clean": {
    mix: { weights: { ...regions, Raise: 1, Stop: 1, Interrupt: 1, Join: 1 }, releases: ["Ok", "Slow"] },
    // The search for left-overs would find a timer of the plan itself.
    plan: end
  },
  "exit-unique": { mix: { weights: { ...tree, ...regions, Fail: 1 }, releases: bad }, plan: waiting(mixed) },
  "raise-exactly-one": {
    // Code that blocks its thread lets raised errors wait until they are withdrawn.
    mix: { weights: { Receive: 5, Sleep: 4, Fork: 2, Acquire: 1, Raise: 2, Mask: 1, Spin: 1 }, releases: ["Slow"] },
    plan: waiting(raises)
  },
  "settle-before-release": {
    mix: {
      weights: { Promise: 5, Acquire: 3, Mask: 3, Scoped: 1, Fork: 3, Sleep: 3 },
      releases: ["Ok", "Slow"],
      length: 3
    },
    plan: waiting(fc.oneof(once, abandoning))
  },
  "unwind-precise": {
    mix: {
      weights: { Spin: 6, Acquire: 3, Scoped: 1, Mask: 1, Sleep: 1, Attempt: 1, Finally: 1, Deadline: 2, Busy: 3 },
      releases: ["Ok", "Spin"],
      bystanders: true
    },
    plan: waiting(unwinding)
  },
  "no-signal-leak": {
    mix: {
      weights: { Acquire: 3, Sleep: 1, Checkpoint: 2, Spin: 2, Scoped: 1 },
      releases: ["Ok"],
      length: 3,
      bystanders: true
    },
    plan: late
  },
  "crash-contained": {
    mix: {
      weights: { Crash: 3, Acquire: 2, Sleep: 1, Scoped: 1, Keep: 1, Fork: 1 },
      releases: ["Ok"],
      length: 3,
      bystanders: true
    },
    plan: waiting(once)
  },
  "report-true": {
    mix: {
      weights: { Acquire: 5, Sleep: 3, UntilStopped: 1, Fork: 2 },
      releases: worse,
      outlasting: true,
      waits: true
    },
    plan: waiting(fc.oneof(shutdown, shutdowns))
  }
}

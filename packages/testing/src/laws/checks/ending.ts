/** The laws of the ends of threads, and of waits for these ends. */
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import { type AnyExit, anyGivenUp, isAbandoned, isGivenUp, type Outcome } from "../Outcome.ts"
import { type Event, only } from "../Trace.ts"
import { firstBy, placesOf } from "./firsts.ts"

type Check = (outcome: Outcome) => ReadonlyArray<string>

const interrupts: Check = (outcome) => {
  const problems: Array<string> = outcome.end === "Done" ? [] : [`the run ended in ${outcome.end}`]
  for (const [name, count] of counted(outcome.events, "Settled")) {
    if (count > 1) problems.push(`${name} settled ${count} times`)
  }
  for (const [name, count] of counted(outcome.events, "BodyEnded")) {
    if (count > 1) problems.push(`the body of ${name} ended ${count} times`)
  }
  return problems
}

const counted = (events: ReadonlyArray<Event>, tag: Event["_tag"]): Map<string, number> => {
  const counts = new Map<string, number>()
  for (const event of events) if (event._tag === tag) counts.set(event.thread, (counts.get(event.thread) ?? 0) + 1)
  return counts
}

/** The waiting interrupts from outside that were not interrupted themselves. */
const waited = (outcome: Outcome): ReadonlyArray<Extract<Event, { readonly _tag: "Returned" }>> => {
  const requests = firstBy(outcome.events, "Asked", "id")
  return only(outcome.events, "Returned").filter((event) => {
    const asked = requests.get(event.id)
    return asked?.how === "interrupt" && asked.message !== "from a finalizer" && Exit.isSuccess(event.result)
  })
}

const interruptAwaits: Check = (outcome) =>
  waited(outcome).flatMap((event) => {
    if (event.exit === undefined) return [`an interrupt of ${event.thread} returned while it ran`]
    if (isAbandoned(event.exit)) return []
    const index = outcome.events.indexOf(event)
    const later = outcome.events.find((other, place) => place > index && isOf(other, event.thread) && isWork(other))
    const live =
      event.live.length === 0 || anyGivenUp(outcome)
        ? []
        : [`${event.live.join()} outlived the interrupt of ${event.thread}`]
    return later === undefined
      ? live
      : [...live, `${event.thread} went on (${later._tag}) after its interrupt returned`]
  })

const isOf = (event: Event, name: string): boolean => event.thread === name
const work: ReadonlySet<Event["_tag"]> = new Set(["Acquired", "Releasing", "Started", "BodyEnded", "Passed"])
const isWork = (event: Event): boolean =>
  work.has(event._tag) ||
  // A release that was given up at its limit may end later.
  (event._tag === "Released" && event.how !== "cut")

const allInterruptorsWait: Check = (outcome) => {
  const exits = new Map<string, AnyExit>()
  return [
    ...interruptAwaits(outcome),
    ...waited(outcome).flatMap(({ exit, thread }) => {
      const first = exits.get(thread)
      if (exit !== undefined) exits.set(thread, first ?? exit)
      return first === undefined || exit === first ? [] : [`interruptors of ${thread} saw different exits`]
    }),
    ...unanswered(outcome)
  ]
}

/** An interrupt that never returned. A thread that was given up may still wait when the run ends. */
const unanswered = (outcome: Outcome): ReadonlyArray<string> => {
  const returned = firstBy(outcome.events, "Returned", "id")
  return only(outcome.events, "Asked")
    .filter((asked) => asked.how === "interrupt" && !returned.has(asked.id))
    .filter(({ message }) => !isGivenUp(outcome.threads.get(message.replace(/ asked$/, ""))?.exit))
    .map(({ thread }) => `an interrupt of ${thread} never returned`)
}

const lateInterruptNoop: Check = (outcome) =>
  only(outcome.events, "Asked").flatMap((asked) => {
    if (asked.wasAlive || asked.how === "raise") return []
    const settled = only(outcome.events, "Settled").find(({ thread }) => thread === asked.thread)
    const known = outcome.threads.get(asked.thread)
    const returned = only(outcome.events, "Returned").find(({ id }) => id === asked.id)
    if (returned === undefined) return [`asking ${asked.thread}, which had ended, never returned`]
    return settled !== undefined && known?.exit === settled.exit && returned.exit === settled.exit
      ? []
      : [`asking ${asked.thread}, which had ended, changed its exit`]
  })

const joinPure: Check = (outcome) => {
  const asked = new Set(only(outcome.events, "Asked").map(({ message }) => message))
  return [
    ...only(outcome.events, "JoinChanged").map(({ target }) => `a join changed ${target}`),
    // Without a request, only the end of another thread can be a reason.
    ...(asked.size === 0 && outcome.cut !== null && outcome.scenario.plan.every(isJoin) ? cancelledBySelf(outcome) : [])
  ]
}

const isJoin = ({ action }: Outcome["scenario"]["plan"][number]): boolean =>
  action._tag === "JoinWithin" || action._tag === "Await"

const cancelledBySelf = (outcome: Outcome): ReadonlyArray<string> =>
  outcome.threads.get("t")?.reason === undefined ? [] : ["a join gave the first thread a reason to end"]

const joinStable: Check = (outcome) =>
  only(outcome.events, "Joined").flatMap(({ exit, target, timed }) => {
    const final = outcome.threads.get(target)?.exit
    const same = timed ? final !== undefined && String(final) === String(exit) : final === exit
    return same ? [] : [`a join of ${target} saw ${String(exit)}, and its exit is ${String(final)}`]
  })

const exitUnique: Check = (outcome) => {
  const counts = counted(outcome.events, "Settled")
  const settled = firstBy(outcome.events, "Settled", "thread")
  return [
    ...interrupts(outcome),
    ...[...outcome.threads.values()].flatMap(({ exit, name }) => {
      if (exit === undefined) return anyGivenUp(outcome) ? [] : [`${name} never settled`]
      return counts.get(name) === 1 && settled.get(name)?.exit === exit ? [] : [`${name} has no single exit`]
    })
  ]
}

const noOrphan: Check = (outcome) =>
  anyGivenUp(outcome)
    ? []
    : [...only(outcome.events, "Settled"), ...only(outcome.events, "ScopeClosed")].flatMap((event) =>
        event.live.length === 0
          ? []
          : [`${event.live.join()} outlived ${"scope" in event ? event.scope : event.thread}`]
      )

const lateFork: Check = (outcome) => {
  const starts = placesOf(outcome.events, "Started")
  const settlements = placesOf(outcome.events, "Settled")
  return outcome.events.flatMap((event, index) => {
    if (event._tag !== "Spawned") return []
    const started = starts.get(event.thread) ?? -1
    // An abandoned parent may note the spawn of a child after the start of the child.
    const parentSettled = (settlements.get(event.parent) ?? Infinity) < Math.max(index, started)
    const startedLate = parentSettled && started > index
    return started >= 0 && (event.late || startedLate)
      ? [`${event.thread} started after the end of ${event.parent}`]
      : []
  })
}

/** An interrupted thread has a request, or an ancestor, a scope or a sibling's failure as its reason. */
const downwardOnly: Check = (outcome) => {
  const targets = only(outcome.events, "Asked")
    .filter(({ how }) => how !== "raise")
    .map(({ thread }) => thread)
  const closed = outcome.scenario.plan.some(({ action }) => action._tag === "Close")
  return [...outcome.threads.values()].flatMap(({ name, reason }) => {
    if (reason === undefined || closed) return []
    const covered = targets.some((target) => name === target || name.startsWith(`${target}.`))
    if (covered || reason._tag === "ParentEnded" || reason._tag === "SiblingFailed") return []
    const below = only(outcome.events, "Asked").some(({ message }) => message === reason.message)
    return below ? [`${name} was cancelled because of ${reason.message}, which was asked of another`] : []
  })
}

const failFastOrigin: Check = (outcome) =>
  only(outcome.events, "GroupJoined").flatMap((joined) => {
    if (joined.policy !== "failFast" || Exit.isSuccess(joined.exit)) return []
    const failed = only(outcome.events, "MemberEnded").some(
      ({ exit, group }) => group === joined.group && Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)
    )
    return failed &&
      Cause.hasInterrupts(joined.exit.cause) &&
      !isCancelled(outcome, joined.thread) &&
      !isCut(outcome, joined)
      ? ["the group failed with an interruption, not with the failure alone"]
      : []
  })

/** Whether the region around a join was interrupted meanwhile, by its deadline or by a raised error. */
const isCut = (outcome: Outcome, joined: Event): boolean => {
  const ofRegion = outcome.events
    .slice(outcome.events.indexOf(joined) + 1)
    .filter((event) => isOf(event, joined.thread) && (event._tag === "DeadlineEnded" || event._tag === "Received"))
  return ofRegion.some((event) => event._tag === "Received" || (event._tag === "DeadlineEnded" && event.exceeded))
}

const isCancelled = (outcome: Outcome, name: string): boolean => outcome.threads.get(name)?.reason !== undefined

const maskPends: Check = (outcome) => [
  ...only(outcome.events, "MaskBroken").map(({ thread }) => `${thread} was interrupted under its mask`),
  ...only(outcome.events, "MaskLost").map(({ thread }) => `${thread} went on after its mask, though it was cancelled`)
]

const levelTriggered: Check = (outcome) =>
  only(outcome.events, "Passed")
    .filter(({ cancelled, masked }) => cancelled && !masked)
    .map(({ thread }) => `${thread} passed a checkpoint after it was cancelled`)

export const laws: Record<
  | "interrupt-idempotent"
  | "interrupt-awaits"
  | "all-interruptors-wait"
  | "late-interrupt-noop"
  | "join-pure"
  | "join-stable"
  | "exit-unique"
  | "no-orphan"
  | "late-fork"
  | "downward-only"
  | "fail-fast-origin"
  | "mask-pends"
  | "level-triggered",
  Check
> = {
  "interrupt-idempotent": interrupts,
  "interrupt-awaits": interruptAwaits,
  "all-interruptors-wait": allInterruptorsWait,
  "late-interrupt-noop": lateInterruptNoop,
  "join-pure": joinPure,
  "join-stable": joinStable,
  "exit-unique": exitUnique,
  "no-orphan": noOrphan,
  "late-fork": lateFork,
  "downward-only": downwardOnly,
  "fail-fast-origin": failFastOrigin,
  "mask-pends": maskPends,
  "level-triggered": levelTriggered
}

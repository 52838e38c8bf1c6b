/** The laws of the ends of threads, and of waits for these ends. */
import * as CancelReason from "@quiesce/core/CancelReason"
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { type AnyExit, anyGivenUp, isAbandoned, isForced, type Outcome } from "../Outcome.ts"
import { type Event, only } from "../Trace.ts"
import { firstBy, placesOf } from "./firsts.ts"
import { askerOf, outlives } from "./outliving.ts"

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

/**
 * An interrupt that never returned. A thread that was given up may still wait when the run ends, and so may a thread below
 * one. The threads below one that was killed or has crashed end with its worker, and so do the fibers that interrupt them.
 */
const unanswered = (outcome: Outcome): ReadonlyArray<string> => {
  const returned = firstBy(outcome.events, "Returned", "id")
  const forced = [...outcome.threads.values()].flatMap(({ exit, name }) => (isForced(exit) ? [name] : []))
  return only(outcome.events, "Asked")
    .filter((asked) => asked.how === "interrupt" && !returned.has(asked.id))
    .filter((asked) => !outlives(outcome, askerOf(asked.message)))
    .filter(({ thread }) => !forced.some((name) => thread.startsWith(`${name}.`)))
    .map(({ thread }) => `an interrupt of ${thread} never returned`)
}

const lateInterruptNoop: Check = (outcome) =>
  only(outcome.events, "Asked").flatMap((asked) => {
    if (asked.wasAlive || asked.how === "raise") return []
    const settled = only(outcome.events, "Settled").find(({ thread }) => thread === asked.thread)
    const known = outcome.threads.get(asked.thread)
    const returned = only(outcome.events, "Returned").find(({ id }) => id === asked.id)
    if (returned === undefined && outlives(outcome, askerOf(asked.message))) return []
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

/**
 * A host may abandon a thread that runs on elsewhere and does not know yet. Until that thread has ended there, its scope is
 * open, and the threads that it forks may start. Code of an abandoned thread may also make a scope or a group later, which is
 * open. A thread there has the nearest living ancestor of the abandoned one as its parent.
 */
const lateFork: Check = (outcome) => {
  const abandoned = new Set(
    only(outcome.events, "Settled").flatMap(({ exit, thread }) => (isAbandoned(exit) ? [thread] : []))
  )
  const starts = placesOf(outcome.events, "Started")
  const settlements = endsOf(outcome.events)
  return outcome.events.flatMap((event, index) => {
    if (event._tag !== "Spawned") return []
    const started = starts.get(event.thread) ?? -1
    // An abandoned parent may note the spawn of a child after the start of the child.
    const parentSettled = (settlements.get(event.parent) ?? Infinity) < Math.max(index, started)
    const isElsewhere = abandoned.has(event.parent) && event.scope !== event.parent
    const startedLate = parentSettled && !isElsewhere && started > index
    return started >= 0 && (event.late || startedLate)
      ? [`${event.thread} started after the end of ${event.parent}`]
      : []
  })
}

/** The place in the trace of the end of each thread, where it ran. */
const endsOf = (events: ReadonlyArray<Event>): ReadonlyMap<string, number> => {
  const ends = new Map(placesOf(events, "Settled"))
  const there = placesOf(events, "EndedThere")
  for (const { elsewhere, exit, thread } of only(events, "Settled")) {
    if (elsewhere === true && isAbandoned(exit)) ends.set(thread, there.get(thread) ?? Infinity)
  }
  return ends
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
    if (joined.policy !== "failFast") return []
    if (Exit.isSuccess(joined.exit)) return missedDeadline(outcome, joined.group)
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

/** A member whose token noticed its deadline has failed, unless other code had interrupted the member. */
const missedDeadline = (outcome: Outcome, of: number): ReadonlyArray<string> =>
  only(outcome.events, "MemberEnded").some(
    ({ exit, group, member }) => group === of && hasExceeded(exit) && !isCancelled(outcome, member)
  )
    ? ["the group succeeded, though a member had exceeded its deadline"]
    : []

const hasExceeded = (exit: AnyExit): boolean =>
  Option.exists(CancelReason.fromExit(exit), ({ _tag }) => _tag === "DeadlineExceeded")

/** Whether the region around a join was interrupted meanwhile, by its deadline or by a raised error. */
const isCut = (outcome: Outcome, joined: Event): boolean => {
  const ofRegion = outcome.events
    .slice(outcome.events.indexOf(joined) + 1)
    .filter((event) => isOf(event, joined.thread) && (event._tag === "DeadlineEnded" || event._tag === "Received"))
  return ofRegion.some((event) => event._tag === "Received" || (event._tag === "DeadlineEnded" && event.exceeded))
}

const isCancelled = (outcome: Outcome, name: string): boolean => outcome.threads.get(name)?.reason !== undefined

/**
 * A woken fiber of a worker may be interrupted before its task runs. The interrupt then takes effect at the next wait of the
 * fiber, also if a mask begins and ends before that wait. This cancel did not come under the mask. A cancel that came under
 * the mask ends the fiber at the end of the mask, and so does an earlier cancel if the fiber has waited since.
 */
const maskPends: Check = (outcome) => [
  ...only(outcome.events, "MaskBroken").map(({ thread }) => `${thread} was interrupted under its mask`),
  ...only(outcome.events, "MaskLost").flatMap(({ thread, woken }) =>
    woken === true ? [] : [`${thread} went on after its mask, though it was cancelled`]
  )
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

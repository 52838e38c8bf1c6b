/** The laws of acquired and released leases. */
import * as Cause from "effect/Cause"
import { type AnyExit, anyGivenUp, isForced, isGivenUp, type Outcome } from "../Outcome.ts"
import { type Event, only } from "../Trace.ts"
import { firstBy, placesOf } from "./firsts.ts"

type Check = (outcome: Outcome) => ReadonlyArray<string>

const abandoned = (outcome: Outcome): boolean => anyGivenUp(outcome)

const times = (events: ReadonlyArray<{ readonly lease: string }>): Map<string, number> => {
  const counts = new Map<string, number>()
  for (const { lease } of events) counts.set(lease, (counts.get(lease) ?? 0) + 1)
  return counts
}

const releaseOnce: Check = (outcome) => {
  const releases = times(only(outcome.events, "Releasing"))
  const isLost = abandoned(outcome) ? losses(outcome) : () => false
  return only(outcome.events, "Acquired").flatMap((event) => {
    const count = releases.get(event.lease) ?? 0
    return count === 1 || (count === 0 && event.kept !== true && isLost(event))
      ? []
      : [`${event.lease} was released ${count} times`]
  })
}

type Acquired = Extract<Event, { readonly _tag: "Acquired" }>

/**
 * The leases that an abandoned thread may lose: all leases of a thread elsewhere, and of the threads below it. A thread on a
 * fiber, also on a fiber of a worker, and its descendants lose only the leases that they acquire later, or when the time for
 * the remaining releases is over, because a hanging release holds up no other release when its thread is abandoned.
 */
const losses = (outcome: Outcome): ((event: Acquired) => boolean) => {
  const elsewhere = threadsElsewhere(outcome)
  if (elsewhere === "all") return () => true
  const ends = placesOf(outcome.events, "Settled")
  const over = timesOver(outcome)
  const givenUp = [...outcome.threads.values()].filter(({ exit }) => isGivenUp(exit)).map(({ name }) => name)
  return (event) => {
    const above = givenUp.filter((name) => event.thread === name || event.thread.startsWith(`${name}.`))
    const place = outcome.events.indexOf(event)
    const isLost = (name: string): boolean =>
      elsewhere.has(name) || (ends.get(name) ?? Infinity) < place || (over.get(name) ?? Infinity) <= event.at
    return above.some(isLost)
  }
}

/** The threads behind the controls of an adapter. The host of workers marks its own threads, and other adapters mark none. */
const threadsElsewhere = ({ events, isElsewhere }: Outcome): ReadonlySet<string> | "all" => {
  if (!isElsewhere) return new Set()
  const marked = only(events, "Settled").flatMap((event) => (event.elsewhere === true ? [event.thread] : []))
  return marked.length === 0 ? "all" : new Set(marked)
}

/** The times at which the remaining releases of threads had no more time: the grace of the last rung, once more. */
const timesOver = ({ events }: Outcome): ReadonlyMap<string, number> => {
  const times = new Map<string, number>()
  for (const { report } of only(events, "Reported")) {
    const { attempts, startedAt, thread } = report
    const last = attempts.findLast(({ _tag }) => _tag !== "Unavailable")
    if (last?._tag !== "Outwaited") continue
    times.set(thread, Math.min(times.get(thread) ?? Infinity, startedAt + last.at + 2 * last.millis))
  }
  return times
}

const noAcquireNoRelease: Check = (outcome) => {
  const acquired = new Set(only(outcome.events, "Acquired").map(({ lease }) => lease))
  return only(outcome.events, "Releasing")
    .filter(({ lease }) => !acquired.has(lease))
    .map(({ lease }) => `${lease} was released and never acquired`)
}

/** No event lies between the success and the registration: an acquired lease is held until its release begins. */
const acquireAtomic: Check = (outcome) => {
  if (abandoned(outcome)) return []
  const released = new Set(only(outcome.events, "Releasing").map(({ lease }) => lease))
  return only(outcome.events, "Acquired")
    .filter(({ lease }) => !released.has(lease))
    .map(({ lease }) => `${lease} was acquired and not registered`)
}

/** Whether a thread was given up without any time for its remaining releases, which then start without a wait. */
const startsAtOnce = (outcome: Outcome): boolean =>
  abandoned(outcome) &&
  outcome.scenario.plan.some(({ action }) => {
    if (action._tag !== "Shutdown") return false
    const { interrupt, kill, stop, unwind } = action.climb
    // The adapter may lack the later rungs.
    return [stop, interrupt, unwind, kill].includes(0)
  })

/** The leases that a worker took with it when it was killed or crashed. */
const lostByForce = (outcome: Outcome): ReadonlySet<string> => {
  if (![...outcome.threads.values()].some(({ exit }) => isForced(exit))) return new Set()
  const released = new Set(only(outcome.events, "Releasing").map(({ lease }) => lease))
  const own = only(outcome.events, "Acquired").filter(({ kept }) => kept !== true)
  return new Set(own.flatMap(({ lease }) => (released.has(lease) ? [] : [lease])))
}

/** An end by force loses the leases in its thread. The host's leases of the thread are released without them. */
const lifo: Check = (outcome) => {
  if (startsAtOnce(outcome)) return []
  const lost = lostByForce(outcome)
  const stacks = new Map<string, Array<string>>()
  const scopes = new Map<string, string>()
  return outcome.events.flatMap((event) => {
    if (event._tag === "Acquired") {
      if (lost.has(event.lease)) return []
      scopes.set(event.lease, event.scope)
      const stack = stacks.get(event.scope)
      if (stack === undefined) stacks.set(event.scope, [event.lease])
      else stack.push(event.lease)
    } else if (event._tag === "Releasing") {
      const stack = stacks.get(scopes.get(event.lease) ?? "") ?? []
      const top = stack.pop()
      if (top !== event.lease && top !== undefined) return [`${event.lease} was released before ${top}`]
    }
    return []
  })
}

/** A hanging release without a limit may delay the other releases. Then its thread has not ended either. */
const finalizerIsolation: Check = (outcome) => {
  const bad = only(outcome.events, "Released").some(({ how }) => how !== "ok")
  const missing = releaseOnce(outcome)
  if (missing.length > 0) return missing.map((problem) => `${problem}${bad ? " after a bad release" : ""}`)
  return unreported(outcome)
}

/** A failed release is in the exit of its thread, also beside an interruption, or in the log of a call that was aborted. */
const unreported = (outcome: Outcome): ReadonlyArray<string> => {
  const failed = only(outcome.events, "Released").filter(({ how }) => how === "failed")
  if (failed.length === 0) return []
  const acquired = firstBy(outcome.events, "Acquired", "lease")
  return failed.flatMap(({ lease, thread }) => {
    const inScope = acquired.get(lease)?.scope === thread
    return !inScope || isTold(outcome.threads.get(thread)?.exit) || isLogged(outcome, thread)
      ? []
      : [`the failure of ${lease} is in no exit`]
  })
}

/** Whether an exit has a failure. An abandoned or killed thread has ended before its releases. */
const isTold = (exit: AnyExit | undefined): boolean =>
  exit === undefined || isGivenUp(exit) || (exit._tag === "Failure" && !Cause.hasInterruptsOnly(exit.cause))

const isLogged = (outcome: Outcome, thread: string): boolean =>
  only(outcome.events, "Logged").some((event) => event.thread === thread)

const finalizerShield: Check = (outcome) => {
  const began = times(only(outcome.events, "Releasing"))
  const twice = [...began].filter(([, count]) => count > 1).map(([lease]) => `the release of ${lease} began again`)
  const cut = only(outcome.events, "Released")
    .filter(({ how, lease }) => how === "cut" && !timedOut(outcome, lease))
    .map(({ lease }) => `the release of ${lease} was cut`)
  const ended = new Set(only(outcome.events, "Released").map(({ lease }) => lease))
  const dropped = abandoned(outcome) ? [] : [...began.keys()].filter((lease) => !ended.has(lease))
  return [...twice, ...cut, ...dropped.map((lease) => `the release of ${lease} was dropped`)]
}

const within = 7

/** The limit of a limited release is `within`. A release that was cut by its limit had its full time, or was held up. */
const timedOut = (outcome: Outcome, lease: string): boolean => {
  const began = only(outcome.events, "Releasing").find((event) => event.lease === lease)
  const ended = only(outcome.events, "Released").find((event) => event.lease === lease)
  return began !== undefined && ended !== undefined && ended.at - began.at + heldUp(outcome, began.at) >= within
}

/**
 * How long the synchronous code of other threads, one after another, has blocked the JavaScript thread just before a release
 * takes its first step. The limit of the release counts from its start, which may lie before that code.
 */
const heldUp = (outcome: Outcome, at: number): number => at - startOf(blocks(outcome), at)

/** The start of the adjacent blocks that end at a time, or that time. */
const startOf = (all: ReturnType<typeof blocks>, at: number): number => {
  const last = all.find(({ from, to }) => from < to && to === at)
  return last === undefined ? at : startOf(all, last.from)
}

/**
 * The times in which synchronous code has blocked the JavaScript thread. Code that was ended by force records no end. It has
 * ended when the body of its thread has.
 */
const blocks = ({ events }: Outcome): ReadonlyArray<{ readonly from: number; readonly to: number }> => {
  const polls = firstBy(events, "Polling", "id")
  const spins = firstBy(events, "Spinning", "id")
  const ends = firstBy(events, "Spun", "id")
  return [
    ...only(events, "Polled").map(({ at, id }) => ({ from: polls.get(id)?.at ?? at, to: at })),
    ...only(events, "Spun").map(({ at, id }) => ({ from: spins.get(id)?.at ?? at, to: at })),
    ...only(events, "Spinning").flatMap((spin) => (ends.has(spin.id) ? [] : forced(events, spin)))
  ]
}

/** The time that code which was ended by force has blocked the JavaScript thread; empty if the body of its thread has no end. */
const forced = (
  events: Outcome["events"],
  spin: Extract<Event, { readonly _tag: "Spinning" }>
): ReturnType<typeof blocks> => {
  const later = only(events.slice(events.indexOf(spin)), "BodyEnded")
  const ended = later.find(({ thread }) => thread === spin.thread)
  return ended === undefined ? [] : [{ from: spin.at, to: ended.at }]
}

const boundedCleanup: Check = (outcome) => {
  if (outcome.end !== "Done") return [`the run ended in ${outcome.end}`]
  const released = firstBy(outcome.events, "Released", "lease")
  return only(outcome.events, "Releasing").flatMap((began) => {
    const ended = released.get(began.lease)
    if (ended === undefined) return abandoned(outcome) ? [] : [`the release of ${began.lease} never ended`]
    const given = ended.at - began.at
    const isShort = given + heldUp(outcome, began.at) < within
    return ended.how === "cut" && (isShort || given > within + blocked(outcome, began.at, ended.at))
      ? [`${began.lease} was given ${given} ms`]
      : []
  })
}

/** How long synchronous code has blocked the JavaScript thread. A release can't be cut meanwhile. */
const blocked = (outcome: Outcome, from: number, to: number): number =>
  blocks(outcome).reduce((sum, block) => sum + Math.max(0, Math.min(to, block.to) - Math.max(from, block.from)), 0)

export const laws: Record<
  | "release-once"
  | "no-acquire-no-release"
  | "acquire-atomic"
  | "lifo"
  | "finalizer-isolation"
  | "finalizer-shield"
  | "bounded-cleanup",
  Check
> = {
  "release-once": releaseOnce,
  "no-acquire-no-release": noAcquireNoRelease,
  "acquire-atomic": acquireAtomic,
  lifo,
  "finalizer-isolation": finalizerIsolation,
  "finalizer-shield": finalizerShield,
  "bounded-cleanup": boundedCleanup
}

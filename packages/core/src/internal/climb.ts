/**
 * Ends threads: sends the request of each rung, waits for the grace, climbs on, and notifies an observer.
 *
 * With a hundred thousand threads, each pass over all of them is expensive. One pass therefore sends the request to each
 * thread and, if the thread has ended, notifies the observer.
 *
 * Invariants:
 * 1. Rungs are climbed in order, with all threads of a climb at once, each within one grace.
 * 2. A request that a thread already has, even from another caller, is not sent again. Its grace is waited for.
 * 3. When a climb is over, each of its threads has settled by itself or was abandoned. The observer was notified of
 *    each thread once, by `ended` or by `abandoned`.
 * 4. The first rung above `stop` is never left out: threads that lack the rung are interrupted instead, with the same grace.
 * 5. A defect of one thread's adapter does not keep the other threads from their requests. The climb fails with all
 *    defects, once it is over.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import * as CancelReason from "../CancelReason.ts"
import type * as Escalation from "../Escalation.ts"
import type { UnwindOutcome } from "./threadControls.ts"
import * as Texts from "./errorTexts.ts"
import * as Ladder from "./ladder.ts"
import * as Ledger from "./ledger.ts"
import * as Misuse from "./misuse.ts"
import * as RemainingReleases from "./remainingReleases.ts"
import { atOnce, inOrder } from "./sequence.ts"
import * as Steps from "./steps.ts"
import { onlyWaits, type ThreadNode } from "./threadNode.ts"
import { eitherOf, type Listen, within } from "./waiting.ts"

/** The notifications of a climb, for the writer of the report. `place` is the index of a thread in the given list. */
export interface Observer {
  readonly asked: (step: Escalation.Step, at: number) => void
  readonly unavailable: (node: ThreadNode, rung: Escalation.Rung, at: number) => void
  /** The outcome of an unwind, as soon as it is known. */
  readonly unwound: (node: ThreadNode, outcome: UnwindOutcome) => void
  /** Called with the threads that are alive after the grace of a rung. The next of the steps waits for the effect. */
  readonly outwaited: (nodes: ReadonlyArray<ThreadNode>, now: number, next: Next) => Effect.Effect<void>
  readonly ended: (node: ThreadNode, place: number) => void
  readonly abandoned: (node: ThreadNode, place: number) => void
}

/** The continuation of a climb. */
export interface Next {
  readonly steps: ReadonlyArray<Escalation.Step>
  /** The defects of adapters. The climb fails with them. */
  readonly defects: Array<unknown>
}

/** The places of the threads without a known end. */
type Places = ReadonlyArray<number>

/** Ends threads, each by its own escalation, all at once. */
export const endAll = (nodes: ReadonlyArray<ThreadNode>, reason: CancelReason.CancelReason): Effect.Effect<void> => {
  const byEscalation = new Map<Escalation.Escalation, Array<ThreadNode>>()
  for (const node of nodes) {
    const same = byEscalation.get(node.escalation)
    if (same === undefined) byEscalation.set(node.escalation, [node])
    else same.push(node)
  }
  const climbs = [...byEscalation].map(([escalation, group]) => climb(group, stepsOf(escalation), reason))
  if (climbs.length === 1) return climbs[0]!
  return atOnce(climbs)
}

/** Asks on the first rung of the thread's own escalation. */
export const askFirst = (node: ThreadNode, reason: CancelReason.CancelReason): Effect.Effect<void> =>
  Ladder.ask(node, stepsOf(node.escalation)[0]!.rung, reason)

/** The steps of an escalation. It was checked when the thread was spawned. */
const stepsOf = (escalation: Escalation.Escalation): ReadonlyArray<Escalation.Step> =>
  Steps.of(escalation) as ReadonlyArray<Escalation.Step>

/**
 * Climbs with a group of threads. Waits until each has settled, and abandons each thread that outlasts the last rung.
 *
 * *Cancellation*: the sent requests stay. No further rung is climbed.
 */
export const climb = (
  nodes: ReadonlyArray<ThreadNode>,
  steps: ReadonlyArray<Escalation.Step>,
  reason: CancelReason.CancelReason,
  observer?: Observer
): Effect.Effect<void> =>
  Effect.suspend(() => {
    const defects: Array<unknown> = []
    return Effect.flatMap(climbAll(nodes, steps, reason, observer, defects), () =>
      defects.length === 0 ? Effect.void : Effect.failCause(Cause.fromReasons(defects.map(Cause.makeDieReason)))
    )
  })

/** Runs a request to an adapter, and keeps its defect. */
export const guarded = (request: () => Effect.Effect<void>, defects: Array<unknown>): Effect.Effect<void> =>
  Effect.matchCauseEffect(Effect.suspend(request), {
    onSuccess: () => Effect.void,
    onFailure: (cause) => {
      const died = cause.reasons.find(Cause.isDieReason)
      if (died === undefined) return Effect.failCause(cause)
      defects.push(died.defect)
      return Effect.void
    }
  })

const climbAll: (
  nodes: ReadonlyArray<ThreadNode>,
  steps: ReadonlyArray<Escalation.Step>,
  reason: CancelReason.CancelReason,
  observer: Observer | undefined,
  defects: Array<unknown>
) => Effect.Effect<void> = /* @__PURE__ */ Effect.fnUntraced(function* (nodes, steps, reason, observer, defects) {
  let left: Places = nodes.map((_, place) => place)
  let grace = 0
  // An ended thread gets no request. With many threads, the first pass finds the ended ones.
  if (nodes.length === 1) left = living(nodes, left, observer)
  const rest = [...steps]
  let isFirst = true
  for (let step = rest.shift(); step !== undefined; step = rest.shift()) {
    if (left.length === 0) return
    const { grace: given, rung } = step
    if (isFirst && !left.some((place) => hasRung(nodes[place]!, rung))) {
      rest.unshift(step)
      step = { rung: "interrupt", grace: given }
    }
    isFirst &&= step.rung === "stop"
    const { clock } = nodes[left[0]!]!
    observer?.asked(step, clock.currentTimeMillisUnsafe())
    let isAsked = true
    if (step.rung === "interrupt") left = yield* interruptAll(nodes, left, reason, observer, defects)
    else isAsked = yield* askAll(nodes, (left = living(nodes, left, observer)), step.rung, reason, observer, defects)
    if (!isAsked || left.length === 0) continue
    grace = step.grace
    yield* within(endsOf(left.map((place) => nodes[place]!)), step.grace)
    left = living(nodes, left, observer)
    if (observer === undefined || left.length === 0) continue
    yield* observer.outwaited(
      left.map((place) => nodes[place]!),
      clock.currentTimeMillisUnsafe(),
      { steps: rest, defects }
    )
    left = living(nodes, left, observer)
  }
  if (left.length > 0) yield* releaseRemaining(nodes, left, reason, grace, defects)
  for (const place of left) {
    const node = nodes[place]!
    if (node.isAlive && (yield* abandon(node, reason, defects))) observer?.abandoned(node, place)
    else observer?.ended(node, place)
  }
})

/**
 * Runs the remaining releases of threads before the threads are abandoned, so that the results are in the report. Code
 * that was not interrupted yet is interrupted first, because it may use a lease. All threads together get the grace of the
 * last rung once more. Leases that code of the threads acquires meanwhile are released, too.
 */
const releaseRemaining = (
  nodes: ReadonlyArray<ThreadNode>,
  places: Places,
  reason: CancelReason.CancelReason,
  grace: number,
  defects: Array<unknown>
): Effect.Effect<void> => {
  const abandoned = places.map((place) => nodes[place]!)
  const { clock } = abandoned[0]!
  const end = clock.currentTimeMillisUnsafe() + grace
  const left = (): number => Math.max(0, end - clock.currentTimeMillisUnsafe())
  const look = (looks: number): Effect.Effect<void> =>
    Effect.suspend(() => {
      const holders = abandoned.filter((node) => RemainingReleases.ofAbandoned(node).length > 0)
      if (holders.length === 0) return Effect.void
      const running = holders.flatMap((top) => Array.from(top.withDescendants()).filter((node) => !node.isCancelled))
      // An interrupted thread interrupts its descendants, but not under a mask or after the end of its body.
      const interrupted = inOrder(running, (node) =>
        guarded(
          () => (node.isCancelled ? Effect.void : Ladder.interrupt(node, node.parentNode?.reason ?? reason)),
          defects
        )
      )
      const released = Effect.suspend(() => atOnce(holders.map((node) => releaseAll(node, reason, left()))))
      const again = looks > 1 ? look(looks - 1) : Effect.void
      // Another caller may abandon the threads meanwhile.
      const ended = within(eitherOf(endsOf(running), endsOf(abandoned)), left())
      return inOrder([interrupted, ended, released, again], identity)
    })
  return look(mostLooks)
}

/** A limit, because a release that acquires another lease would otherwise keep its thread from being abandoned. */
const mostLooks = 64

const releaseAll = (node: ThreadNode, reason: CancelReason.CancelReason, millis: number): Effect.Effect<void> => {
  const exit = Exit.failCause(CancelReason.toCause(node.reason ?? reason))
  return RemainingReleases.run(node, RemainingReleases.ofAbandoned(node), exit, millis)
}

/** The places of the live threads. The observer is notified of the others. */
const living = (nodes: ReadonlyArray<ThreadNode>, places: Places, observer: Observer | undefined): Places =>
  places.filter((place) => {
    const node = nodes[place]!
    if (!node.isAlive) observer?.ended(node, place)
    return node.isAlive
  })

/** Interrupts all threads, and gives the places of the live ones. The caller can't be interrupted in between. */
const interruptAll = (
  nodes: ReadonlyArray<ThreadNode>,
  places: Places,
  reason: CancelReason.CancelReason,
  observer: Observer | undefined,
  defects: Array<unknown>
): Effect.Effect<Places> =>
  Effect.uninterruptible(
    Effect.withFiber((by) => {
      const requests: Array<Effect.Effect<void>> = []
      const left = places.filter((place) => {
        const node = nodes[place]!
        if (node.isAlive) {
          for (const request of interruptGuarded(node, reason, by.id, defects)) requests.push(request)
        }
        if (node.isAlive) return true
        observer?.ended(node, place)
        return false
      })
      return requests.length === 0 ? Effect.succeed(left) : Effect.as(inOrder(requests, identity), left)
    })
  )

const interruptGuarded = (
  node: ThreadNode,
  reason: CancelReason.CancelReason,
  by: number,
  defects: Array<unknown>
): ReadonlyArray<Effect.Effect<void>> => {
  try {
    const requests = Ladder.interruptUnsafe(node, reason, "interrupt", by)
    return requests.length === 0 ? requests : requests.map((request) => guarded(() => request, defects))
  } catch (defect) {
    defects.push(defect)
    return []
  }
}

/** Sends the request to each thread that has the rung, and interrupts the others. False if no thread has the rung. */
const askAll = (
  nodes: ReadonlyArray<ThreadNode>,
  places: Places,
  rung: Escalation.Rung,
  reason: CancelReason.CancelReason,
  observer: Observer | undefined,
  defects: Array<unknown>
): Effect.Effect<boolean> =>
  Effect.suspend(() => {
    let isAsked = false
    const asks = inOrder(places, (place) => {
      const node = nodes[place]!
      const isAvailable = hasRung(node, rung)
      if (isAvailable) isAsked = true
      else observer?.unavailable(node, rung, node.clock.currentTimeMillisUnsafe())
      return guarded(() => Ladder.ask(node, rung, reason, (outcome) => observer?.unwound(node, outcome)), defects)
    })
    return Effect.map(asks, () => isAsked)
  })

/** Listens for the end of all threads. */
export const endsOf =
  (nodes: ReadonlyArray<ThreadNode>): Listen =>
  (done) => {
    const live = nodes.filter((node) => node.isAlive)
    let left = live.length
    if (left === 0) done()
    const cancels = live.map((node) =>
      node.onSettled(() => {
        if (--left === 0) done()
        return onlyWaits
      })
    )
    return () => {
      for (const cancel of cancels) cancel()
    }
  }

/** Whether the adapter of a thread has a rung. */
export const hasRung = ({ controls }: ThreadNode, rung: Escalation.Rung): boolean =>
  rung === "unwind" ? Option.isSome(controls.unwind) : rung !== "kill" || Option.isSome(controls.kill)

/**
 * Abandons a thread: notifies its waiters, counts its leases as lost, and ends its children without a wait. False if the
 * interrupt that comes first has ended the thread.
 */
const abandon: (
  node: ThreadNode,
  reason: CancelReason.CancelReason,
  defects: Array<unknown>
) => Effect.Effect<boolean> = /* @__PURE__ */ Effect.fnUntraced(function* (node, reason, defects) {
  const stuck = Ledger.releasing(node)
  const children = [...node.children()]
  const fields = { thread: node.name, finalizer: stuck?.name ?? null }
  const error = Misuse.error({ _tag: "Abandoned", ...fields }, Texts.abandoned)
  yield* guarded(() => Ladder.interrupt(node, reason), defects)
  if (children.length > 0) {
    yield* inOrder(children, (child) => guarded(() => Ladder.interrupt(child, node.reason ?? reason), defects))
    // No other caller climbs with the children, and the children's own escalations may have an end.
    yield* Effect.forkDetach(endAll(children, reason), { startImmediately: true })
  }
  if (!node.isAlive) return false
  Ledger.lose(node)
  // Not combined, which would have both hashed.
  const { reasons } = CancelReason.toCause(node.reason ?? reason)
  node.controls.abandon(Exit.failCause(Cause.fromReasons([...reasons, Cause.makeDieReason(error)])))
  return true
})

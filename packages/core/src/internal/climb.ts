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
 * 4. A defect of one thread's adapter does not keep the other threads from their requests. The climb fails with all
 *    defects, once it is over.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as CancelReason from "../CancelReason.ts"
import * as Escalation from "../Escalation.ts"
import type { UnwindOutcome } from "./threadControls.ts"
import * as ThreadError from "../ThreadError.ts"
import * as Ladder from "./ladder.ts"
import * as Ledger from "./ledger.ts"
import * as RemainingReleases from "./remainingReleases.ts"
import type { ThreadNode } from "./threadNode.ts"

/** The notifications of a climb, for the writer of the report. `place` is the index of a thread in the given list. */
export interface Observer {
  readonly asked: (step: Escalation.Step, at: number) => void
  readonly unavailable: (node: ThreadNode, rung: Escalation.Rung, at: number, why: string) => void
  /** The outcome of an unwind, as soon as it is known. */
  readonly unwound: (node: ThreadNode, outcome: UnwindOutcome) => void
  readonly outwaited: (node: ThreadNode, now: number) => void
  /** The stack of a thread that a rung did not end, if the stack is found before the climb is over. */
  readonly located: (node: ThreadNode, rung: Escalation.Rung, stack: string) => void
  readonly ended: (node: ThreadNode, place: number) => void
  readonly abandoned: (node: ThreadNode, place: number) => void
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
  // A climb that fails must not interrupt the others.
  return Effect.flatMap(Effect.all(climbs.map(Effect.exit), { concurrency: "unbounded" }), Exit.asVoidAll)
}

/** Asks on the first rung of the thread's own escalation. */
export const askFirst = (node: ThreadNode, reason: CancelReason.CancelReason): Effect.Effect<void> =>
  Ladder.ask(node, stepsOf(node.escalation)[0]!.rung, reason)

/** The steps of an escalation. It was checked when the thread was spawned. */
const stepsOf = (escalation: Escalation.Escalation): ReadonlyArray<Escalation.Step> =>
  Result.getOrThrow(Escalation.steps(escalation))

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
): Effect.Effect<void> => {
  return Effect.suspend(() => {
    const progress: Progress = { searches: [], defects: [] }
    const climbing = Effect.andThen(
      climbAll(nodes, steps, reason, observer, progress),
      Effect.suspend(() => thrown(progress.defects))
    )
    if (observer === undefined) return climbing
    return Effect.ensuring(
      climbing,
      Effect.sync(() => progress.searches.forEach((search) => search.interruptUnsafe()))
    )
  })
}

/** The state of a climb. */
interface Progress {
  /** The searches for stacks. */
  readonly searches: Array<Fiber.Fiber<void>>
  /** The defects of adapters. */
  readonly defects: Array<unknown>
}

const thrown = (defects: ReadonlyArray<unknown>): Effect.Effect<void> =>
  defects.length === 0 ? Effect.void : Effect.failCause(Cause.fromReasons(defects.map(Cause.makeDieReason)))

/** Runs a request to an adapter, and keeps its defect. */
const guarded = (request: () => Effect.Effect<void>, { defects }: Progress): Effect.Effect<void> =>
  Effect.catchDefect(Effect.suspend(request), (defect) => Effect.sync(() => void defects.push(defect)))

const climbAll: (
  nodes: ReadonlyArray<ThreadNode>,
  steps: ReadonlyArray<Escalation.Step>,
  reason: CancelReason.CancelReason,
  observer: Observer | undefined,
  progress: Progress
) => Effect.Effect<void> = /* @__PURE__ */ Effect.fnUntraced(function* (nodes, steps, reason, observer, progress) {
  let left: Places = nodes.map((_, place) => place)
  let grace = 0
  // An ended thread gets no request. With many threads, the first pass finds the ended ones.
  if (nodes.length === 1) left = living(nodes, left, observer)
  for (const [index, step] of steps.entries()) {
    if (left.length === 0) return
    const { clock } = nodes[left[0]!]!
    observer?.asked(step, clock.currentTimeMillisUnsafe())
    let isAsked = true
    if (step.rung === "interrupt") left = yield* interruptAll(nodes, left, reason, observer, progress)
    else isAsked = yield* askAll(nodes, (left = living(nodes, left, observer)), step.rung, reason, observer, progress)
    if (!isAsked || left.length === 0) continue
    grace = step.grace
    const waiting = awaitAll(nodes, left)
    yield* step.grace === Infinity ? waiting : Effect.timeoutOption(waiting, step.grace)
    left = living(nodes, left, observer)
    if (observer === undefined) continue
    const now = clock.currentTimeMillisUnsafe()
    for (const place of left) observer.outwaited(nodes[place]!, now)
    const hopeless = left.filter((place) => isLastChance(nodes[place]!, steps.slice(index + 1)))
    const search = yield* locate(nodes, hopeless, step.rung, observer, progress)
    if (search === undefined) continue
    progress.searches.push(search)
    // A thread that ends meanwhile needs no stack, and its shutdown is over.
    yield* Effect.timeoutOption(Effect.raceFirst(Fiber.await(search), awaitAll(nodes, hopeless)), patience)
    left = living(nodes, left, observer)
  }
  if (left.length > 0) yield* releaseRemaining(nodes, left, reason, grace)
  for (const place of left) {
    const node = nodes[place]!
    if (node.isAlive && (yield* abandon(node, reason, progress))) observer?.abandoned(node, place)
    else observer?.ended(node, place)
  }
})

/**
 * Runs the releases behind a hanging one before its thread is abandoned, so that they are in the report. All threads
 * together get the grace of the last rung once more.
 */
const releaseRemaining = (
  nodes: ReadonlyArray<ThreadNode>,
  places: Places,
  reason: CancelReason.CancelReason,
  grace: number
): Effect.Effect<void> => {
  const runs = places.flatMap((place) => {
    const node = nodes[place]!
    const exit = Exit.failCause(CancelReason.toCause(node.reason ?? reason))
    return RemainingReleases.run(node, exit, grace) ?? []
  })
  return runs.length === 0 ? Effect.void : Effect.all(runs, { concurrency: "unbounded", discard: true })
}

/** The limit on the wait for a stack before a kill or an abandon. A stack that comes later is reported, too. */
const patience = "1 second"

/**
 * Whether the next step kills or abandons a thread, so that its stack can't be had afterwards. Before an unwind no search
 * is needed, because the unwind itself reports the stack.
 */
const isLastChance = (node: ThreadNode, rest: ReadonlyArray<Escalation.Step>): boolean => {
  const next = rest.find(({ rung }) => lacks(node, rung) === undefined)
  return next === undefined || next.rung === "kill"
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
  progress: Progress
): Effect.Effect<Places> =>
  Effect.uninterruptible(
    Effect.withFiber((by) => {
      const requests: Array<Effect.Effect<void>> = []
      const left = places.filter((place) => {
        const node = nodes[place]!
        if (node.isAlive) {
          for (const request of interruptGuarded(node, reason, by.id, progress)) requests.push(request)
        }
        if (node.isAlive) return true
        observer?.ended(node, place)
        return false
      })
      return requests.length === 0 ? Effect.succeed(left) : Effect.as(Effect.all(requests, { discard: true }), left)
    })
  )

const interruptGuarded = (
  node: ThreadNode,
  reason: CancelReason.CancelReason,
  by: number,
  progress: Progress
): ReadonlyArray<Effect.Effect<void>> => {
  try {
    const requests = Ladder.interruptUnsafe(node, reason, "interrupt", by)
    return requests.length === 0 ? requests : requests.map((request) => guarded(() => request, progress))
  } catch (defect) {
    progress.defects.push(defect)
    return []
  }
}

/** Sends the request to each thread that has the rung. False if no thread has the rung. */
const askAll = (
  nodes: ReadonlyArray<ThreadNode>,
  places: Places,
  rung: Escalation.Rung,
  reason: CancelReason.CancelReason,
  observer: Observer | undefined,
  progress: Progress
): Effect.Effect<boolean> =>
  Effect.suspend(() => {
    const available = places.filter((place) => {
      const node = nodes[place]!
      const refusal = lacks(node, rung)
      if (refusal !== undefined) observer?.unavailable(node, rung, node.clock.currentTimeMillisUnsafe(), refusal)
      return refusal === undefined
    })
    const asks = Effect.forEach(
      available.map((place) => nodes[place]!),
      (node) => guarded(() => Ladder.ask(node, rung, reason, (outcome) => observer?.unwound(node, outcome)), progress),
      { discard: true }
    )
    return Effect.as(asks, available.length > 0)
  })

/** Looks for the stacks of threads. Undefined if the search is over at once. */
const locate = (
  nodes: ReadonlyArray<ThreadNode>,
  places: Places,
  rung: Escalation.Rung,
  observer: Observer,
  progress: Progress
): Effect.Effect<Fiber.Fiber<void> | undefined> => {
  if (places.length === 0) return Effect.succeed(undefined)
  const locating = Effect.forEach(
    places,
    (place) => {
      const node = nodes[place]!
      const located = (stack: Option.Option<string>): void => {
        if (Option.isSome(stack)) observer.located(node, rung, stack.value)
      }
      return guarded(() => Effect.map(node.controls.locate, located), progress)
    },
    { concurrency: "unbounded", discard: true }
  )
  const search = Effect.forkChild(locating, { startImmediately: true })
  return Effect.map(search, (fiber) => (fiber.pollUnsafe() === undefined ? fiber : undefined))
}

const awaitAll = (nodes: ReadonlyArray<ThreadNode>, places: Places): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const live = places.filter((place) => nodes[place]!.isAlive)
    let left = live.length
    if (left === 0) return resume(Effect.void)
    const cancels = live.map((place) =>
      nodes[place]!.onSettled(() => {
        if (--left === 0) resume(Effect.void)
      })
    )
    return Effect.sync(() => {
      for (const cancel of cancels) cancel()
    })
  })

/** The reason for which a thread lacks a rung. Undefined if the thread has the rung. */
const lacks = (node: ThreadNode, rung: Escalation.Rung): string | undefined => {
  if (rung === "unwind" && Option.isNone(node.controls.unwind)) {
    return (
      node.controls.unwindProblem ?? "the synchronous code of this thread runs on the one that would have to end it"
    )
  }
  if (rung === "kill" && Option.isNone(node.controls.kill)) return "a fiber can't be ended by force"
  return undefined
}

/**
 * Abandons a thread: notifies its waiters, counts its leases as lost, and ends its children without a wait. False if the
 * interrupt that comes first has ended the thread.
 */
const abandon = (node: ThreadNode, reason: CancelReason.CancelReason, progress: Progress): Effect.Effect<boolean> =>
  Effect.suspend(() => {
    const stuck = Ledger.releasing(node)
    const children = [...node.children()]
    // No other caller climbs with the children, and the children's own escalations may have an end.
    const climbBelow = Effect.forkDetach(endAll(children, reason), { startImmediately: true })
    const error = ThreadError.make({ _tag: "Abandoned", thread: node.name, finalizer: stuck?.name ?? null })
    const asked = guarded(() => Ladder.interrupt(node, reason), progress)
    return Effect.andThen(
      asked,
      Effect.andThen(
        children.length === 0
          ? Effect.void
          : Effect.andThen(
              Effect.forEach(
                children,
                (child) => guarded(() => Ladder.interrupt(child, node.reason ?? reason), progress),
                {
                  discard: true
                }
              ),
              climbBelow
            ),
        Effect.sync(() => {
          if (!node.isAlive) return false
          for (const entry of Array.from(Ledger.heldBelow(node))) Ledger.settle(entry, "lost", now(node))
          // Not combined, which would have both hashed.
          const { reasons } = CancelReason.toCause(node.reason ?? reason)
          const cause = Cause.fromReasons([...reasons, Cause.makeDieReason(error)])
          node.controls.abandon(Exit.failCause(cause))
          return true
        })
      )
    )
  })

const now = (node: ThreadNode) => (): number => node.clock.currentTimeMillisUnsafe()

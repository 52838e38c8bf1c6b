/**
 * Ending threads: asks on each rung, waits for its grace, climbs, and tells what came of it.
 *
 * Invariants:
 * 1. Rungs are asked in order, for all threads of a climb at once, each within one grace.
 * 2. A rung that a thread has already been asked on, by whomever, is not asked again; its grace is waited for.
 * 3. When a climb is over, each of its threads has settled: by itself or by being abandoned.
 */
import type * as Clock from "effect/Clock"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as CancelReason from "../CancelReason.ts"
import * as Escalation from "../Escalation.ts"
import * as ThreadError from "../ThreadError.ts"
import * as Ledger from "./ledger.ts"
import type { ThreadNode } from "./threadNode.ts"

/** What a climb tells while it lasts, for whoever writes the report. */
export interface Observer {
  readonly asked: (step: Escalation.Step, at: number) => void
  readonly unavailable: (node: ThreadNode, rung: Escalation.Rung, at: number, why: string) => void
  readonly outwaited: (node: ThreadNode, stack: string | null, now: number) => void
  readonly abandoned: (node: ThreadNode) => void
}

/** Asks a thread, and all its descendants, to stop. */
export const stop = (node: ThreadNode, reason: CancelReason.CancelReason): Effect.Effect<void> => {
  if (!node.isAlive) return Effect.void
  const asked = node.beginStop(reason) ? node.controls.requestStop(reason) : Effect.void
  if (node.firstChild === undefined) return asked
  return Effect.andThen(
    asked,
    Effect.forEach([...node.children()], (child) => stop(child, node.reason ?? reason), { discard: true })
  )
}

/** Asks a thread to be interrupted, or with a higher rung marks that it has come to that. */
export const interrupt = (
  node: ThreadNode,
  reason: CancelReason.CancelReason,
  rung: Exclude<Escalation.Rung, "stop"> = "interrupt"
): Effect.Effect<void> => interruptAll([node], reason, rung)

/**
 * Asks many. Whoever asks can't be ended between the mark and the request: the thread would count as cancelled and
 * never hear of it.
 */
const interruptAll = (
  nodes: ReadonlyArray<ThreadNode>,
  reason: CancelReason.CancelReason,
  rung: Exclude<Escalation.Rung, "stop">
): Effect.Effect<void> =>
  Effect.uninterruptible(
    Effect.withFiber((by) => {
      const requests = nodes.flatMap((node) => interruptUnsafe(node, reason, rung, by.id))
      return requests.length === 0 ? Effect.void : Effect.all(requests, { discard: true })
    })
  )

/** The same for one thread, at once; gives what still has to be run, uninterruptibly, in the same step. */
export const interruptUnsafe = (
  node: ThreadNode,
  reason: CancelReason.CancelReason,
  rung: Exclude<Escalation.Rung, "stop">,
  by: number
): ReadonlyArray<Effect.Effect<void>> => {
  const reasons = node.beginCancel(rung, reason)
  const { controls } = node
  if (controls.interruptUnsafe === undefined) return reasons.map((each) => controls.requestInterrupt(each))
  for (const each of reasons) controls.interruptUnsafe(each, by)
  return none
}

const none: ReadonlyArray<never> = []

/** The reason for which what lived in a scope ends with it: the scope's own, if that was cancelled. */
export const reasonOfEnd = (
  exit: Exit.Exit<unknown, unknown>,
  parent: ThreadNode,
  at: number
): CancelReason.CancelReason =>
  Option.getOrElse(CancelReason.fromExit(exit), () => ({
    // Outside threads only a scope can end.
    ...(parent.parentNode === undefined
      ? CancelReason.parentEnded(parent.name, "Its scope has closed")
      : CancelReason.parentEnded(parent.name)),
    by: parent.name,
    at
  }))

/** Ends threads, each by its own escalation, all at once. */
export const endAll = (nodes: ReadonlyArray<ThreadNode>, reason: CancelReason.CancelReason): Effect.Effect<void> => {
  const byEscalation = new Map<Escalation.Escalation, Array<ThreadNode>>()
  for (const node of nodes) {
    const same = byEscalation.get(node.escalation)
    if (same === undefined) byEscalation.set(node.escalation, [node])
    else same.push(node)
  }
  const climbs = [...byEscalation].map(([escalation, group]) => climb(group, stepsOf(escalation), reason))
  return climbs.length === 1 ? climbs[0]! : Effect.all(climbs, { concurrency: "unbounded", discard: true })
}

/** Asks on the first rung of the thread's own escalation. */
export const askFirst = (node: ThreadNode, reason: CancelReason.CancelReason): Effect.Effect<void> =>
  ask(node, stepsOf(node.escalation)[0]!.rung, reason)

/** The steps of an escalation that was checked when it was taken. */
const stepsOf = (escalation: Escalation.Escalation): ReadonlyArray<Escalation.Step> =>
  Result.getOrThrow(Escalation.steps(escalation))

/**
 * Climbs with a group of threads. Waits until each has settled, and abandons those that outlast the last rung.
 *
 * *Cancellation*: what was asked stays asked; nobody climbs on.
 */
export const climb: (
  nodes: ReadonlyArray<ThreadNode>,
  steps: ReadonlyArray<Escalation.Step>,
  reason: CancelReason.CancelReason,
  observer?: Observer
) => Effect.Effect<void> = Effect.fnUntraced(function* (nodes, steps, reason, observer) {
  let live = nodes.filter((node) => node.isAlive)
  for (const step of steps) {
    if (live.length === 0) return
    const clock = live[0]!.clock
    observer?.asked(step, clock.currentTimeMillisUnsafe())
    const available = live.filter((node) => {
      const refusal = lacks(node, step.rung)
      if (refusal !== undefined) observer?.unavailable(node, step.rung, clock.currentTimeMillisUnsafe(), refusal)
      return refusal === undefined
    })
    yield* step.rung === "interrupt"
      ? interruptAll(available, reason, step.rung)
      : Effect.forEach(available, (node) => ask(node, step.rung, reason), { discard: true })
    if (available.length > 0) {
      yield* step.grace === Infinity ? awaitAll(live) : Effect.timeoutOption(awaitAll(live), step.grace)
      live = live.filter((node) => node.isAlive)
      if (live.length > 0 && observer !== undefined) yield* outwaited(live, clock, observer)
    }
  }
  for (const node of live) {
    if (node.isAlive && (yield* abandon(node, reason))) observer?.abandoned(node)
  }
})

const outwaited = Effect.fnUntraced(function* (
  live: ReadonlyArray<ThreadNode>,
  clock: Clock.Clock,
  observer: Observer
) {
  const now = clock.currentTimeMillisUnsafe()
  for (const node of live) {
    if (!node.isAlive) continue
    const stack = yield* node.controls.locate
    observer.outwaited(node, Option.getOrNull(stack), now)
  }
})

const awaitAll = (nodes: ReadonlyArray<ThreadNode>): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const live = nodes.filter((node) => node.isAlive)
    let left = live.length
    if (left === 0) return resume(Effect.void)
    const cancels = live.map((node) =>
      node.onSettled(() => {
        if (--left === 0) resume(Effect.void)
      })
    )
    return Effect.sync(() => {
      for (const cancel of cancels) cancel()
    })
  })

/** Why a thread does not have a rung; undefined where it does. */
const lacks = (node: ThreadNode, rung: Escalation.Rung): string | undefined => {
  if (rung === "unwind" && Option.isNone(node.controls.unwind)) {
    return "the synchronous code of this thread runs on the one that would have to end it"
  }
  if (rung === "kill" && Option.isNone(node.controls.kill)) return "a fiber can't be ended by force"
  return undefined
}

const ask = (node: ThreadNode, rung: Escalation.Rung, reason: CancelReason.CancelReason): Effect.Effect<void> => {
  const { unwind, kill } = node.controls
  switch (rung) {
    case "stop":
      return stop(node, reason)
    case "interrupt":
      return interrupt(node, reason)
    case "unwind": {
      const asked = interrupt(node, reason, rung)
      return Option.isNone(unwind)
        ? asked
        : Effect.andThen(asked, Effect.forkDetach(unwind.value, { startImmediately: true }))
    }
    case "kill": {
      const asked = interrupt(node, reason, rung)
      return Option.isNone(kill) ? asked : Effect.andThen(asked, kill.value(reason))
    }
  }
}

/**
 * Gives a thread up: frees its waiters, counts what it holds as lost, and ends what runs below it, without waiting for
 * that. False when the thread has ended after all, as the interrupt that comes first was enough.
 */
const abandon = (node: ThreadNode, reason: CancelReason.CancelReason): Effect.Effect<boolean> =>
  Effect.suspend(() => {
    const stuck = Ledger.releasing(node)
    const children = [...node.children()]
    // Nobody else would climb with the children, whose own escalations may have an end.
    const climbBelow = Effect.forkDetach(endAll(children, reason), { startImmediately: true })
    const error = ThreadError.make({ _tag: "Abandoned", thread: node.name, finalizer: stuck?.name ?? null })
    const asked = interrupt(node, reason)
    return Effect.andThen(
      asked,
      Effect.andThen(
        children.length === 0
          ? Effect.void
          : Effect.andThen(
              Effect.forEach(children, (child) => interrupt(child, node.reason ?? reason), { discard: true }),
              climbBelow
            ),
        Effect.sync(() => {
          if (!node.isAlive) return false
          for (const entry of Array.from(Ledger.heldBelow(node))) Ledger.settle(entry, "lost", now(node))
          const cause = Cause.combine(CancelReason.toCause(node.reason ?? reason), Cause.die(error))
          node.controls.abandon(Exit.failCause(cause))
          return true
        })
      )
    )
  })

const now = (node: ThreadNode) => (): number => node.clock.currentTimeMillisUnsafe()

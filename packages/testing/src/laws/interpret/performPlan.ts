/** Performs the plan of a scenario on the threads of a world. */
import * as CancelReason from "@quiesce/core/CancelReason"
import * as Thread from "@quiesce/core/Thread"
import * as Effect from "effect/Effect"
import type { Action, Planned } from "../Scenario.ts"
import type { Work } from "../Subject.ts"
import { asking, type NamedThread, raise, type World } from "../World.ts"
import { shutdown } from "./children.ts"
import { reasonOf } from "./reasons.ts"

/** The target thread of an action. */
export const targetOf = (world: World, { target }: Planned): NamedThread | undefined =>
  [...world.threads.values()][target % Math.max(1, world.threads.size)]

/** Performs the action with a number and records the result. `close` ends the scope of the first thread. */
export const perform = (world: World, planned: Planned, index: number, close: () => void): Work => {
  const acting = Effect.suspend(() => {
    const known = targetOf(world, planned)
    return known === undefined ? Effect.void : act(world, known, planned.action, `plan ${index}`, close)
  })
  return planned.delay === undefined ? acting : Effect.delay(acting, planned.delay)
}

const act = (world: World, known: NamedThread, action: Action, message: string, close: () => void): Work => {
  const { thread } = known
  switch (action._tag) {
    case "Interrupt":
      return asking(world, known, action.wait ? "interrupt" : "interruptFork", message, () =>
        (action.wait ? world.subject.interrupt : world.subject.interruptFork)(thread, reasonOf(message))
      )
    case "Stop":
      return asking(world, known, "stop", message, () => world.subject.stop(thread, CancelReason.stopped({ message })))
    case "Raise":
      return raise(world, message, known, action.error, action.within)
    case "Shutdown":
      return shutdown(world, known, action.climb, message)
    case "JoinWithin":
      return timedJoin(world, known, action.millis)
    case "Await":
      return Effect.flatMap(world.subject.await(thread), (exit) =>
        world.noting(() => ({ _tag: "Joined", thread: "plan", target: known.name, exit, timed: false }))
      )
    case "Close":
      return Effect.sync(close)
  }
}

/** Joins with a limit, and records a change of the thread by the join. */
const timedJoin = (world: World, known: NamedThread, millis: number): Work =>
  Effect.gen(function* () {
    const before = known.thread.reason
    const asked = world.events.length
    yield* Effect.exit(world.subject.joinWithin(known.thread, millis))
    const others = world.events
      .slice(asked)
      .some((event) => event._tag === "Asked" || event._tag === "BodyEnded" || event._tag === "Settled")
    const status = yield* Thread.status(known.thread)
    // The end of a parent changes its children, with or without a join.
    const own = known.thread.reason?._tag !== "ParentEnded" && known.thread.reason?._tag !== "SiblingFailed"
    if (own && !others && known.thread.reason !== before && status._tag !== "Done") {
      world.note({ _tag: "JoinChanged", thread: "plan", target: known.name })
    }
  })

/** Instructions that act on a child. */
import * as CancelReason from "@quiesce/core/CancelReason"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { Climb } from "../Program.ts"
import type { Work } from "../Subject.ts"
import { escalation, type Of, type Position } from "./position.ts"
import { asking, type NamedThread, raise, type World } from "../World.ts"
import { reasonOf } from "./reasons.ts"

export const interrupt = (world: World, target: NamedThread, message: string, wait: boolean): Work => {
  const reason = reasonOf(message)
  return asking(world, target, wait ? "interrupt" : "interruptFork", message, () =>
    (wait ? world.subject.interrupt : world.subject.interruptFork)(target.thread, reason)
  )
}

export const withChild = (
  place: Position,
  instruction: Of<"Join" | "Interrupt" | "Stop" | "Shutdown" | "Raise">
): Work =>
  Effect.suspend(() => {
    const { world, thread, own } = place
    const target = own.children[instruction.child % Math.max(1, own.children.length)]
    if (target === undefined) return Effect.void
    const message = `${thread} asked`
    switch (instruction._tag) {
      case "Join":
        return join(place, target, instruction.within)
      case "Interrupt":
        return interrupt(world, target, message, instruction.wait)
      case "Stop":
        return asking(world, target, "stop", message, () =>
          world.subject.stop(target.thread, CancelReason.stopped({ message }))
        )
      case "Shutdown":
        return shutdown(world, target, instruction.climb, message)
      case "Raise":
        return instruction.exact === true
          ? raise(world, thread, target, instruction.error, instruction.within)
          : Effect.timeoutOption(raise(world, thread, target, instruction.error), instruction.within)
    }
  })

/** Shuts down a thread and records the report. */
export const shutdown = (world: World, target: NamedThread, climb: Climb, message: string): Work =>
  asking(world, target, "shutdown", message, (id) =>
    Effect.flatMap(
      world.subject.shutdown(target.thread, escalation(climb), CancelReason.shutdown({ message })),
      (report) => world.noting(() => ({ _tag: "Reported", thread: target.name, id, report }))
    )
  )

const join = (place: Position, target: NamedThread, within: number | null): Work => {
  const { world, thread } = place
  const noteExit = (exit: Exit.Exit<unknown, unknown>, timed: boolean) =>
    world.note({ _tag: "Joined", thread, target: target.name, exit, timed })
  if (within === null) {
    return Effect.map(world.subject.await(target.thread), (exit) => noteExit(exit, false))
  }
  return Effect.map(Effect.exit(world.subject.joinWithin(target.thread, within)), (exit) => {
    if (Exit.isFailure(exit)) noteExit(exit, true)
    else if (Option.isSome(exit.value)) noteExit(Exit.succeed(exit.value.value), true)
  })
}

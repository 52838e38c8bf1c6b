/** Instructions on the shared queue, the shared lock, and promises. */
import * as CancelReason from "@quiesce/core/CancelReason"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Program } from "../Program.ts"
import type { Work } from "../Subject.ts"
import type { Of, Position, Scoped } from "./position.ts"

export const shared = (
  place: Position,
  instruction: Of<"Send" | "Take" | "Lock" | "Promise">,
  block: (place: Position, program: Program) => Scoped
): Scoped => {
  const { world, thread } = place
  switch (instruction._tag) {
    case "Send":
      return Effect.suspend(() => {
        const item = world.nextId()
        world.note({ _tag: "Sending", thread, item })
        const sent = Effect.onExit(world.subject.send(world.queue, item), (exit) =>
          world.noting(() =>
            Exit.isSuccess(exit)
              ? { _tag: "Sent", thread, item }
              : { _tag: "SendCancelled", thread, item, queued: world.queued() }
          )
        )
        return Effect.timeoutOption(sent, instruction.within)
      })
    case "Take":
      return Effect.timeoutOption(
        // Recorded in the step of the take.
        Effect.map(world.subject.take(world.queue), (item) => world.note({ _tag: "Taken", thread, item })),
        instruction.within
      )
    case "Lock":
      if (place.locked) return block(place, instruction.body)
      return world.subject.lock(
        world.semaphore,
        Effect.andThen(
          world.noting(() => ({ _tag: "Locked", thread })),
          Effect.onExit(block({ ...place, locked: true }, instruction.body), () =>
            world.noting(() => ({ _tag: "Unlocked", thread }))
          )
        )
      )
    case "Promise":
      return promised(place, instruction)
  }
}

const promised = (place: Position, instruction: Of<"Promise">): Work =>
  Effect.suspend(() => {
    const { world, thread } = place
    const id = world.nextId()
    const start = (signal: AbortSignal) =>
      new Promise<void>((resolve) => {
        world.note({ _tag: "PromiseBegan", thread, id, settle: instruction.settle })
        signal.addEventListener("abort", () =>
          world.note({ _tag: "PromiseAborted", thread, id, reason: CancelReason.fromUnknown(signal.reason) })
        )
        world.clock.after(instruction.millis, () => {
          world.note({ _tag: "PromiseSettled", thread, id })
          resolve()
        })
      })
    return Effect.onExit(world.subject.promise(start, instruction.settle ?? undefined), () =>
      world.noting(() => ({ _tag: "PromiseLeft", thread, id }))
    )
  })

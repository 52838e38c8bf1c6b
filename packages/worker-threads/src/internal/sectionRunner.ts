/** Which task's section runs, said in the control block so that the host ends no other's. */
import * as StopToken from "@quiesce/core/StopToken"
import * as Context from "effect/Context"
import { type ControlBlock, word } from "./controlBlock.ts"
import * as Section from "./section.ts"

/** The slot of the task that a fiber is part of; -1 outside tasks. */
export const CurrentSlot: Context.Reference<number> = Context.Reference<number>("@quiesce/worker-threads/CurrentSlot", {
  defaultValue: () => -1
})

export const make = ({ words }: ControlBlock): Section.SectionRunner =>
  Section.make({
    words,
    index: word.section,
    token: StopToken.current,
    onStart: (fiber, graceMillis) => {
      Atomics.store(words, word.sectionSlot, fiber.getRef(CurrentSlot))
      Atomics.store(words, word.sectionGrace, graceMillis)
    }
  })

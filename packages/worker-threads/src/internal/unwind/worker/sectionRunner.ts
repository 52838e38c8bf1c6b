/** Writes the task of each section into the control block, so that the host ends sections of the right task only. */
import * as StopToken from "@quiesce/core/StopToken"
import { type ControlBlock, word } from "../../wire/controlBlock.ts"
import * as CurrentTask from "../../wire/currentTask.ts"
import * as Section from "./section.ts"

/** Stands for a section outside tasks. */
const noTask = -1

export const make = ({ words }: ControlBlock): Section.SectionRunner =>
  Section.make({
    words,
    index: word.section,
    token: StopToken.current,
    onStart: (fiber, graceMillis) => {
      Atomics.store(words, word.sectionTask, fiber.getRef(CurrentTask.Current)?.id ?? noTask)
      Atomics.store(words, word.sectionGrace, graceMillis)
    }
  })

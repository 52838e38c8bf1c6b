/** The attempts that follow a refused unwind. */
import { Effect } from "effect"
import { expect, it } from "vitest"
import { WorkerInspector } from "../src/internal/unwind/host/workerInspector.ts"
import * as ControlBlock from "../src/internal/wire/controlBlock.ts"
import * as Word from "../src/internal/wire/sectionWord.ts"

/** The timers that keep this process alive. */
const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length

it("end without a timer when the worker has ended", async () => {
  const control = ControlBlock.make(1)
  Atomics.store(control.words, ControlBlock.word.section, Word.masked)
  const unwind = { _tag: "SectionsAndOtherCode" } as const
  const listener = { unwound: () => {}, repair: () => {}, wake: () => {}, runs: () => true, unwind }
  const line = new WorkerInspector(control, listener, Effect.succeed(unwind))
  const before = timers()
  expect(await Effect.runPromise(line.unwind(1))).toMatchObject({ _tag: "Refused" })
  // The pause before the next attempt.
  expect(timers()).toBe(before + 1)
  line.over()
  expect(timers()).toBe(before)
})

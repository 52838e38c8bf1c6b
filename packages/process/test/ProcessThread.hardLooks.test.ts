/** Looks before a signal that are slow, or that meet a descendant before it has run its program. */
import { setTimeout } from "node:timers/promises"
import { Thread } from "@quiesce/core"
import { ProcessThread } from "@quiesce/process"
import * as Effect from "effect/Effect"
import { beforeEach, expect, it, vi } from "vitest"
import * as Table from "../src/internal/child/processTable.ts"
import { counting, printed, run, shell } from "./processSupport.ts"

const looks = vi.hoisted(() => ({ left: 0, millis: 0, isStarting: false }))
/** A descendant, not the command itself. */
const isHidden = vi.hoisted(
  () => (found: Table.Process) => looks.isStarting && looks.left >= 0 && found.parent !== process.pid
)
beforeEach(() => Object.assign(looks, { left: 0, millis: 0, isStarting: false }))

vi.mock("../src/internal/child/processTable.ts", async (original) => {
  const real = await original<typeof Table>()
  return {
    ...real,
    numbers: async () => {
      if (--looks.left >= 0) await setTimeout(looks.millis)
      return real.numbers()
    },
    environment: async (found: Table.Process) => (isHidden(found) ? "" : real.environment(found)),
    isStarting: async (found: Table.Process) => isHidden(found) || real.isStarting(found)
  }
})

/** It is found below its living parent only. The parent ends by the signal. */
const script = `setsid env -i ${counting}="$${counting}" sh -c "while :; do sleep 1; done" &`

it.skipIf(!Table.isShown).each([
  ["takes 600 ms", { millis: 600, isStarting: false }],
  ["meets a descendant that is about to run its program", { millis: 0, isStarting: true }]
])("leaves no descendant if the look before an interrupt %s", async (_, settings) => {
  const tree = shell(`trap 'exit 3' TERM; ${script} echo ready; while :; do sleep 0.1; done`)

  const report = await run(
    Effect.gen(function* () {
      const thread = yield* ProcessThread.spawn(tree.command, { drainWithin: 20 })
      yield* printed(thread)
      Object.assign(looks, { ...settings, left: 1 })
      return yield* Thread.shutdown(thread, { escalation: { interrupt: "1 minute" } })
    })
  )

  expect(report.ending._tag).toBe("Interrupted")
  expect(looks.left).toBeLessThan(0)
  expect(tree.left()).toStrictEqual([])
})

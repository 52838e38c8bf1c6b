/** A descendant runs its program during a look. At that moment the descendant has arguments, and no environment yet. */
import { Thread } from "@quiesce/core"
import { ProcessThread } from "@quiesce/process"
import * as Effect from "effect/Effect"
import { expect, it, vi } from "vitest"
import * as Table from "../src/internal/child/processTable.ts"
import { run, shell } from "./processSupport.ts"

/** The processes that have run their program since the beginning of the look. */
const started = vi.hoisted(() => new Set<number>())

vi.mock("../src/internal/child/processTable.ts", async (original) => {
  const real = await original<typeof Table>()
  return {
    ...real,
    numbers: () => {
      started.clear()
      return real.numbers()
    },
    environment: async (found: Table.Process) => (started.has(found.pid) ? real.environment(found) : ""),
    isStarting: async (found: Table.Process) => {
      started.add(found.pid)
      return real.isStarting(found)
    }
  }
})

it.skipIf(!Table.isShown)("a descendant that starts its program during a look is found", async () => {
  const tree = shell("setsid sh -c 'while :; do sleep 1; done' & exit 0")

  const exit = await run(Effect.flatMap(ProcessThread.spawn(tree.command, { drainWithin: 20 }), Thread.join))

  expect(exit).toStrictEqual({ _tag: "Exited", code: 0 })
  expect(started.size).toBeGreaterThan(0)
  expect(tree.left()).toStrictEqual([])
})

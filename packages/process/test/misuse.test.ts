import { ThreadError } from "@quiesce/core"
import * as Processes from "@quiesce/process"
import { ProcessError, type ProcessThread } from "@quiesce/process"
import { Exit, Stream } from "effect"
import { ChildProcess } from "effect/process"
import { createServer } from "node:http"
import { expect, it } from "vitest"
import { functionsOf, type Table, unhelpful } from "../../core/test/fixtures/hostile.ts"

const functions = new Map(Object.entries(Processes).flatMap(([name, module]) => [...functionsOf(name, module)]))

const f = (): void => {}
const dump = { pid: 1, at: 0, node: "v26", command: ["node"], main: { name: "main" }, workers: [] }
const ended = { name: "thread" } as ProcessThread.ProcessThread

const rows: Table = {
  "HttpDrain.layer": [createServer()],
  "HttpDrain.make": [createServer()],
  "Main.defaultTeardown": [Exit.void, f],
  "ProcessDump.of": [2 ** 30, {}],
  "ProcessDump.render": [dump, {}],
  "ProcessError.isProcessError": [5],
  "ProcessError.make": [{ _tag: "NotAnEffect", given: "5" }],
  "ProcessThread.expectSuccess": [ended],
  "ProcessThread.spawn": [ChildProcess.make("node", []), {}],
  "ProcessThread.untilCut": [Stream.empty]
}

/**
 * These functions handle the signals of the process. `Main.test.ts` passes wrong arguments to them in processes of
 * their own.
 */
const others = ["Main.abortSignal", "Main.run", "ProcessDump.ProcessDumpSchema"]

/** The calls have no services, so a call with valid arguments dies for the lack of a service. */
const isHelpful = (error: unknown): boolean =>
  ProcessError.isProcessError(error) ||
  ThreadError.isThreadError(error) ||
  (error instanceof Error && error.message.startsWith("Service not found: effect/"))

it("each function accepts a wrong argument, or refuses it with an error of this package", async () => {
  for (const name of others) expect(functions.delete(name)).toBe(true)
  expect(await unhelpful(functions, rows, isHelpful)).toEqual([])
})

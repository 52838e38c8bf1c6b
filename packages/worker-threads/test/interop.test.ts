/** Calls with signals, errors, contexts and modules as other libraries and tools make them. */
import { AsyncLocalStorage } from "node:async_hooks"
import { Effect, Exit } from "effect"
import { expect, it } from "vitest"
import { Task } from "@quiesce/worker-threads"
import { exitToWire, of } from "../src/internal/wire/codec.ts"
import { Tasks } from "./fixtures/contract.ts"

type Module = typeof import("./fixtures/interop-function.ts")

const url = new URL("./fixtures/interop-function.ts", import.meta.url)

it("the cause of a thrown error keeps its name, its properties and its own cause", async () => {
  await using pool = Task.createTaskPool<Module>(url, { size: 1 })
  const error: unknown = await pool.run("cause").catch((error: unknown) => error)
  expect(error).toBeInstanceOf(TypeError)
  expect(error).toMatchObject({
    message: "fetch failed",
    cause: {
      name: "Refused",
      message: "no connection",
      code: "ECONNREFUSED",
      cause: { message: "both failed", errors: [{ name: "Refused", message: "inner", code: "ECONNREFUSED" }] }
    }
  })
  expect(error instanceof Error && error.cause).toBeInstanceOf(Error)
  expect(Object.keys(error as object)).toEqual([])
})

it("onProgress runs in the async context of its call", async () => {
  const storage = new AsyncLocalStorage<string>()
  await using pool = Task.createTaskPool<Module>(url, { size: 1 })
  const seen: Array<string> = []
  await Promise.all(
    ["one", "two"].map((name) =>
      storage.run(name, () => pool.run("report", { onProgress: (n) => seen.push(`${n} ${storage.getStore()}`) }))
    )
  )
  expect(seen.toSorted()).toEqual(["1 one", "1 two", "2 one", "2 two"])
  const onProgress = (n: number): void => void seen.push(`${n} ${storage.getStore()}`)
  await storage.run("all", () => pool.broadcast("report", { onProgress }))
  expect(seen.slice(4)).toEqual(["1 all", "2 all"])
})

it("the default export of a CommonJS module that tsc has emitted is called", async () => {
  const emitted = new URL("./fixtures/emitted.cjs", import.meta.url)
  await using pool = Task.createTaskPool<{ readonly default: (input: number) => number }>(emitted, { size: 1 })
  expect(await pool.run(2)).toBe(4)
  expect(await pool.run(3)).toBe(6)
})

/** A signal like the signals of `abort-controller` from npm. */
class OldSignal extends EventTarget {
  aborted = false
}

it("a broadcast takes a signal without throwIfAborted", async () => {
  await using pool = Task.createTaskPool<Module>(url, { size: 2 })
  // The class has the members that a signal had to have when that package was written.
  const signal = new OldSignal() as unknown as AbortSignal
  const results = await pool.broadcast("square", { signal })
  expect(results).toEqual([9, 9].map((value) => ({ status: "fulfilled", value })))
})

it("an error with endless properties arrives as an error, with its name, message, stack and the errors of its cause", () => {
  const request: Record<string, unknown> = {}
  request["self"] = request
  const circular = Object.assign(new Error("inner"), { name: "HttpError", request })
  circular.cause = circular
  const error = Object.assign(new Error("502 Bad Gateway", { cause: circular }), { name: "HttpError", request })
  const codec = of(Tasks.requests.get("Die")!)
  const exit = Effect.runSync(exitToWire(codec, Exit.die(error), []))
  expect(exit).toMatchObject({
    _tag: "Failure",
    cause: [
      {
        _tag: "Die",
        defect: {
          name: "HttpError",
          message: "502 Bad Gateway",
          stack: error.stack,
          cause: { name: "HttpError", message: "inner" }
        }
      }
    ]
  })
})

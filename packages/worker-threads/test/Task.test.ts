import { Task } from "@quiesce/worker-threads"
import { Effect } from "effect"
import { describe, expect, it, vi } from "vitest"
import { makeCells } from "./fixtures/contract.ts"
import { whenSet } from "./support.ts"
import { Cell } from "./fixtures/cells.ts"

const url = new URL("./fixtures/plain-task.ts", import.meta.url)

type Plain = typeof import("./fixtures/plain-task.ts")

/** For inputs that the type of the function does not allow. */
interface Anything {
  readonly default: (input: unknown) => unknown
}

/** Aborts once the function has begun. */
const aborted = async (how: "await" | "poll" | "check" | "spin" | "fail late" | "reject late") => {
  const cells = makeCells()
  const controller = new AbortController()
  const reason = new Error("enough")
  const running = Task.runTask<Plain>(url, { how, cells }, { signal: controller.signal })
  await Effect.runPromise(whenSet(cells, Cell.begun))
  controller.abort(reason)
  await expect(running).rejects.toBe(reason)
  return Atomics.load(cells, Cell.cleanedUp)
}

describe("runTask", () => {
  it("resolves with the value of the function", async () => {
    expect(await Task.runTask<Plain>(url, { how: "add", cells: makeCells() })).toBe(3)
  })

  it("rejects with the error that the function throws", async () => {
    const error = await Task.runTask<Plain>(url, { how: "throw", cells: makeCells() }).catch(
      (thrown: unknown) => thrown
    )
    expect(error).toBeInstanceOf(RangeError)
    expect(error).toMatchObject({ message: "too far", code: "E_FAR" })
  })

  it("follows an object with a `then` method, as `await` does", async () => {
    type Thenables = typeof import("./fixtures/plain-thenables.ts")
    const thenables = new URL("./fixtures/plain-thenables.ts", import.meta.url)
    expect(await Task.runTask<Thenables>(thenables, "nested")).toBe(7)
    await expect(Task.runTask<Thenables>(thenables, "throws")).rejects.toBeInstanceOf(RangeError)
  })

  it("waits after an abort until the function has settled", async () => {
    expect(await aborted("await")).toBe(1)
  })

  it("stops a loop that checks the token after an abort", async () => {
    expect(await aborted("poll")).toBe(1)
  })

  it("calls the listeners of the signal after an abort, although the function has thrown through its token", async () => {
    expect(await aborted("check")).toBe(1)
  })

  it("ends a loop that checks neither signal nor token after an abort", async () => {
    expect(await aborted("spin")).toBe(0)
    expect(await Task.runTask<Plain>(url, { how: "add", cells: makeCells() })).toBe(3)
  })

  it.each(["fail late", "reject late"] as const)("logs the failure of the function after an abort: %s", async (how) => {
    const log = vi.spyOn(console, "log").mockImplementation(() => {})
    const error = vi.spyOn(console, "error").mockImplementation(() => {})
    expect(await aborted(how)).toBe(1)
    await vi.waitFor(() => {
      const lines = [...log.mock.calls, ...error.mock.calls].flat().join(" ")
      expect(lines).toContain("A finalizer failed after an abort")
      expect(lines).toContain("the cleanup of the function failed")
    })
    vi.restoreAllMocks()
  })

  it("runs nothing if the signal has already aborted", async () => {
    const cells = makeCells()
    await expect(Task.runTask<Plain>(url, { how: "add", cells }, { signal: AbortSignal.abort("no") })).rejects.toBe(
      "no"
    )
    expect(Atomics.load(cells, Cell.begun)).toBe(0)
  })

  it.each([new URL("./fixtures/nowhere.ts", import.meta.url), new URL("./fixtures/no-default.ts", import.meta.url)])(
    "refuses a module without a task function: %s",
    async (bad) => {
      await expect(Task.runTask<typeof import("./fixtures/identity.ts")>(bad, 1)).rejects.toMatchObject({
        reason: { _tag: "BadTaskModule", url: bad.href }
      })
    }
  )

  it.each([
    ["throws", "throw new RangeError('no settings')", { name: "RangeError", message: "no settings" }],
    ["throws a text", "throw 'no settings'", "no settings"],
    ["has a syntax error", "let a = ;", { name: "SyntaxError", message: "Unexpected token ';'" }],
    ["lacks an import", "import 'file:///nowhere.js'", { code: "ERR_MODULE_NOT_FOUND" }]
  ])("keeps the error of a module that can't be loaded because it %s", async (_, text, cause) => {
    const url = `data:text/javascript,${encodeURIComponent(text)}`
    const error: unknown = await Task.runTask<typeof import("./fixtures/identity.ts")>(url, 1).catch((e: unknown) => e)
    expect(error).toMatchObject({ reason: { _tag: "BadTaskModule", url }, cause })
    expect(String(error)).toMatch(
      /is not a task module: its loading failed: .*\. The error was thrown by the module, by one of its imports or by the loader of Node\. It is the cause of this one\.$/
    )
  })

  it("names ModuleUrl.of for a missing TypeScript module, as after a build", async () => {
    const gone = new URL("./fixtures/nowhere.ts", import.meta.url)
    await expect(Task.runTask<typeof import("./fixtures/identity.ts")>(gone, 1)).rejects.toThrow(
      /^".*nowhere\.ts" is not a task module: Cannot find module .*use ModuleUrl\.of\("\.\/task\.ts", import\.meta\.url\)/
    )
  })

  it.each(["./fixtures/identity.ts", "../task.ts", "identity.ts"])(
    "asks for a URL in place of a relative path: %s",
    async (text) => {
      await expect(Task.runTask<typeof import("./fixtures/identity.ts")>(text, 1)).rejects.toThrow(
        `"${text}" is not a task module: it is a relative text, and a worker does not know the file that it is relative to. Give an absolute URL, such as new URL("./task.ts", import.meta.url)`
      )
    }
  )

  it("refuses an input that can't be cloned", async () => {
    await expect(Task.runTask<Anything>(url, () => {})).rejects.toMatchObject({ reason: { _tag: "NotSendable" } })
  })

  it.each([
    ["the input is a function", () => {}],
    ["input.signal is an AbortSignal", { how: "add", signal: new AbortController().signal }],
    ["input.list.1.f is a function", { list: [1, { f: () => {} }] }],
    ["could not be cloned", new Map([["f", () => {}]])]
  ])("explains without terms of contracts that %s, and names the remedy", async (problem, input) => {
    const error = await Task.runTask<Anything>(url, input).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ reason: { _tag: "NotSendable", task: url.href } })
    expect((error as Error).message).toContain(problem)
    expect((error as Error).message).toContain("pass your signal as { signal }")
    expect((error as Error).message).not.toMatch(/"Run"|contract|transferList/)
  })

  it("explains that a buffer was transferred before, and to send a copy", async () => {
    const input = new ArrayBuffer(8)
    structuredClone(input, { transfer: [input] })
    const error = await Task.runTask<Anything>(url, input, { transfer: [input] }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ reason: { _tag: "NotSendable", task: url.href } })
    expect((error as Error).message).toContain("Send a copy of one that is still needed.")
    expect((error as Error).message).not.toContain("signal")
  })

  it("reads no getter of the input twice", async () => {
    let reads = 0
    const input = {
      how: "add",
      cells: makeCells(),
      get extra() {
        return ++reads
      }
    }
    expect(await Task.runTask<Anything>(url, input)).toBe(3)
    expect(reads).toBe(1)
  })
})

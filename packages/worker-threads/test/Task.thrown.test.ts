/** The errors of a plain function, as its caller receives them. */
import { Task, WorkerError } from "@quiesce/worker-threads"
import { describe, expect, it } from "vitest"
import type { How } from "./fixtures/plain-throws.ts"

const url = new URL("./fixtures/plain-throws.ts", import.meta.url)

const thrownBy = (how: How): Promise<unknown> =>
  Task.runTask<typeof import("./fixtures/plain-throws.ts")>(url, how).then(
    () => {
      throw new Error("it has thrown nothing")
    },
    (error: unknown) => error
  )

describe("an error that a plain function throws arrives unchanged", () => {
  it.each([
    ["dom", { name: "InvalidCharacterError", code: 5 }],
    ["clone", { name: "DataCloneError", message: expect.stringContaining("could not be cloned") }],
    ["abort", { name: "AbortError" }],
    ["timeout", { name: "TimeoutError", message: "too late", code: 23 }]
  ] as const)("a DOMException: %s", async (how, shape) => {
    const error = await thrownBy(how)
    expect(error).toBeInstanceOf(DOMException)
    expect(error).toMatchObject(shape)
  })

  it("if it is made by util.inherits", async () => {
    const error = await thrownBy("old")
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({ name: "OldError", message: "old" })
  })

  it("an AggregateError with its errors, their own properties and its cause", async () => {
    const error = (await thrownBy("aggregate")) as AggregateError
    expect(error).toBeInstanceOf(AggregateError)
    expect(error).toMatchObject({ name: "AggregateError", message: "all", cause: { message: "the cause" } })
    expect(error.errors).toHaveLength(3)
    expect(error.errors[0]).toBeInstanceOf(RangeError)
    expect(error.errors[0]).toMatchObject({ name: "RangeError", message: "far", code: "E_FAR" })
    expect(error.errors[1]).toMatchObject({ name: "AggregateError", message: "inner", errors: [{ message: "deep" }] })
    expect(error.errors[2]).toBe("text")
  })

  it("if it has a class of its own, with the name and the properties", async () => {
    const error = await thrownBy("subclass")
    expect(error).toBeInstanceOf(SyntaxError)
    expect(error).toMatchObject({ name: "Special", message: "bad token", position: 7 })
  })

  it.each([
    ["getter", "fine"],
    ["revoked", "[a value that can't be shown]"]
  ] as const)("as an error with an explanation if reading the error throws: %s", async (how, message) => {
    const error = await thrownBy(how)
    expect(error).toBeInstanceOf(Error)
    // The worker has survived the error.
    expect(error).not.toBeInstanceOf(WorkerError.WorkerError)
    expect((error as Error).message).toBe(message)
  })

  it("with a getter that throws, as the same kind of error, with its stack and its other properties", async () => {
    const error = await thrownBy("getter")
    expect(error).toBeInstanceOf(RangeError)
    expect(error).toMatchObject({ code: "E_FINE", stack: expect.stringContaining("plain-throws.ts") })
    expect(error).not.toHaveProperty("broken")
  })

  it("within bounds if it is an AggregateError that contains itself", async () => {
    const error = (await thrownBy("itself")) as AggregateError
    expect(error).toMatchObject({ name: "AggregateError", message: "round" })
    const count = (one: unknown): number =>
      one instanceof AggregateError ? one.errors.reduce<number>((sum, inner) => sum + count(inner), 1) : 1
    expect(count(error)).toBeLessThanOrEqual(1001)
  })

  it("with a string in place of a name that is no string", async () => {
    expect(await thrownBy("named")).toMatchObject({ message: "fine", name: expect.any(String) })
  })

  it.each([
    ["text", "just text"],
    ["nothing", undefined]
  ] as const)("if it is no error: %s", async (how, value) => {
    expect(await thrownBy(how)).toBe(value)
  })
})

it("an uncaught value with too many levels ends its worker with a text, and the host survives", async () => {
  type Later = typeof import("./fixtures/plain-throws-later.ts")
  await using pool = Task.createTaskPool<Later>(new URL("./fixtures/plain-throws-later.ts", import.meta.url), {
    size: 1
  })
  await expect(pool.run(20_000)).rejects.toThrow("An uncaught value was too large to send")
})

import { Task } from "@quiesce/worker-threads"
import { describe, expect, it } from "vitest"
import { count, described, values } from "./fixtures/byte-values.ts"

const url = new URL("./fixtures/large-bytes.ts", import.meta.url)

/** In pools that need Effect. `Task.light.test.ts` has the same values for a pool without Effect. */
describe("many bytes", () => {
  it.each(Object.entries(values))("cross in both directions as a clone does: %s", async (_, make) => {
    await using pool = Task.createTaskPool<typeof import("./fixtures/large-bytes.ts")>(url, { size: 1 })
    const input = make()
    const before = described(input)
    const wanted = described(structuredClone(input))
    expect(described(await pool.run(input))).toEqual(wanted)
    // The input is still the caller's.
    expect(described(input)).toEqual(before)
  })

  it("stay with the worker that gives them", async () => {
    await using pool = Task.createTaskPool<typeof import("./fixtures/large-bytes.ts")>(url, { size: 1 })
    const whole = described(new Uint8Array(count).fill(7))
    for (let call = 0; call < 3; call++) expect(described(await pool.run("kept"))).toEqual(whole)
  })

  it("that nobody has any more are refused", async () => {
    await using pool = Task.createTaskPool<typeof import("./fixtures/large-bytes.ts")>(url, { size: 1 })
    const gone = new Uint8Array(count)
    structuredClone(gone, { transfer: [gone.buffer] })
    await expect(pool.run(gone)).rejects.toMatchObject({ reason: { _tag: "NotSendable" } })
    expect(await pool.run("next")).toBe("next")
  })
})

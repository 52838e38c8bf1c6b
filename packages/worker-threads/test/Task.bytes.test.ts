import { Task } from "@quiesce/worker-threads"
import { describe, expect, it } from "vitest"
import { count, described, values } from "./fixtures/byte-values.ts"

const url = new URL("./fixtures/large-bytes.ts", import.meta.url)

/** In pools that need Effect. `Task.light.test.ts` has the same values for a pool without Effect. */
describe("many bytes", () => {
  it.each(Object.entries(values))("arrive in both directions as a clone would: %s", async (_, make) => {
    await using pool = Task.createTaskPool<typeof import("./fixtures/large-bytes.ts")>(url, { size: 1 })
    const input = make()
    const before = described(input)
    const wanted = described(structuredClone(input))
    expect(described(await pool.run(input))).toEqual(wanted)
    // The input still belongs to the caller.
    expect(described(input)).toEqual(before)
  })

  it("stay available to the worker that returns them", async () => {
    await using pool = Task.createTaskPool<typeof import("./fixtures/large-bytes.ts")>(url, { size: 1 })
    const whole = described(new Uint8Array(count).fill(7))
    for (let call = 0; call < 3; call++) expect(described(await pool.run("kept"))).toEqual(whole)
  })

  it("whose buffer was transferred away are refused", async () => {
    await using pool = Task.createTaskPool<typeof import("./fixtures/large-bytes.ts")>(url, { size: 1 })
    const gone = new Uint8Array(count)
    structuredClone(gone, { transfer: [gone.buffer] })
    await expect(pool.run(gone)).rejects.toMatchObject({ reason: { _tag: "NotSendable" } })
    expect(await pool.run("next")).toBe("next")
  })
})

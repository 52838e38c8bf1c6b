import { expect, it } from "vitest"
import { runFile } from "./support.ts"

it("11-cluster: the job of a killed runner is reported as lost, its folder is removed by the other runner, and all jobs are done", async () => {
  const { code, errors, lines } = await runFile("examples/11-cluster/main.ts", {})

  const ofA = lines.filter((line) => line.startsWith("a: "))
  expect(ofA).toEqual([
    "a: Lost, lost Parts",
    "a: the other runner has removed the folder",
    expect.stringMatching(/^a: encoded, \d+ bytes$/)
  ])
  expect(lines[0]).toBe("killed the runner of a")
  expect(lines.filter((line) => line.includes(": encoded,"))).toHaveLength(3)
  expect(errors).toContain('Thread "a" has lost the lease "Parts"')
  expect(code).toBe(0)
})

it("11-cluster --embedded: the same jobs are done in one process", async () => {
  const { code, errors, lines } = await runFile("examples/11-cluster/main.ts", { args: ["--embedded"] })

  expect(lines.toSorted().map((line) => line.replace(/\d+ bytes/, "bytes"))).toEqual([
    "a: encoded, bytes",
    "b: encoded, bytes",
    "c: encoded, bytes"
  ])
  expect({ code, errors }).toEqual({ code: 0, errors: "" })
})

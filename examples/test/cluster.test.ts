import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, expect, it } from "vitest"
import { runFile, startFile } from "./support.ts"

let temporary: string
beforeEach(() => {
  temporary = mkdtempSync(join(tmpdir(), "quiesce-cluster-"))
})
afterEach(() => rmSync(temporary, { recursive: true }))

/**
 * Runs the example until the first job was not moved before the kill. On a busy machine the second runner may join late, and
 * then it takes over jobs that have begun.
 */
const runUnmoved = async () => {
  for (let runs = 1; ; runs++) {
    const ran = await runFile("examples/11-cluster/main.ts", {})
    const ofA = ran.lines.filter((line) => line.startsWith("a: "))
    if (ofA[0]?.startsWith("a: Moved") !== true || runs === 5) return { ...ran, ofA }
  }
}

it("11-cluster: the job of a killed runner is reported as lost, its folder is removed by the other runner, and all jobs are done", async () => {
  const { code, errors, lines, ofA } = await runUnmoved()

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

/** The runners, which have the path of their store on the command line. */
const runners = (): ReadonlyArray<string> =>
  readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(temporary)
    } catch {
      // The process has ended by now.
      return false
    }
  })

it.runIf(process.platform === "linux")(
  "11-cluster: a Ctrl-C in the middle ends the jobs and the runners, and the folder is removed",
  async () => {
    const client = startFile("examples/11-cluster/main.ts", { env: { TMPDIR: temporary } })
    await client.prints("killed the runner of a")
    expect(runners()).toHaveLength(1)
    client.kill("SIGINT")
    const { code, lines } = await client.ended

    expect(code).toBe(130)
    expect(lines.filter((line) => line.startsWith("a: encoded"))).toEqual([])
    expect(readdirSync(temporary)).toEqual([])
    expect(runners()).toEqual([])
  }
)

import { mkdtemp, readdir, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, expect, it } from "vitest"
import { type Ran, runFile } from "./support.ts"

const main = "examples/01-tour/main.ts"

let temporary: string
beforeEach(async () => {
  temporary = await mkdtemp(join(tmpdir(), "quiesce-test-"))
})
afterEach(() => rm(temporary, { recursive: true }))

/** Runs the tour with a folder for temporary files that is its own. */
const runTour = (options: Parameters<typeof runFile>[1] = {}) =>
  runFile(main, { ...options, env: { TMPDIR: temporary, TEMP: temporary, TMP: temporary } })

const account = (ran: Ran) => {
  const [, acquired, released, left] = /^(\d+) acquired, (\d+) released, (\d+) left$/.exec(ran.lines.at(-1) ?? "") ?? []
  return { acquired: Number(acquired), released: Number(released), left: Number(left) }
}

/** The numbers at the end of the scenes' lines: milliseconds, acquired, released. */
const scenes = (ran: Ran) =>
  ran.lines.flatMap((line) => {
    const found = /^(\d) (.{25})(.{24})(\S.{12}) +(\d+) +(\d+) +(\d+)$/.exec(line)
    if (found === null) return []
    const [name, asked, ended] = found.slice(2, 5).map((text) => text.trim())
    return [{ name, asked, ended, acquired: Number(found[6]), released: Number(found[7]) }]
  })

it("the tour shows each scene and leaves nothing", async () => {
  const ran = await runTour()

  expect(ran.errors).toBe("")
  expect(ran.code).toBe(0)
  expect(scenes(ran).map(({ name, asked, ended }) => [name, asked, ended])).toEqual([
    ["stop flag", "stop", "stop"],
    ["raise from outside", "raise NewFilter", "no rung"],
    ["join with a timeout", "join, three ways", "no rung"],
    ["parent and children", "interrupt", "interrupt"],
    ["lock given back", "interrupt", "interrupt"],
    ["transaction rolled back", "interrupt", "interrupt"],
    ["hung finalizer", "stop, then interrupt", "interrupt"],
    ["busy worker", "interrupt, then unwind", "unwind"]
  ])
  for (const { acquired, released } of scenes(ran)) expect(released).toBe(acquired)
  const { acquired, released, left } = account(ran)
  // All that the scenes have, and the folder that they share.
  expect(acquired).toBe(scenes(ran).reduce((sum, scene) => sum + scene.acquired, 1))
  expect([released, left]).toEqual([acquired, 0])
  expect(await readdir(temporary)).toEqual([])
}, 30_000)

it("the tour notices a planted leak, from outside and in the ledger, and exits with 1", async () => {
  const ran = await runTour({ args: ["--leak"] })

  const { acquired, released, left } = account(ran)
  expect(ran.code).toBe(1)
  expect([acquired - released, left]).toEqual([1, 1])
  const descriptors = ran.lines.filter((line) => line.startsWith("left: file descriptor"))
  expect(descriptors.length).toBe(process.platform === "win32" ? 0 : 1)
  expect(await readdir(temporary)).toEqual([])
}, 30_000)

it.runIf(process.platform !== "win32")(
  "the tour, ended early by a signal, leaves nothing either",
  async () => {
    const ran = await runTour({
      onLine: (line, kill) => {
        if (line.startsWith("1 stop flag")) kill("SIGTERM")
      }
    })

    expect(ran.code).toBe(143)
    expect(ran.lines).toContain("ended early")
    expect(account(ran).left).toBe(0)
    expect(await readdir(temporary)).toEqual([])
  },
  30_000
)

import { existsSync } from "node:fs"
import { mkdtemp, readdir, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, expect, it } from "vitest"
import { type Ran, runFile, workspace } from "./support.ts"

const main = "examples/01-tour/main.ts"

let temporary: string
beforeEach(async () => {
  temporary = await mkdtemp(join(tmpdir(), "quiesce-test-"))
})
afterEach(() => rm(temporary, { recursive: true }))

/** Runs the tour with a folder for temporary files that is its own. */
const runTour = async (options: Parameters<typeof runFile>[1] = {}): Promise<Ran> => {
  const ran = await runFile(main, { ...options, env: { TMPDIR: temporary, TEMP: temporary, TMP: temporary } })
  if (Number.isNaN(account(ran).left)) throw new Error(`It did not come to its last line: ${ran.errors}`)
  return ran
}

const account = (ran: Ran) => {
  const [, acquired, released, left] = /^(\d+) acquired, (\d+) released, (\d+) left$/.exec(ran.lines.at(-1) ?? "") ?? []
  return { acquired: Number(acquired), released: Number(released), left: Number(left) }
}

/** The lines of the scenes, and of the threads in them, with the numbers at their end. */
const rows = (ran: Ran, start: RegExp) =>
  ran.lines.flatMap((line) => {
    const found = /^(.{27})(.{24})(.{13}) *(\d+) +(\d+) +(\d+)$/.exec(line)
    if (found === null || !start.test(line)) return []
    const [name = "", asked, ended] = found.slice(1, 4).map((text) => text.trim())
    return [{ name: name.replace(/^\d+ /, ""), asked, ended, acquired: Number(found[5]), released: Number(found[6]) }]
  })
const scenes = (ran: Ran) => rows(ran, /^\d/)
const parts = (ran: Ran) => rows(ran, /^ /)

const fibers = [
  ["stop flag", "stop", "stop"],
  ["raise from outside", "raise NewFilter", "no rung"],
  ["join with a timeout", "join, three ways", "no rung"],
  ["parent and children", "interrupt", "interrupt"],
  ["lock given back", "interrupt", "interrupt"],
  ["transaction rolled back", "interrupt", "interrupt"],
  ["hung finalizer", "stop, then interrupt", "interrupt"]
]

/** Everything that was acquired is released, by the tour's own account, by the scenes' and as this test sees it. */
const expectNothingLeft = async (ran: Ran): Promise<void> => {
  expect(ran.lines.filter((line) => /^(wrong|left):/.test(line))).toEqual([])
  expect(ran.errors).toBe("")
  expect(ran.code).toBe(0)
  for (const { acquired, released } of scenes(ran)) expect(released).toBe(acquired)
  const { acquired, released, left } = account(ran)
  // All that the scenes have, and the folder that they share.
  expect(acquired).toBe(scenes(ran).reduce((sum, scene) => sum + scene.acquired, 1))
  expect([released, left]).toEqual([acquired, 0])
  expect(await readdir(temporary)).toEqual([])
}

const expectEachScene = (ran: Ran): void => {
  expect(scenes(ran).map(({ name, asked, ended }) => [name, asked, ended])).toEqual([
    ...fibers,
    ["ladder on a worker", "each rung in turn", "kill"],
    ["runaway pattern", "interrupt", "interrupt"],
    ["killed holder", "interrupt, kill", "kill"]
  ])
  expect(parts(ran)).toEqual([
    { name: "looks at its flag", asked: "stop", ended: "stop", acquired: 1, released: 1 },
    { name: "checks its token", asked: "interrupt", ended: "interrupt", acquired: 1, released: 1 },
    { name: "hears nothing", asked: "interrupt, unwind", ended: "unwind", acquired: 1, released: 1 },
    { name: "must not be ended", asked: "interrupt, unwind, kill", ended: "kill", acquired: 1, released: 0 }
  ])
  const text = ran.lines.join("\n")
  expect(text).toMatch(/lost to the ledger; Node closed it with the worker, 0 are open/)
  expect(text).toMatch(/its own finalizers: 2 files and a folder, of which 0 and 0 are left/)
  expect(text).toMatch(/killed in the middle of row 100; lost to the ledger: "database connection" and "index lock"/)
  expect(text).toMatch(/the next owner of the lock was told, dropped 1 half row and added 101/)
  // The hung release, the file of the last loop, and what the killed holder had besides its folder.
  expect(text).toMatch(
    / 0 failed, 1 given up, 3 lost\ngone all the same of those 4: 1 by a backstop, 3 with their worker/
  )
}

it("the tour shows each scene and leaves nothing", async () => {
  const ran = await runTour()

  expectEachScene(ran)
  await expectNothingLeft(ran)
})

it.for(["node-22", "node-24"])("the tour is the same on %s", async (version, { skip }) => {
  const node = join(workspace, "node_modules", version, "bin/node")
  if (!existsSync(node)) return skip("It is an optional dependency, and not there for this platform")

  const ran = await runTour({ node })

  expectEachScene(ran)
  await expectNothingLeft(ran)
})

it("the tour, where the inspector is not to be had, says what it leaves out and leaves nothing", async () => {
  const permissions = ["--permission", "--allow-worker", "--allow-fs-read=*", "--allow-fs-write=*"]

  const ran = await runTour({ nodeArgs: permissions })

  expect(ran.errors).toBe("")
  expect(scenes(ran).map(({ name, ended }) => [name, ended])).toEqual([
    ...fibers.map(([name, , ended]) => [name, ended]),
    ["ladder on a worker", "kill"],
    ["runaway pattern", "no rung"],
    ["killed holder", "kill"]
  ])
  expect(parts(ran).map(({ ended }) => ended)).toEqual(["stop", "interrupt", "kill"])
  expect(ran.lines.filter((line) => /left out, .*Access to this API has been restricted/.test(line)).length).toBe(2)
  await expectNothingLeft(ran)
})

it("the tour notices a planted leak, from outside and in the ledger, and exits with 1", async () => {
  const ran = await runTour({ args: ["--leak"] })

  const { acquired, released, left } = account(ran)
  expect(ran.code).toBe(1)
  expect([acquired - released, left]).toEqual([1, 1])
  expect(scenes(ran).length).toBe(10)
  expect(
    scenes(ran)
      .filter(({ acquired, released }) => acquired !== released)
      .map(({ name }) => name)
  ).toEqual(["hung finalizer"])
  const descriptors = ran.lines.filter((line) => line.startsWith("left: file descriptor"))
  expect(descriptors.length).toBe(process.platform === "win32" ? 0 : 1)
  expect(await readdir(temporary)).toEqual([])
})

it.runIf(process.platform !== "win32").for(["1 stop flag", "7 hung finalizer"])(
  "the tour, ended early by a signal after scene %s, leaves nothing either",
  async (scene) => {
    const ran = await runTour({
      onLine: (line, kill) => {
        if (line.startsWith(scene)) kill("SIGTERM")
      }
    })

    expect(ran.code).toBe(143)
    expect(ran.lines).toContain("ended early")
    expect(account(ran).left).toBe(0)
    expect(await readdir(temporary)).toEqual([])
  }
)

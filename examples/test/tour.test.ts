import { existsSync } from "node:fs"
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { basename, dirname, join } from "node:path"
import { afterEach, beforeEach, expect, it } from "vitest"
import { type Ran, runFile, workspace } from "./support.ts"

const main = "examples/01-tour/main.ts"

let temporary: string
beforeEach(async () => {
  temporary = await mkdtemp(join(tmpdir(), "quiesce-test-"))
})
afterEach(() => rm(temporary, { recursive: true }))

/** Runs the tour with a new folder for temporary files. */
const runTour = async (options: Parameters<typeof runFile>[1] = {}): Promise<Ran> => {
  const ran = await runFile(main, {
    ...options,
    env: { ...options.env, TMPDIR: temporary, TEMP: temporary, TMP: temporary }
  })
  if (Number.isNaN(account(ran).left)) {
    const end = ran.signal ?? `exit code ${String(ran.code)}`
    throw new Error(`The tour ended by ${end} without its last line.\n${ran.lines.join("\n")}\n${ran.errors}`)
  }
  return ran
}

const account = (ran: Ran) => {
  const [, ...counts] =
    /^(\d+) acquired = (\d+) released \+ (\d+) freed otherwise \+ (\d+) left$/.exec(ran.lines.at(-1) ?? "") ?? []
  const [acquired = NaN, released = NaN, freed = NaN, left = NaN] = counts.map(Number)
  return { acquired, released, freed, left }
}

/** The lines of the scenes and of their threads, with the numbers at the end of each line. */
const rows = (ran: Ran, start: RegExp) =>
  ran.lines.flatMap((line) => {
    const found = /^(.{27})(.{24})(.{13}) *(\d+) +(\d+) +(\d+) +(\d+)$/.exec(line)
    if (found === null || !start.test(line)) return []
    const [name = "", asked, ended] = found.slice(1, 4).map((text) => text.trim())
    const [acquired, released, left] = found.slice(5).map(Number)
    return [{ name: name.replace(/^\d+ /, ""), asked, ended, acquired: acquired!, released: released!, left: left! }]
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

/** The scenes with leases that their own release does not free: the hung journal, the files and the lock of killed workers. */
const freedOtherwise = { "hung finalizer": 1, "ladder on a worker": 1, "killed holder": 2 }

const unreleased = (ran: Ran): Readonly<Record<string, number>> =>
  Object.fromEntries(
    scenes(ran)
      .filter(({ acquired, released }) => acquired !== released)
      .map(({ name, acquired, released }) => [name, acquired - released])
  )

/** The folder for temporary files has only the timeline, where the tour has printed it. */
const expectOnlyTimeline = async (ran: Ran): Promise<void> => {
  const path = ran.lines
    .map((line) => /^the tour as a picture: (.+)$/.exec(line)?.[1])
    .find((found) => found !== undefined)
  const folder = dirname(path ?? "")
  expect(await readdir(temporary)).toEqual([basename(folder)])
  expect((await readdir(folder)).toSorted()).toEqual(["tour.json", "tour.svg", "tour.txt"])
  const picture = await readFile(path!, "utf8")
  expect(picture).toMatch(/^<svg .*<\/svg>$/)
  for (const { name } of scenes(ran)) expect(picture).toContain(`>${name}</text>`)
  const { traceEvents } = JSON.parse(await readFile(join(folder, "tour.json"), "utf8")) as {
    traceEvents: Array<unknown>
  }
  expect(traceEvents.length).toBeGreaterThan(100)
  expect(await readFile(join(folder, "tour.txt"), "utf8")).toMatch(/^\d+ threads, [\d,]+ events in .+ m?s\n/)
}

/**
 * Checks that nothing is left: by the sums of the tour, by the counts of each scene, and in the folder of temporary
 * files.
 */
const expectNothingLeft = async (ran: Ran): Promise<void> => {
  expect(ran.lines.filter((line) => /^(wrong|left):/.test(line))).toEqual([])
  expect(ran.errors).toBe("")
  expect(ran.code).toBe(0)
  for (const { left } of [...scenes(ran), ...parts(ran)]) expect(left).toBe(0)
  expect(unreleased(ran)).toEqual(freedOtherwise)
  const { acquired, released, freed, left } = account(ran)
  // The leases of the scenes, and the folder that the scenes share.
  expect(acquired).toBe(scenes(ran).reduce((sum, scene) => sum + scene.acquired, 1))
  expect(released).toBe(scenes(ran).reduce((sum, scene) => sum + scene.released, 1))
  expect([freed, left]).toEqual([4, 0])
  expect(released + freed).toBe(acquired)
  await expectOnlyTimeline(ran)
}

const expectEachScene = (ran: Ran): void => {
  expect(scenes(ran).map(({ name, asked, ended }) => [name, asked, ended])).toEqual([
    ...fibers,
    ["ladder on a worker", "each rung in turn", "kill"],
    ["runaway pattern", "interrupt", "interrupt"],
    ["killed holder", "interrupt, kill", "kill"]
  ])
  expect(parts(ran)).toEqual([
    { name: "polls its flag", asked: "stop", ended: "stop", acquired: 1, released: 1, left: 0 },
    { name: "checks its token", asked: "interrupt", ended: "interrupt", acquired: 1, released: 1, left: 0 },
    { name: "checks nothing", asked: "interrupt, unwind", ended: "unwind", acquired: 1, released: 1, left: 0 },
    { name: "is uninterruptible", asked: "interrupt, unwind, kill", ended: "kill", acquired: 1, released: 0, left: 0 }
  ])
  const text = ran.lines.join("\n")
  expect(text).toMatch(/could not close the fourth file; Node closed the file with the worker, 0 are open/)
  expect(text).toMatch(/finalizers released 2 files and a folder: 0 and 0 are left/)
  expect(text).toMatch(
    /killed in the middle of row 100: the worker could not release "database connection" and "index lock"/
  )
  expect(text).toMatch(/the next owner of the lock was notified, dropped 1 half row and added 101 rows/)
  // The hung journal; the file of the killed loop, and the connection and the lock of the killed holder.
  expect(text).toMatch(
    / 0 failed, 1 hung, 3 lost with a killed worker\nthe hung and the lost were freed by: a backstop 1; the end of the worker 3\n/
  )
}

it("the tour shows each scene and leaves nothing behind", async () => {
  // Without the flag by which tests load modules quickly, like `pnpm start`.
  const ran = await runTour({ env: { NODE_OPTIONS: "" } })

  expectEachScene(ran)
  await expectNothingLeft(ran)
})

it.for(["node-22", "node-24"])("the tour is the same on %s", async (version, { skip }) => {
  const node = join(workspace, "node_modules", version, "bin/node")
  const isNewest = Number.parseInt(process.versions.node, 10) >= 26
  if (!isNewest || !existsSync(node)) return skip("The newest Node runs this test, on optional dependencies")

  const ran = await runTour({ node })

  expectEachScene(ran)
  await expectNothingLeft(ran)
})

it("the tour without the inspector names the scenes that it leaves out, and leaves nothing behind", async () => {
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

it("the tour reports a planted leak, from outside and in its counts, and exits with 1", async () => {
  const ran = await runTour({ args: ["--leak"] })

  const { acquired, released, freed, left } = account(ran)
  expect(ran.code).toBe(1)
  expect([acquired - released - freed, left]).toEqual([1, 1])
  expect(scenes(ran).length).toBe(10)
  expect(
    scenes(ran)
      .filter(({ left }) => left > 0)
      .map(({ name, left }) => [name, left])
  ).toEqual([["hung finalizer", 1]])
  expect(unreleased(ran)).toEqual(freedOtherwise)
  const descriptors = ran.lines.filter((line) => line.startsWith("left: file descriptor"))
  expect(descriptors.length).toBe(process.platform === "win32" ? 0 : 1)
  await expectOnlyTimeline(ran)
})

it.runIf(process.platform !== "win32").for(["1 stop flag", "7 hung finalizer"])(
  "the tour, ended by a signal after scene %s, leaves nothing behind",
  async (scene) => {
    const ran = await runTour({
      onLine: (line, kill) => {
        if (line.startsWith(scene)) kill("SIGTERM")
      }
    })

    expect(ran.code).toBe(143)
    expect(ran.lines).toContain("ended early")
    expect(account(ran).left).toBe(0)
    await expectOnlyTimeline(ran)
  }
)

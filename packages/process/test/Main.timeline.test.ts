import { execFileSync } from "node:child_process"
import { mkdtemp, readdir, readFile, rm, symlink } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, expect, it } from "vitest"
import { start } from "./support.ts"

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "quiesce-test-"))
})
afterEach(() => rm(folder, { recursive: true }))

/** Starts a program with a file for its timeline. `name` selects the program. */
const startWith = (name: string, file: string) =>
  start("ends", { args: [name], env: { QUIESCE_TIMELINE: file.startsWith("/") ? file : join(folder, file) } })

const readTimeline = (file: string): Promise<string> => readFile(join(folder, file), "utf8")

it("Main writes the timeline of a program that succeeds, as a picture", async () => {
  const { code, err } = await startWith("success", "timeline.svg").ended

  expect({ code, err }).toEqual({ code: 0, err: "" })
  expect(await readTimeline("timeline.svg")).toMatch(/^<svg .*<title>program #1: succeeded after .*<\/svg>$/)
})

it("Main writes the timeline of a program that fails, as a trace", async () => {
  const { code } = await startWith("failure", "timeline.JSON").ended

  const { traceEvents } = JSON.parse(await readTimeline("timeline.JSON")) as {
    readonly traceEvents: ReadonlyArray<{ readonly ph: string; readonly name: string; readonly args: unknown }>
  }
  expect(code).toBe(1)
  expect(traceEvents.find(({ name, ph }) => ph === "X" && name === "program")?.args).toMatchObject({
    end: "Failed",
    why: expect.stringContaining("no")
  })
})

it("Main writes the timeline of a program that a signal ends, as a text", async () => {
  const program = startWith("waiting", "timeline.txt")
  await program.prints("ready")
  program.kill("SIGTERM")
  const { code } = await program.ended

  expect(code).toBe(143)
  expect((await readTimeline("timeline.txt")).replaceAll(/^ *\d+\.\d+ ms {2}|in .*$/gm, "").split("\n")).toEqual([
    "1 thread, 5 events ",
    "program #1 spawned",
    "program #1 started",
    "program #1 interrupt requested by main: Received SIGTERM",
    "program #1 has run its body and cleans up",
    "program #1 interrupted: Received SIGTERM",
    ""
  ])
})

it("Main writes the timeline of an abandoned program", async () => {
  const { out } = await startWith("hanging", "timeline.txt").ended

  expect(out).toContain("done")
  expect(await readTimeline("timeline.txt")).toContain("program #1 abandoned: Its finalizers did not end in time")
})

it("Main replaces %p with the number of the process", async () => {
  const program = startWith("success", "%p.txt")
  const { pid } = program.child
  await program.ended

  expect(await readdir(folder)).toEqual([`${pid}.txt`])
})

it.each([
  ["timeline.png", "Name a file that ends in .svg, .json or .txt, such as timeline.svg."],
  ["timeline", "Name a file that ends in .svg, .json or .txt, such as timeline.svg."],
  ["missing/timeline.svg", "does not exist. Make it, or name another file."]
])("Main refuses the timeline file %s with a clear error, and nothing runs", async (file, text) => {
  const { code, err, out } = await startWith("success", file).ended

  expect(code).toBe(1)
  expect(err).toContain("The environment variable QUIESCE_TIMELINE: ")
  expect(err).toContain(text)
  expect(out).toBe("")
  expect(await readdir(folder)).toEqual([])
})

it("Main refuses a folder in the place of the timeline file", async () => {
  const folderLikeFile = await mkdtemp(join(folder, "quiesce-"))
  await symlink(folderLikeFile, join(folder, "link.svg"), "junction")
  const { err } = await startWith("success", "link.svg").ended

  expect(err).toContain("is a folder. Name a file in it.")
})

it.skipIf(process.platform === "win32")("Main refuses a pipe in the place of the timeline file", async () => {
  execFileSync("mkfifo", [join(folder, "pipe.svg")])
  const { code, err, out } = await startWith("success", "pipe.svg").ended

  expect({ code, out }).toEqual({ code: 1, out: "" })
  expect(err).toContain("is a pipe, and a write would wait for its reader. Name a file.")
})

it("Main ends as without a timeline if the file can't be written, and reports that", async () => {
  await symlink(join(folder, "gone", "timeline.svg"), join(folder, "link.svg"))
  const { code, err, out } = await startWith("success", "link.svg").ended

  expect({ code, out }).toEqual({ code: 0, out: "done\ncleaned\n" })
  expect(err).toContain("program: the timeline was not written: ENOENT")
})

it("Main records nothing if the variable is empty", async () => {
  const { code, err } = await start("ends", { args: ["success"], env: { QUIESCE_TIMELINE: "" } }).ended

  expect({ code, err }).toEqual({ code: 0, err: "" })
  expect(await readdir(folder)).toEqual([])
})

import { existsSync, rmSync } from "node:fs"
import { setTimeout } from "node:timers/promises"
import { expect, it } from "vitest"
import { runFile } from "./support.ts"

/** Signals of one kind count once within 100 ms. */
const pause = 150

/** Runs the example. After each of the texts, the test sends one Ctrl-C. */
const run = async (mode: ReadonlyArray<string>, ...texts: ReadonlyArray<string>) => {
  const left = [...texts]
  const ran = await runFile("examples/08-main/main.ts", {
    args: mode,
    onLine: (line, kill) => {
      if (left.length === 0 || !line.includes(left[0]!)) return
      left.shift()
      void setTimeout(pause).then(() => kill("SIGINT"))
    }
  })
  const folder = /writing to (.*)/.exec(ran.lines.join("\n"))![1]!
  const child = Number(/indexer (\d+): ready/.exec(ran.lines.join("\n"))![1])
  await untilGone(child)
  return { ...ran, folder, isLeft: existsSync(folder) }
}

/** Waits for the end of the child process, which may come just after the end of the program. */
const untilGone = async (pid: number): Promise<void> => {
  while (isAlive(pid)) await setTimeout(20)
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

it("08-main: the first Ctrl-C lets the program finish its page", async () => {
  const { code, errors, isLeft, lines } = await run([], "wrote page 2")

  // On a busy machine the page or the cleanup may take longer than a second, and Main then names the thread that it waits for.
  expect(errors.replaceAll(/^program: waiting for (?:1 thread: indexer|program) .*\n/gm, "")).toBe("")
  expect(lines).toContain("main: Received SIGINT, one page more")
  expect(lines.filter((line) => line.endsWith(": asked to end, has pages"))).toHaveLength(1)
  expect(lines.slice(-3)).toEqual([
    "main: stopped after a whole page",
    "main: removing the folder",
    "main: removed the folder"
  ])
  expect(code).toBe(0)
  expect(isLeft).toBe(false)
})

it("08-main: the second Ctrl-C ends an endless page, and everything is cleaned up", async () => {
  const { code, errors, isLeft, lines } = await run(["--stuck"], "page 3 has no end", "one page more")

  expect(errors).toContain("program: SIGINT again, now on interrupt")
  expect(errors).toMatch(/Render #\d+ stopping/)
  expect(lines).toContain("worker: cleaned up after page 3")
  expect(lines).toContain("main: removed the folder")
  expect(code).toBe(130)
  expect(isLeft).toBe(false)
})

it("08-main: the third Ctrl-C ends the process in the middle of a cleanup that hangs", async () => {
  const { code, errors, folder, isLeft, lines } = await run(
    ["--hang"],
    "page 3 has no end",
    "one page more",
    "removing the folder"
  )

  expect(errors).toContain("program: SIGINT again, ending at once")
  expect(lines).not.toContain("main: removed the folder")
  // The process has ended by the signal.
  expect(code).toBe(null)
  expect(isLeft).toBe(true)
  rmSync(folder, { recursive: true })
})

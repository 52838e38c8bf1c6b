import { spawn, spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import type { Readable } from "node:stream"
import { text } from "node:stream/consumers"
import { expect, it } from "vitest"
import { fixture, observe, shellWord, start } from "./support.ts"

const pidIn = (output: string): number => Number(/pid (\d+) ready/.exec(output)![1])

/** A shell that waits for the program and does not forward signals. */
const wrapped = (options: object) => {
  const command = [process.execPath, fixture("orphan"), JSON.stringify(options)].map(shellWord).join(" ")
  return observe(spawn("sh", ["-c", `${command}; true`], { stdio: ["ignore", "pipe", "pipe"] }))
}

it.runIf(process.platform !== "win32")("Main.run with parentExit end ends when its parent has ended", async () => {
  const program = wrapped({ parentExit: "end" })
  await program.prints("ready")
  program.kill("SIGTERM")
  const { err, out } = await program.ended

  expect(err).toBe("")
  expect(out).toContain("cleaned: The parent process has ended")
})

it.runIf(process.platform !== "win32")(
  "Main.run outside a terminal continues after the end of its parent",
  async () => {
    const program = wrapped({})
    await program.prints("ready")
    program.kill("SIGTERM")
    await program.prints("orphaned")
    process.kill(pidIn(program.output.out), "SIGINT")

    expect((await program.ended).out).toContain("cleaned: Received SIGINT")
  }
)

/** Whether this process may make a namespace of processes. */
const canUnshare = spawnSync("unshare", ["--pid", "--fork", "true"]).status === 0

it.runIf(canUnshare)("Main.run as process 1 ends at SIGTERM, and names the limits of process 1", async () => {
  const program = start("signals", { args: ["waits"], command: ["unshare", "--pid", "--fork"] })
  await program.prints("ready")
  const { pid } = program.child
  const child = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8"))
  process.kill(child, "SIGTERM")
  const { code, err, out } = await program.ended

  expect(code).toBe(143)
  expect(out).toContain("Received SIGTERM")
  expect(err.split("program is process 1 of its container")).toHaveLength(2)
})

it.runIf(canUnshare)(
  "Main.run as process 1 with reraise exits with the code, because the kernel ignores the signal",
  async () => {
    const program = start("signals", { args: ["waits", '{"reraise":true}'], command: ["unshare", "--pid", "--fork"] })
    await program.prints("ready")
    const { pid } = program.child
    const child = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8"))
    process.kill(child, "SIGTERM")

    expect(await program.ended).toMatchObject({ code: 143 })
  }
)

/** The program of util-linux that runs a command in a terminal. */
const hasScript = String(spawnSync("script", ["--version"]).stdout).includes("util-linux")

const inTerminal = (size: string, name: string, ...args: ReadonlyArray<string>) =>
  shellInTerminal(`stty ${size}; exec ${[process.execPath, fixture(name), ...args].map(shellWord).join(" ")}`)

const shellInTerminal = (command: string) => {
  const child = spawn("script", ["--quiet", "--return", "--command", command, "/dev/null"], {
    env: { ...process.env, TERM: "xterm" },
    stdio: ["pipe", "pipe", "pipe"]
  })
  return observe(child)
}

const ctrlC = "\u0003"
/** The line and the empty line after it. */
const eraseTwoLines = "\u001B[2K\u001B[1A\u001B[2K\u001B[G"

it.runIf(hasScript)("Main.run in a terminal ends when its parent has ended", async () => {
  const program = [process.execPath, fixture("orphan")].map(shellWord).join(" ")
  const between = `echo shell $$ runs; ${program}; true`
  // The shell of the terminal continues. Its end would close the terminal, and the program would receive SIGHUP.
  const terminal = shellInTerminal(`sh -c ${shellWord(between)}; read line`)
  await terminal.prints("ready")
  process.kill(Number(/shell (\d+) runs/.exec(terminal.output.out)![1]), "SIGKILL")

  await terminal.prints("cleaned: The parent process has ended")
})

it.runIf(hasScript)("Main.run in a terminal rewrites one line about its end, and erases it", async () => {
  const program = inTerminal("rows 24 columns 80", "signals", "quietly")
  await program.prints("ready")
  program.child.stdin!.write(ctrlC)
  const { code, out } = await program.ended

  expect(code).toBe(130)
  const lines = out.split("program: waiting for program").length - 1
  expect(lines).toBeGreaterThan(1)
  // The first line is written, each other line is written over the line before, and the last line is erased.
  expect(out.split(eraseTwoLines)).toHaveLength(lines + 1)
  expect(out.slice(out.lastIndexOf(eraseTwoLines))).not.toContain("waiting")
})

it.runIf(hasScript)("Main.run in a terminal erases no output of the program", async () => {
  const program = inTerminal("rows 24 columns 80", "signals", "slowly")
  await program.prints("ready")
  program.child.stdin!.write(ctrlC)
  const { out } = await program.ended

  expect(out.slice(out.lastIndexOf("waiting for program"))).toContain("released folder")
  expect(out.slice(out.lastIndexOf("released folder"))).not.toContain("\u001B")
})

it.runIf(hasScript)("Main.run in a terminal without a size writes plain lines", async () => {
  const program = inTerminal("rows 0 columns 0", "signals", "slowly")
  await program.prints("ready")
  program.child.stdin!.write(ctrlC)
  const { out } = await program.ended

  expect(out).toMatch(/program: waiting for program {2}\d+\.\d s\r\n/)
})

it.runIf(hasScript)("Main.run in a terminal: Ctrl-C in a busy section ends the section", async () => {
  const program = inTerminal("rows 24 columns 80", "busy", "section")
  await program.prints("busy")
  program.child.stdin!.write(ctrlC)
  const { code, out } = await program.ended

  expect(code).toBe(130)
  expect(out).toContain("cleaned: Received SIGINT")
})

it.runIf(hasScript)("Main.run whose terminal is closed ends as by SIGHUP", async () => {
  const program = [process.execPath, fixture("output"), "terminal"].map(shellWord).join(" ")
  const child = spawn("script", ["--quiet", "--return", "--command", `exec ${program}`, "/dev/null"], {
    stdio: ["pipe", "pipe", "pipe", "pipe"]
  })
  const terminal = observe(child)
  await terminal.prints("ready")
  const said = text(child.stdio[3] as Readable) // a pipe is readable
  terminal.kill("SIGKILL")

  expect(await said).toBe("code 129")
})

/**
 * Checks the commands of an unpacked package: each must print its usage, and `quiesce` must inspect a running process.
 */
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"

const run = (file: string, ...args: ReadonlyArray<string>) =>
  spawnSync(process.execPath, [file, ...args], { encoding: "utf8" })

/** The problems of the commands in a folder. */
export const brokenCommands = async (root: string): Promise<ReadonlyArray<string>> => {
  const { bin = {} }: { bin?: Readonly<Record<string, string>> } = JSON.parse(
    readFileSync(join(root, "package.json"), "utf8")
  )
  const problems = await Promise.all(Object.entries(bin).map(([name, place]) => problemOf(name, join(root, place))))
  return problems.filter((problem) => problem !== undefined)
}

const problemOf = async (name: string, file: string): Promise<string | undefined> => {
  if (!existsSync(file)) return `the command ${name} is missing: ${file}`
  if (!readFileSync(file, "utf8").startsWith("#!/usr/bin/env node\n")) return `the command ${name} has no first line`
  const { status, stdout } = run(file, "--help")
  if (status !== 0 || !stdout.startsWith("Usage:")) return `the command ${name} --help ended with ${status}`
  return name === "quiesce" && process.platform === "linux" ? lookProblem(file) : undefined
}

const lookProblem = async (file: string): Promise<string | undefined> => {
  const waiting = 'process.stdout.write("ready"); setInterval(() => {}, 1000)'
  const child = spawn(process.execPath, ["--inspect-port=0", "-e", waiting], { stdio: ["ignore", "pipe", "ignore"] })
  try {
    await once(child.stdout, "data")
    const { status, stderr, stdout } = run(file, "ps", String(child.pid))
    return status === 0 && stdout.includes(`pid ${child.pid}`) ? undefined : `quiesce ps: ${stdout}${stderr}`
  } finally {
    child.kill()
  }
}

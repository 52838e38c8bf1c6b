/** Runs commands as threads, and looks for the processes that they have left. */
import { randomUUID } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as ChildProcess from "effect/process/ChildProcess"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ProcessThread } from "@quiesce/process"

/** The descendants are found by their environment, which only Linux shows. */
export const showsProcesses = process.platform === "linux"

export const run = <A, E>(effect: Effect.Effect<A, E, ChildProcessSpawner | Scope.Scope>): Promise<A> =>
  Effect.runPromise(Effect.scoped(effect).pipe(Effect.provide(NodeServices.layer)))

/** A command whose descendants can be counted. */
export interface Counted {
  readonly command: ChildProcess.StandardCommand
  /** The numbers of the live processes that the command has left. */
  readonly left: () => ReadonlyArray<number>
}

/** The environment variable that counts the descendants of a command. */
export const counting = "QUIESCE_TEST_PROCESS"

export const counted = (command: string, args: ReadonlyArray<string>): Counted => {
  const id = randomUUID()
  return {
    command: ChildProcess.make(command, args, { env: { [counting]: id }, extendEnv: true }),
    left: () => withVariable(`${counting}=${id}`)
  }
}

export const shell = (script: string): Counted => counted("sh", ["-c", script])

export const node = (script: string): Counted => counted(process.execPath, ["-e", script])

/** The processes with a variable in their environment. */
export const withVariable = (variable: string): ReadonlyArray<number> =>
  (showsProcesses ? readdirSync("/proc") : [])
    .filter((pid) => /^\d+$/.test(pid))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(variable)
      } catch {
        return false
      }
    })

/** Waits until the process has printed something. The rest of its output is not read. */
export const printed = (thread: ProcessThread.ProcessThread): Effect.Effect<void, unknown> =>
  Effect.asVoid(Stream.runHead(thread.stdout))

export const textOf = (output: ProcessThread.ProcessThread["stdout"]) => Stream.mkString(Stream.decodeText(output))

/** A child process whose group the host ends. */
import { spawn, type SpawnOptions } from "node:child_process"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { readyName } from "../../wire/readyNames.ts"
import type { Command, Permissions } from "../permissions.ts"
import type { ChildProcess, ChildProcessRequest, HostLeaseError } from "./declared.ts"
import { ProcessGroup } from "./processGroup.ts"
import { attempt, notAllowed } from "./system.ts"

const name = readyName("childProcess")

type Allowed = NonNullable<Permissions["childProcess"]>

export const acquire = (
  commands: Allowed["commands"],
  graceMillis: number,
  { args = [], command, cwd, output = "ignore" }: ChildProcessRequest
): Effect.Effect<ChildProcess, HostLeaseError, Scope.Scope> => {
  if (!isAllowed(commands, { command, args, cwd })) {
    return Effect.fail(
      notAllowed(name, `it may not start ${command} like that. Allow the command in childProcess.commands`)
    )
  }
  const options: SpawnOptions = {
    cwd,
    // A group of its own, which a signal reaches as a whole. Windows would open a window instead.
    detached: process.platform !== "win32",
    windowsHide: true,
    stdio: ["ignore", output, output]
  }
  const started = attempt(name, () => start(command, args, options))
  const child = Effect.acquireRelease(started, (group) => Effect.promise(() => group.end(graceMillis)))
  return Effect.map(child, ({ pid, state }) => ({ pid, state }))
}

const isAllowed = (commands: Allowed["commands"], command: Command): boolean => {
  if (typeof commands !== "function") return commands.includes(command.command)
  // A caller without types may give an async function, whose promise is no permission.
  const decision: unknown = commands(command)
  return decision === true
}

const start = (command: string, args: ReadonlyArray<string>, options: SpawnOptions): Promise<ProcessGroup> =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, options)
    // A later error concerns a signal, and the end of the group looks at its effect.
    child.on("error", reject)
    const { pid } = child
    if (pid === undefined) return
    const group = new ProcessGroup(child, pid)
    child.once("spawn", () => resolve(group))
  })

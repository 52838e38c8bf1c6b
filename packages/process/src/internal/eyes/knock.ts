/**
 * A knock at a process: SIGUSR1 asks Node there to open its inspector, unless that is open already.
 *
 * Loads no Effect. The command `quiesce` knocks first, and loads the rest while the process opens its inspector.
 */
import * as Table from "../child/processTable.ts"
import * as Listening from "./listening.ts"
import * as Target from "./target.ts"

export type Knock =
  | { readonly _tag: "Refused"; readonly problem: string }
  /** The inspector was open before. */
  | { readonly _tag: "Open"; readonly listening: Listening.Listening }
  /** The signal has been sent. `known` are the ports on which the process listened before. */
  | { readonly _tag: "Signaled"; readonly target: Target.Target; readonly known: ReadonlySet<number> }

export interface Knocked {
  readonly command: ReadonlyArray<string>
  readonly knock: Knock
}

export const at = (pid: number): Knocked => {
  const found = Target.find(pid)
  if (found._tag === "Refused") return { command: [], knock: found }
  return { command: found.target.command, knock: atTarget(found.target) }
}

const atTarget = (target: Target.Target): Knock => {
  const { pid } = target.process
  const before = Listening.of(pid)
  const listening = before.find(({ port }) => port === configuredPort(target))
  if (listening !== undefined) return { _tag: "Open", listening }
  // The number may belong to another process by now, which the signal could end.
  if (!Table.isSame(target.process)) return { _tag: "Refused", problem: "it has just ended" }
  process.kill(pid, "SIGUSR1")
  return { _tag: "Signaled", target, known: new Set(before.map(({ port }) => port)) }
}

/** A process that listens on the port of the inspector but was not started so may have opened the inspector itself. */
export const configuredPort = ({ command, options }: Target.Target): number => {
  const given = `${options} ${command.join(" ")}`.match(/--inspect(?:-brk|-wait|-port)?=(?:\S*:)?(\d+)(?=\s|$)/)
  return Number(given?.[1] ?? 9229)
}

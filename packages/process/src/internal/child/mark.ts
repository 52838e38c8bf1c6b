/**
 * The marks by which the processes of a tree are found: environment variables with unique names. Every descendant
 * inherits the marks, except a descendant with a cleared environment.
 */
import { randomUUID } from "node:crypto"
import * as ChildProcess from "effect/process/ChildProcess"

const prefix = "QUIESCE_TREE_"

export const make = (): string => `${prefix}${randomUUID().replaceAll("-", "")}`

/** The mark of all processes that this module has started. The guardian finds processes by this mark. */
export const ofHost: string = make()

/** The marks of the processes above this process. A child needs the marks even in an environment of its own. */
const inherited = (): Record<string, string> =>
  Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      name.startsWith(prefix) && value !== undefined ? [[name, value] as const] : []
    )
  )

/** The command with the marks, and with other variables, in its environment. */
export const command = (
  standard: ChildProcess.StandardCommand,
  mark: string,
  others: Record<string, string>
): ChildProcess.StandardCommand => {
  const { env } = standard.options
  const marks = { ...inherited(), [ofHost]: "1", [mark]: "1", ...others }
  return ChildProcess.make(standard.command, standard.args, {
    ...standard.options,
    env: { ...env, ...marks },
    // Without an environment, a command inherits the environment of this process.
    extendEnv: env === undefined || standard.options.extendEnv === true
  })
}

/** Whether an environment, as the system shows it, has the mark. */
export const isIn = (environment: string, mark: string): boolean => environment.includes(`${mark}=`)

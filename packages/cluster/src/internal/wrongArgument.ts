/** The errors of wrong arguments, which a user without types may give. */
import { readOr, textOf } from "@quiesce/core/internal"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as ClusterError from "../ClusterError.ts"

/** `option` names the argument. `wanted` says what belongs there, and how to get one. */
export const wrongArgument = (option: string, given: unknown, wanted: string): ClusterError.ClusterError =>
  ClusterError.make({ _tag: "InvalidOption", option, problem: `${textOf(given)} is not ${wanted}.` })

/** The problem of a value in the place of options. */
export const problemOfOptions = (of: string, options: unknown): ClusterError.ClusterError | undefined =>
  typeof options === "object" && options !== null
    ? undefined
    : wrongArgument(`${of}'s options`, options, "an object. Leave them out for the defaults")

/** Dies with `InvalidOption` for options that can't be read. */
export const checkedOptions = (of: string, options: unknown): Effect.Effect<void> =>
  Effect.suspend(() => {
    const problem = problemOfOptions(of, options)
    return problem === undefined ? Effect.void : Effect.die(problem)
  })

/** The problem of a value in the place of a kind of lease. */
export const leaseProblem = (of: string, lease: unknown): ClusterError.ClusterError | undefined =>
  readOr(() => isLease(lease), false)
    ? undefined
    : wrongArgument(`${of}'s lease`, lease, "a kind of lease. Make one by ClusterLease.make(name, { payload, value })")

/** The value may throw when it is read. */
const isLease = (lease: unknown): boolean => {
  const { name, payload, value } = lease as {
    readonly name?: unknown
    readonly payload?: unknown
    readonly value?: unknown
  }
  return typeof name === "string" && Schema.isSchema(payload) && Schema.isSchema(value)
}

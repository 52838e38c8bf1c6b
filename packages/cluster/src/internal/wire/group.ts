/** The tasks of a group with their wires. Runners and clients refuse a group whose tasks can't be threads of a cluster. */
import * as Effect from "effect/Effect"
import type * as Rpc from "effect/rpc/Rpc"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcSchema from "effect/rpc/RpcSchema"
import { readOr, textOf } from "@quiesce/core/internal"
import * as ClusterError from "../../ClusterError.ts"
import * as Outcome from "./outcome.ts"

/**
 * Dies with `InvalidOption` for a value that is no group, and for a group with streams or with middleware, because a runner would
 * run neither as the group says.
 */
export const wiresOf = <Rpcs extends Rpc.Any>(
  group: RpcGroup.RpcGroup<Rpcs>
): Effect.Effect<ReadonlyMap<string, Outcome.TaskWire>> =>
  Effect.suspend(() => {
    if (!readOr(() => group.requests instanceof Map, false)) {
      return invalid(`${textOf(group)} is not an RpcGroup. Make one with RpcGroup.make(...).`)
    }
    const wires = new Map<string, Outcome.TaskWire>()
    for (const [task, value] of group.requests) {
      // Every Rpc has its schemas; the group's type only forgets them.
      const rpc = value as unknown as Rpc.AnyWithProps
      const problem = problemOf(rpc)
      if (problem !== undefined) return invalid(problem)
      wires.set(task, Outcome.of(rpc))
    }
    return Effect.succeed(wires)
  })

const invalid = (problem: string): Effect.Effect<never> =>
  Effect.die(ClusterError.make({ _tag: "InvalidOption", option: "group", problem }))

const problemOf = (rpc: Rpc.AnyWithProps): string | undefined => {
  const task = JSON.stringify(rpc._tag)
  if (RpcSchema.isStreamSchema(rpc.successSchema)) {
    return `the task ${task} gives a stream, and a thread of a cluster has one result. Leave the task out with group.omit.`
  }
  if (rpc.middlewares.size > 0) {
    return `the task ${task} has middleware, which a runner does not run. Check the caller in the handler, and leave the middleware out.`
  }
  return undefined
}

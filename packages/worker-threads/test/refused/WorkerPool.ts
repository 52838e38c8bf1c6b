/** Programs with pools that the compiler refuses: see scripts/check-types.ts. */
import { WorkerPool } from "@quiesce/worker-threads"
import { Context, Schema } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"

class Few extends RpcGroup.make(
  Rpc.make("Add", { payload: { a: Schema.Number }, success: Schema.Number, error: Schema.String })
) {}

class More extends RpcGroup.make(
  Rpc.make("Add", { payload: { a: Schema.Number }, success: Schema.Number, error: Schema.String }),
  Rpc.make("Count", { payload: { to: Schema.Number }, success: Schema.Number, stream: true })
) {}

class MoreWorkers extends Context.Service<MoreWorkers, WorkerPool.Of<typeof More>>()("MoreWorkers") {}

declare const options: WorkerPool.Options
declare const few: WorkerPool.Of<typeof Few>
declare const more: WorkerPool.Of<typeof More>

// says: Expected 2-3 arguments
export const noPayload = more.execute("Add")

// says: Type 'string' is not assignable to type 'number'
export const wrongPayload = more.execute("Add", { a: "1" })

// says: '"Other"' is not assignable to parameter of type '"Add"'
export const unknownTask = more.execute("Other", { a: 1 })

// says: '"Count"' is not assignable to parameter of type '"Add"'
export const streamAsTask = more.execute("Count", { to: 3 })

// says: '"Add"' is not assignable to parameter of type '"Count"'
export const taskAsStream = more.stream("Add", { a: 1 })

// says: is not assignable to type 'Of<typeof More, WorkerError>'
export const fewAsMore: WorkerPool.Of<typeof More> = few

// says: LacksTasksOf<
export const layerOfFew = WorkerPool.layer(MoreWorkers, Few, options)

// says: NotAnOption<"zise">
export const unknownOption = WorkerPool.make(More, { spawn: options.spawn, zise: 1 })

// says: 'zise' does not exist in type
export const unknownOptionOfLayer = WorkerPool.layer(MoreWorkers, More, { spawn: options.spawn, zise: 1 })

// says: Type 'string' is not assignable to type 'number |
export const wrongOptionOfLayer = WorkerPool.layer(MoreWorkers, More, { spawn: options.spawn, size: "4" })

// says: Type 'string' is not assignable to type 'undefined'
export const limitOfLayer = WorkerPool.layer(MoreWorkers, More, { spawn: options.spawn, runWithin: "1 second" })

/** Programs with threads of a cluster that the compiler refuses: see scripts/check-types.ts. */
import { ClusterLease, type ClusterThreads } from "@quiesce/cluster"
import { Schema } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"

class Tasks extends RpcGroup.make(Rpc.make("Add", { payload: { a: Schema.Number }, success: Schema.Number })) {}

declare const threads: ClusterThreads.Of<typeof Tasks>

const Folder = ClusterLease.make("Folder", { payload: Schema.String, value: Schema.String })

// says: Type 'string' is not assignable to type 'number'
export const wrongPayload = threads.spawn("Add", { a: "1" })

// says: Argument of type '"Subtract"' is not assignable
export const noSuchTask = threads.spawn("Subtract", { a: 1 })

// says: Type '"again"' is not assignable to type
export const noSuchEnd = threads.spawn("Add", { a: 1 }, { onLoss: "again" })

// says: Argument of type 'number' is not assignable to parameter of type 'string'
export const wrongLease = ClusterLease.acquire(Folder, 1)

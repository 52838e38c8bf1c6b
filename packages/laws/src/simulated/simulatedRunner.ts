/** A runner of a simulated cluster. */
import * as ClusterStore from "@quiesce/cluster/ClusterStore"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as MessageStorage from "effect/cluster/MessageStorage"
import { RunnerAddress } from "effect/cluster/RunnerAddress"
import * as RunnerHealth from "effect/cluster/RunnerHealth"
import * as RunnerStorage from "effect/cluster/RunnerStorage"
import { Runners } from "effect/cluster/Runners"
import * as Sharding from "effect/cluster/Sharding"
import * as ShardingConfig from "effect/cluster/ShardingConfig"
import * as Snowflake from "effect/cluster/Snowflake"
import { Keepers } from "../../../cluster/src/internal/lease/keepers.ts"
import * as FiberBodies from "../../../cluster/src/internal/runner/fiberBodies.ts"
import * as Runner from "../../../cluster/src/internal/runner/runner.ts"
import * as Group from "../../../cluster/src/internal/wire/group.ts"
import type { TaskWire } from "../../../cluster/src/internal/wire/outcome.ts"
import type { Machine } from "./machine.ts"
import type { Network } from "./network.ts"
import { lockMillis } from "./runnerTable.ts"
import { SimulatedTasks } from "./tasks.ts"

/** The parts that all machines share. `storeOf` makes a store for one machine. */
export interface Shared {
  readonly network: Network
  readonly table: RunnerStorage.RunnerStorage["Service"]
  readonly storeOf: () => Store
}

export type Store = ClusterStore.ClusterStore["Service"]

/** Replaces methods of each machine's store, or of the wire of a task. */
export interface Fault {
  readonly store?: ((store: Store) => Partial<Store>) | undefined
  readonly wire?: ((wire: TaskWire) => Partial<TaskWire>) | undefined
}

/** The time to live of a row, in milliseconds. */
export const timeToLive = lockMillis

/** Effect's engine on a machine. A client has no address. */
export const engineOf = ({ network, storeOf, table }: Shared, machine: Machine, how: "runner" | "client") => {
  const address = RunnerAddress.make({ host: machine.name, port: 0 })
  const runners = Layer.effect(Runners, network.runnersOf(machine)).pipe(Layer.provide(Snowflake.layerGenerator))
  return Sharding.layer.pipe(
    Layer.provide(RunnerHealth.layerPing),
    Layer.provideMerge(runners),
    Layer.provideMerge(Layer.merge(MessageStorage.layerNoop, Layer.succeed(RunnerStorage.RunnerStorage, table))),
    Layer.provideMerge(
      ShardingConfig.layer({
        runnerAddress: how === "runner" ? Option.some(address) : Option.none(),
        shardsPerGroup: 8,
        shardLockRefreshInterval: lockMillis / 3,
        shardLockExpiration: lockMillis,
        refreshAssignmentsInterval: 500,
        runnerHealthCheckInterval: 1000,
        entityTerminationTimeout: 2000,
        sendRetryInterval: 100
      })
    ),
    Layer.provideMerge(Layer.succeed(ClusterStore.ClusterStore, storeOf()))
  )
}

/** Runs threads until the end of the scope. */
export const make = Effect.fnUntraced(function* ({ wire = () => ({}) }: Fault) {
  const store = yield* ClusterStore.ClusterStore
  const where = "address"
  const runner = yield* Runner.identify(where)
  const keepers = new Keepers(store, runner.incarnation, [], yield* Effect.context<never>())
  const bodies = yield* FiberBodies.make(SimulatedTasks, ({ id, token }) => ({ id, token, store, keepers }))
  const good = yield* Group.wiresOf(SimulatedTasks)
  const wires = new Map(Array.from(good, ([task, one]) => [task, { ...one, ...wire(one) }]))
  yield* Runner.make({ store, runner, where, keepers, bodies, wires, escalation: { interrupt: 500 }, timeToLive })
})

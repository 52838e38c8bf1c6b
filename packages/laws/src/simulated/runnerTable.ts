/** The engine's record of its runners and of the locks of their shards, in virtual time. */
import type * as VirtualClock from "@quiesce/testing/VirtualClock"
import * as Effect from "effect/Effect"
import * as MachineId from "effect/cluster/MachineId"
import type * as Runner from "effect/cluster/Runner"
import type { RunnerAddress } from "effect/cluster/RunnerAddress"
import { RunnerStorage } from "effect/cluster/RunnerStorage"
import type { ShardId } from "effect/cluster/ShardId"

interface Lock {
  readonly owner: string
  readonly until: number
}

/** The locks expire after this number of milliseconds, unless they are refreshed. */
export const lockMillis = 3000

const keyOf = ({ host, port }: RunnerAddress): string => `${host}:${port}`
const shardOf = ({ group, id }: ShardId): string => `${group}:${id}`

/** The locks of the shards. */
class Locks {
  private readonly locks = new Map<string, Lock>()
  private readonly hand: VirtualClock.Hand

  constructor(hand: VirtualClock.Hand) {
    this.hand = hand
  }

  /** Renews the locks of the owner. With `alsoFree`, also takes the free locks. Returns the shards. */
  take(address: RunnerAddress, shards: Iterable<ShardId>, alsoFree: boolean): Effect.Effect<Array<ShardId>> {
    const owner = keyOf(address)
    return Effect.sync(() =>
      Array.from(shards).filter((shard) => {
        const lock = this.locks.get(shardOf(shard))
        const isFree = lock === undefined || lock.until <= this.hand.now
        if (lock?.owner !== owner && !(alsoFree && isFree)) return false
        this.locks.set(shardOf(shard), { owner, until: this.hand.now + lockMillis })
        return true
      })
    )
  }

  release(address: RunnerAddress, shard: ShardId): void {
    if (this.locks.get(shardOf(shard))?.owner === keyOf(address)) this.locks.delete(shardOf(shard))
  }

  releaseAll(address: RunnerAddress): void {
    for (const [shard, { owner }] of this.locks) if (owner === keyOf(address)) this.locks.delete(shard)
  }
}

export const make = (hand: VirtualClock.Hand): RunnerStorage["Service"] => {
  const runners = new Map<string, readonly [Runner.Runner, boolean]>()
  const locks = new Locks(hand)
  let machines = 0
  return RunnerStorage.of({
    getRunners: Effect.sync(() => Array.from(runners.values())),
    register: (runner, healthy) =>
      Effect.sync(() => {
        runners.set(keyOf(runner.address), [runner, healthy])
        return MachineId.make(machines++)
      }),
    unregister: (address) => Effect.sync(() => void runners.delete(keyOf(address))),
    setRunnerHealth: (address, healthy) =>
      Effect.sync(() => {
        const known = runners.get(keyOf(address))
        if (known !== undefined) runners.set(keyOf(address), [known[0], healthy])
      }),
    acquire: (address, shards) => locks.take(address, shards, true),
    refresh: (address, shards) => locks.take(address, shards, false),
    release: (address, shard) => Effect.sync(() => locks.release(address, shard)),
    releaseAll: (address) => Effect.sync(() => locks.releaseAll(address))
  })
}

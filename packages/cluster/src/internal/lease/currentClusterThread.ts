/** The thread of the cluster that runs the current body, for leases and for checked writes. */
import * as Context from "effect/Context"
import type { ThreadStore } from "../store/threadStore.ts"
import type { Keepers } from "./keepers.ts"

export interface ClusterThread {
  readonly id: string
  readonly token: number
  readonly store: ThreadStore
  readonly keepers: Keepers
}

const Base: Context.ServiceClass<CurrentClusterThread, "@quiesce/cluster/CurrentClusterThread", ClusterThread> =
  Context.Service<CurrentClusterThread, ClusterThread>()("@quiesce/cluster/CurrentClusterThread")

export class CurrentClusterThread extends Base {}

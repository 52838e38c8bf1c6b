/** The thread of the cluster whose body runs: its id and its token, for leases and for checked writes. */
import * as Context from "effect/Context"
import type { ThreadStore } from "../store/threadStore.ts"

export interface ClusterThread {
  readonly id: string
  readonly token: number
  readonly store: ThreadStore
}

const Base: Context.ServiceClass<CurrentClusterThread, "@quiesce/cluster/CurrentClusterThread", ClusterThread> =
  Context.Service<CurrentClusterThread, ClusterThread>()("@quiesce/cluster/CurrentClusterThread")

export class CurrentClusterThread extends Base {}

/**
 * The leases of a former start. The next start waits until they are released: it could otherwise acquire a resource of the
 * same name, and the late release of the former start would remove that resource.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as ClusterError from "../../ClusterError.ts"
import * as LeaseStore from "../store/leaseStore.ts"
import type { ThreadStore } from "../store/threadStore.ts"
import { again } from "./reach.ts"

/** The pause between two looks, in milliseconds. */
const lookMillis = 50

export class FormerLeases {
  private readonly store: ThreadStore
  private readonly thread: string
  /** The names of the leases at the last look, each once. */
  names: ReadonlyArray<string> = []

  /** `thread` is the id of the former start. */
  constructor(store: ThreadStore, thread: string) {
    this.store = store
    this.thread = thread
  }

  /** Waits, as long as it takes, also while the store is away. */
  get whenReleased(): Effect.Effect<void> {
    const look = Effect.suspend(() => Effect.retry(LeaseStore.namesOf(this.store, this.thread), again))
    const looked = Effect.map(Effect.orDie(look), (names) => (this.names = Array.from(new Set(names))))
    return Effect.asVoid(
      Effect.repeat(looked, { until: (names) => names.length === 0, schedule: Schedule.spaced(lookMillis) })
    )
  }
}

/** The error of a thread that has not started in time. `former` are the leases for which the thread has waited. */
export const notStarted = (
  task: string,
  former: FormerLeases | undefined,
  millis: number
): ClusterError.ClusterError => {
  const leases = former?.names ?? []
  return ClusterError.make(
    leases.length > 0 ? { _tag: "NotReleased", task, leases, millis } : { _tag: "NoRunner", task, millis }
  )
}

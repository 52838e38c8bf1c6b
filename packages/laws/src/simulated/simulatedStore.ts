/** The store of a simulated cluster: one database in memory with the virtual time. Its writes wait while it is away. */
import * as ClusterStore from "@quiesce/cluster/ClusterStore"
import type * as VirtualClock from "@quiesce/testing/VirtualClock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import type { Store } from "./simulatedRunner.ts"

/** Another process has the lock of the file: reads are answered, and a write is tried again after a pause. */
const pauseMillis = 20

const isRead = (operation: string): boolean => /^(read|look|tell)/.test(operation)

export class SimulatedStore {
  private readonly hand: VirtualClock.Hand
  private readonly base: Store
  private readonly scope: Scope.Closeable
  private awayUntil = 0

  private constructor(hand: VirtualClock.Hand, base: Store, scope: Scope.Closeable) {
    this.hand = hand
    this.base = base
    this.scope = scope
  }

  static async open(hand: VirtualClock.Hand): Promise<SimulatedStore> {
    const scope = Scope.makeUnsafe()
    const layer = ClusterStore.sqlite({ filename: ":memory:" }).pipe(Layer.fresh)
    const context = await Effect.runPromise(Scope.provide(Layer.build(layer), scope))
    const base = Context.get(context, ClusterStore.ClusterStore)
    await Effect.runPromise(base.sql`CREATE TABLE simulated_clock AS SELECT ${hand.now} AS now`)
    return new SimulatedStore(hand, base, scope)
  }

  /** Sets the clock of the database. */
  setNow(now: number): void {
    Effect.runSync(this.base.sql`UPDATE simulated_clock SET now = ${now}`)
  }

  /** Refuses all writes for the given number of milliseconds. */
  leave(millis: number): void {
    this.awayUntil = Math.max(this.awayUntil, this.hand.now + millis)
  }

  /** The store of one machine. */
  forMachine(fault: (store: Store) => Partial<Store>): Store {
    const { base } = this
    const { sql } = base
    // The class of the store is not exported.
    const own = new (base.constructor as new (sql: Store["sql"]) => Store)(sql)
    const ask = own.ask.bind(own)
    const inTurn: Store["ask"] = (operation, statement) =>
      isRead(operation) ? ask(operation, statement) : Effect.andThen(this.back, ask(operation, statement))
    Object.assign(own, { now: sql`(SELECT now FROM simulated_clock)`, ask: inTurn })
    return Object.assign(own, fault(own))
  }

  /** Closes the database. */
  close(): void {
    Effect.runSync(Scope.close(this.scope, Exit.void))
  }

  private readonly back: Effect.Effect<void> = Effect.suspend(() =>
    this.hand.now < this.awayUntil ? Effect.andThen(Effect.sleep(pauseMillis), this.back) : Effect.void
  )
}

/**
 * The host leases of a pool of plain functions. Their code is loaded with the first request, because most functions ask
 * for none.
 */
import { messageOf } from "@quiesce/core/internal"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { Keeper, Leases, Owner } from "../../leases/keeper.ts"
import type { Permissions } from "../../leases/permissions.ts"

type Request = Parameters<Keeper["receive"]>[0]
type Closing = Set<Fiber.Fiber<unknown>>

const load = async (permissions: Permissions, closing: Closing): Promise<Leases> => {
  const [{ HostLeases }, { make }] = await Promise.all([
    import("../../leases/leaseKeeper.ts"),
    import("../../leases/ready/handlers.ts")
  ])
  return new HostLeases(make(permissions), Context.empty(), closing)
}

export class LateLeases implements Leases {
  private readonly permissions: Permissions
  /** The keepers that are still releasing leases, of all calls of the pool. */
  private readonly closing: Closing
  private loading: Promise<Leases> | undefined = undefined

  constructor(permissions: Permissions, closing: Closing = new Set()) {
    this.permissions = permissions
    this.closing = closing
  }

  /** The leases of one call with permissions of its own. */
  within(permissions: Permissions): Leases {
    return new LateLeases(permissions, this.closing)
  }

  keeperFor(owner: Owner): Keeper {
    this.loading ??= load(this.permissions, this.closing)
    return new LateKeeper(this.loading, owner)
  }

  get idle(): Effect.Effect<void> {
    return Effect.suspend(() => Effect.forEach(Array.from(this.closing), Fiber.await, { discard: true }))
  }
}

type State =
  /** The code is loaded, and the requests wait. */
  | { readonly _tag: "Loading"; readonly requests: Array<Request> }
  | { readonly _tag: "Ready"; readonly keeper: Keeper }
  | { readonly _tag: "Failed"; readonly problem: string }
  /** The task has ended before anything was acquired. */
  | { readonly _tag: "Closed" }

class LateKeeper implements Keeper {
  private readonly owner: Owner
  private state: State = { _tag: "Loading", requests: [] }

  constructor(leases: Promise<Leases>, owner: Owner) {
    this.owner = owner
    leases.then(
      (loaded) => this.loaded({ _tag: "Ready", keeper: loaded.keeperFor(owner) }),
      (cause: unknown) => this.loaded({ _tag: "Failed", problem: messageOf(cause) })
    )
  }

  get isEmpty(): boolean {
    if (this.state._tag === "Ready") return this.state.keeper.isEmpty
    return this.state._tag !== "Loading"
  }

  receive(message: Request): void {
    switch (this.state._tag) {
      case "Loading":
        this.state.requests.push(message)
        return
      case "Ready":
        return this.state.keeper.receive(message)
      case "Failed":
        return this.refuse(message, this.state.problem)
      case "Closed":
        return
    }
  }

  close(exit: Exit.Exit<unknown, unknown>): Effect.Effect<Cause.Cause<never>> {
    if (this.state._tag === "Ready") return this.state.keeper.close(exit)
    this.state = { _tag: "Closed" }
    return Effect.succeed(Cause.empty)
  }

  private loaded(state: State): void {
    if (this.state._tag !== "Loading") return
    const { requests } = this.state
    this.state = state
    for (const request of requests) this.receive(request)
  }

  private refuse({ _tag, lease }: Request, problem: string): void {
    const { id, send } = this.owner
    if (_tag === "Acquire") send({ _tag: "Refused", id, lease, problem, unknown: false })
    else send({ _tag: "Released", id, lease, problem: null })
  }
}

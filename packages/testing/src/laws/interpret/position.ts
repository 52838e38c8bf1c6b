/** The position of an instruction during its interpretation. */
import type * as Escalation from "@quiesce/core/Escalation"
import type * as Scope from "effect/Scope"
import type { Climb, Instruction } from "../Program.ts"
import type { Work } from "../Subject.ts"
import type { NamedThread, World } from "../World.ts"

export type Scoped = Work<unknown, Scope.Scope>

export type Of<Tag extends Instruction["_tag"]> = Extract<Instruction, { readonly _tag: Tag }>

/** The position of an instruction. The blocks of a thread share its record `own`. */
export interface Position {
  readonly world: World
  readonly thread: string
  readonly scope: string
  readonly outerScope: Scope.Scope | undefined
  readonly outerName: string
  readonly masked: boolean
  /** The lock is not taken twice. */
  readonly locked: boolean
  readonly own: {
    readonly children: Array<NamedThread>
    leases: number
    spawned: number
    /** The task in which the thread was first seen cancelled. */
    cancelledIn: number | undefined
  }
}

/** The escalation of a climb. */
export const escalation = (climb: Climb): Escalation.Escalation => ({
  stop: climb.stop ?? undefined,
  interrupt: climb.interrupt ?? undefined,
  unwind: climb.unwind ?? undefined,
  kill: climb.kill ?? undefined
})

/** Whether the thread may pass a checkpoint here. `arrived` says whether its requests have arrived. */
export const state = (
  place: Position,
  arrived: boolean
): { readonly masked: boolean; readonly cancelled: boolean } => ({
  masked: place.masked,
  cancelled: arrived && place.world.isCancelled(place.thread)
})

/** The first reason in an exit; undefined without an interruption. */
import type * as Exit from "effect/Exit"
import * as CancelReason from "../CancelReason.ts"

export const reasonOfExit = (exit: Exit.Exit<unknown, unknown>): CancelReason.CancelReason | undefined =>
  exit._tag === "Failure" ? CancelReason.firstOfCause(exit.cause) : undefined

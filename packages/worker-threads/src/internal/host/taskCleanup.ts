/** The failures of the cleanup of a task, in its exit. */
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"

/** `closed` is the exit of the cleanup. Its value has the releases that have failed. */
export const withCleanup = (
  exit: Exit.Exit<unknown, unknown>,
  closed: Exit.Exit<Cause.Cause<never>>
): Exit.Exit<unknown, unknown> => {
  const failures = Exit.isSuccess(closed) ? closed.value : closed.cause
  if (failures.reasons.length === 0) return exit
  return Exit.failCause(Exit.isFailure(exit) ? Cause.combine(exit.cause, failures) : failures)
}

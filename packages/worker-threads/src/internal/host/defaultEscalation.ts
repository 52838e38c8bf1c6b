import type * as Escalation from "@quiesce/core/Escalation"

/**
 * The escalation of a task that is ended without one. On a busy machine the debugger may take more than a second to start
 * in a worker, and a kill in the meantime would lose the leases of the task.
 */
export const defaultEscalation: Escalation.Escalation = {
  interrupt: "1 second",
  unwind: "3 seconds",
  kill: "5 seconds"
}

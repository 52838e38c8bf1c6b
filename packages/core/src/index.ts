/**
 * Threads on fibers. A thread starts in a scope, stops with a reason, and releases its leases however it ends.
 *
 * `Schemas`, `Timeline` and `ThreadMetrics` are entries of their own, such as `@quiesce/core/Timeline`, because few programs
 * need them and they would add a third to the code of each. `Schemas` loads all of Effect's `Schema`.
 *
 * @since 0.1.0
 */
export * as Abort from "./Abort.ts"
export * as Blocking from "./Blocking.ts"
export * as CancelReason from "./CancelReason.ts"
export * as Deadline from "./Deadline.ts"
export * as Escalation from "./Escalation.ts"
export * as ForcedEnd from "./ForcedEnd.ts"
export * as Lease from "./Lease.ts"
export * as ShutdownReport from "./ShutdownReport.ts"
export * as StopToken from "./StopToken.ts"
export * as Thread from "./Thread.ts"
export * as ThreadDump from "./ThreadDump.ts"
export * as ThreadError from "./ThreadError.ts"
export * as ThreadGroup from "./ThreadGroup.ts"
export * as ThreadMap from "./ThreadMap.ts"

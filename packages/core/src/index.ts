/**
 * Threads on fibers. A thread starts in a scope, stops with a reason, and releases its leases however it ends.
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
export * as Schemas from "./Schemas.ts"
export * as ShutdownReport from "./ShutdownReport.ts"
export * as StopToken from "./StopToken.ts"
export * as Thread from "./Thread.ts"
export * as ThreadDump from "./ThreadDump.ts"
export * as ThreadError from "./ThreadError.ts"
export * as ThreadGroup from "./ThreadGroup.ts"
export * as ThreadMap from "./ThreadMap.ts"
export * as ThreadMetrics from "./ThreadMetrics.ts"
export * as Timeline from "./Timeline.ts"

/**
 * The entry `@quiesce/core/internal`, for the other packages of this project only. Anything here may change in any
 * release. Authors of adapters find their tools in `@quiesce/core/adapter`.
 */
export { interruptThread } from "./directInterrupt.ts"
export { millisOf } from "./duration.ts"
export { sharedCauses } from "./effectInternals.ts"
export { make as makeFiberSections, type CtrlC } from "./fiberSections.ts"
export { isAbortSignal } from "./abortSignals.ts"
export { causeText } from "./causeText.ts"
export { isAbandoned } from "./cleanupFailure.ts"
export { EncodedError } from "./encodedError.ts"
export { errorBase } from "./errorBase.ts"
export { isExceeded } from "./deadlines.ts"
export { hasAtMost, isError } from "./foreignParts.ts"
export { messageOf, textOf, traceOf } from "./foreignText.ts"
export { logUnhandled } from "./notice.ts"
export { readOr } from "./foreignValue.ts"
export { Entry, LinkedList } from "./linkedList.ts"
export { CurrentThreadSpan, inLeaseSpan, isTraced, open as openSpan, type OpenSpan } from "./tracing.ts"
export { plain as plainReason } from "./reasonKinds.ts"
export { exitOf as sectionExit } from "./sectionResult.ts"
export { uninterruptibleIn } from "./uninterruptible.ts"
export { platform as platformWatchdog, type Watchdog } from "./watchdog.ts"

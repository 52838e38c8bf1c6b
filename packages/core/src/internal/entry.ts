/**
 * The entry `@quiesce/core/internal`, for the other packages of this project only. Anything here may change in any
 * release. Authors of adapters find their tools in `ThreadAdapter`.
 */
export { millisOf } from "./duration.ts"
export { interruptFiber } from "./effectInternals.ts"
export { causeText, hasAtMost, messageOf, textOf, traceOf } from "./foreignText.ts"

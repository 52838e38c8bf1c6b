/**
 * The entry `@quiesce/core/internal/plainHost`, for the other packages of this project only: the parts that the host of plain
 * functions needs before it loads Effect. Nothing here loads Effect.
 */
export { of as abortListenerOf } from "./abortListener.ts"
export { Entry, LinkedList } from "./linkedList.ts"
export { currentFiberKey } from "./redaction.ts"

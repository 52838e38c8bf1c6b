/**
 * The entry `@quiesce/core/internal/plain`, for the other packages of this project only: what a worker of plain functions
 * needs of this package. Nothing here loads Effect.
 */
export { CancelError, toError } from "./cancelError.ts"
export { hasAtMost, messageOf, textOf, traceOf } from "./foreignText.ts"

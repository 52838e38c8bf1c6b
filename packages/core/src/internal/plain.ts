/**
 * The entry `@quiesce/core/internal/plain`, for the other packages of this project only: the parts that each
 * worker of plain functions needs. Nothing here loads Effect.
 */
export { CancelError, toError } from "./cancelError.ts"
export { hasAtMost } from "./foreignParts.ts"

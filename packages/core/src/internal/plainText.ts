/**
 * The entry `@quiesce/core/internal/plainText`, for the other packages of this project only: the texts of values, for code
 * that does not load Effect.
 */
export { messageOf, textOf, traceOf } from "./foreignText.ts"

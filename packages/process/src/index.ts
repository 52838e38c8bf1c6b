/**
 * Programs that end well: signals become reasons, finalizers run within a budget, and the exit code is the one that a shell
 * expects.
 *
 * @since 0.1.0
 */
export * as Main from "./Main.ts"
export * as ProcessError from "./ProcessError.ts"

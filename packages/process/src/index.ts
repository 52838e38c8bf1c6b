/**
 * Programs that end well: signals become reasons, finalizers run within a budget, and the exit code is the one that a shell
 * expects. Child processes are threads, and end with all their descendants.
 *
 * @since 0.1.0
 */
export * as HttpDrain from "./HttpDrain.ts"
export * as Main from "./Main.ts"
export * as ProcessDump from "./ProcessDump.ts"
export * as ProcessError from "./ProcessError.ts"
export * as ProcessThread from "./ProcessThread.ts"
